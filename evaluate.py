"""Measure a model: `python evaluate.py --checkpoint runs/NAME/best.pt`; see --help."""

from cursivetransformer.utils.errors import run_script
from cursivetransformer.evaluation.evaluator import evaluate
from cursivetransformer.evaluation.report import check_out, markdown, save_report
from cursivetransformer.config.sample import get_evaluation_args


def main():
    config = get_evaluation_args()
    check_out(config.out)
    report, written = evaluate(config)
    print(markdown(report))
    print("written to", ", ".join(save_report(report, written, config.out)))


if __name__ == "__main__":
    run_script(main)
