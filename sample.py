"""Write a text in a learnt hand: `python sample.py "Dear Ada" --out dear.svg`; see --help."""

from cursivetransformer.config import get_sample_args
from cursivetransformer.errors import run_script
from cursivetransformer.write import write_page


def main():
    config = get_sample_args()
    words, doubtful = write_page(config, show_progress=True)
    for word in doubtful:
        print(f"note: {word.text!r} did not come to its end; another --seed may write it better")
    print(f"wrote {len(words)} words to {config.out}")


if __name__ == "__main__":
    run_script(main)
