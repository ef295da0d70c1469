"""Words of more than sixteen letters, written at once and in parts that stand side by side: characters that the grading recognizer misreads.

python -m benchmarks.long_words [--checkpoint data/base.pt]
"""

import argparse

from benchmarks.evenness import grading_recognizer
from cursivetransformer import Writer
from cursivetransformer import pipeline as write
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.utils.errors import run_script

WORDS = (
    "telecommunication misrepresentation industrialization telecommunications characteristically disproportionately counterproductive "
    "straightforwardness interconnectedness internationalization counterrevolutionary compartmentalization institutionalization "
    "counterrevolutionaries deinstitutionalization"
)
AUTHORS = ("Ada", "Dov", "Hugo", "Kaya")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    writer, recognizer = (
        Writer.load(parser.parse_args().checkpoint, say=lambda note: None),
        grading_recognizer(),
    )
    for name, most in (
        ("at once", 1000),
        (f"in parts of up to {write.MAX_LETTERS_AT_ONCE}", write.MAX_LETTERS_AT_ONCE),
    ):
        write.MAX_LETTERS_AT_ONCE = most
        words = [
            one for author in AUTHORS for one in writer.write(WORDS, author=author, page="A3").words
        ]
        counts = ErrorRate.from_readings(
            [word.text for word in words], recognizer.read([word.points for word in words])
        )
        print(
            f"{len(WORDS.split()) * len(AUTHORS)} words, {name}: {counts.edits} of {counts.characters} characters misread, {100 * counts.cer:.2f}%"
        )


if __name__ == "__main__":
    run_script(main)
