"""Train the two readers of a handwriting: `python train_reader.py --dataset_name my_bank.json`; see --help."""

from cursivetransformer.training.finetune import reader_settings
from cursivetransformer.config.train import get_reader_args
from cursivetransformer.utils.errors import run_script
from cursivetransformer.training.train_recognizer import train_readers

if __name__ == "__main__":
    run_script(lambda: print(f"readers written to {train_readers(reader_settings(get_reader_args()), show_progress=True)}/"))
