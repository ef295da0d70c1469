"""Train the recognizers of a bank: `python train_recognizer.py --dataset_name my_bank.json`."""

from cursivetransformer.cli import train_recognizer
from cursivetransformer.utils.errors import run_script

if __name__ == "__main__":
    run_script(train_recognizer)
