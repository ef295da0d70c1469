"""Measure a model: `python evaluate.py --checkpoint runs/NAME/best.pt`; see --help."""

from cursivetransformer.cli import evaluate
from cursivetransformer.utils.errors import run_script

if __name__ == "__main__":
    run_script(evaluate)
