"""Write a text in a learnt hand: `python sample.py "Dear Ada" --out dear.svg`; see --help."""

from cursivetransformer.config import get_sample_args
from cursivetransformer.errors import run_script
from cursivetransformer.write import draw_authors, write_page


def main():
    config = get_sample_args()
    if config.list_authors:
        names = draw_authors(config)
        print("\n".join(names))
        print(f"drew {len(names)} hands to {config.out}; write in one of them with --author {names[0]}")
        return
    words = write_page(config, show_progress=True)
    for number, spelt in enumerate(words, 1):
        if not spelt.word.finished:
            print(f"note: word {number}, {spelt.word.text!r}, did not come to its end; --rewrite {number} writes it anew")
        elif spelt.doubtful:
            print(f"note: word {number}, {spelt.word.text!r}, reads like {spelt.reading!r} in its best of {spelt.versions} versions; "
                  f"--rewrite {number} writes it anew")
    print(f"wrote {len(words)} words to {config.out}")


if __name__ == "__main__":
    run_script(main)
