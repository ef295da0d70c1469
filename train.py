"""Train a model of a handwriting: `python train.py --dataset_name my_bank.json`; see --help."""

from cursivetransformer.cli import train
from cursivetransformer.utils.errors import run_script

if __name__ == "__main__":
    run_script(train)
