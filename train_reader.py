"""Train the two readers of a handwriting: `python train_reader.py --dataset_name my_bank.json`; see --help."""

from cursivetransformer.adapt import reader_settings
from cursivetransformer.config import get_reader_args
from cursivetransformer.errors import run_script
from cursivetransformer.reader_training import train_readers

if __name__ == "__main__":
    run_script(lambda: print(f"readers written to {train_readers(reader_settings(get_reader_args()), show_progress=True)}/"))
