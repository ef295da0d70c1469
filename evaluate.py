"""Measure a model: `python evaluate.py --checkpoint runs/NAME/best.pt`; see --help."""

from cursivetransformer.errors import run_script
from cursivetransformer.evaluation import evaluate
from cursivetransformer.report import check_out, markdown, save_report
from cursivetransformer.sample_config import get_evaluation_args


def main():
    config = get_evaluation_args()
    check_out(config.out)
    report, written = evaluate(config)
    print(markdown(report))
    print("written to", ", ".join(save_report(report, written, config.out)))


if __name__ == "__main__":
    run_script(main)
