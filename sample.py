"""Write a text in a learnt hand: `python sample.py "Dear Ada" --out dear.svg`; see --help."""

from cursivetransformer.utils.errors import run_script
from cursivetransformer.config.sample import get_sample_args
from cursivetransformer.write_files import draw_authors, write_page

MOST_NOTES = 20  # of words that may be misspelt
MOST_FILES = 12  # that are named


def main():
    config = get_sample_args()
    if config.list_authors:
        names = draw_authors(config)
        print("\n".join(names))
        print(f"drew {len(names)} hands to {config.out}; write in one of them with --author {names[0]}")
        return
    summary = write_page(config, show_progress=True)
    for sentence in summary.slips:
        print(sentence)
    if summary.borrowed:
        print(f"note: never recorded in this hand, so written in one that the model knew before: {' '.join(sorted(summary.borrowed))}")
    for number, spelt in list(summary.doubtful.items())[:MOST_NOTES]:
        if not spelt.word.finished:
            print(f"note: word {number}, {spelt.word.text!r}, did not come to its end; --rewrite {number} writes it anew")
        else:
            print(f"note: word {number}, {spelt.word.text!r}, reads like {spelt.reading!r} in its best of {spelt.versions} versions; "
                  f"--rewrite {number} writes it anew")
    if len(summary.doubtful) > MOST_NOTES:
        print(f"note: {len(summary.doubtful) - MOST_NOTES} other words are doubtful too: {','.join(map(str, list(summary.doubtful)[MOST_NOTES:]))}")
    files = list(map(str, summary.files))
    if len(files) > MOST_FILES:
        files = [files[0], "...", *files[-MOST_FILES // 2:]]
    print(f"wrote {summary.n_words} words to {', '.join(files)}")


if __name__ == "__main__":
    run_script(main)
