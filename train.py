"""Train a model of a handwriting: `python train.py --dataset_name my_bank.json`; see --help."""

from cursivetransformer.config.train import get_all_args
from cursivetransformer.utils.errors import run_script
from cursivetransformer.training.trainer import train

if __name__ == "__main__":
    run_script(lambda: train(get_all_args()))
