"""Write a text in a learnt hand: `python sample.py "Dear Ada" --out dear.svg`; see --help."""

from cursivetransformer.cli import write
from cursivetransformer.utils.errors import run_script

if __name__ == "__main__":
    run_script(write)
