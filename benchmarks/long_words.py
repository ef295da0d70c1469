"""Compare long words written at once and in adjoining parts, by misread characters.

    python -m benchmarks.long_words [--checkpoint data/base.pt]

All words have more than sixteen letters. The grading recognizer reads them.
"""

import argparse

from benchmarks.evenness import grading_recognizer
from cursivetransformer import Writer, pipeline
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.utils.errors import run_script

WORDS = (
    "telecommunication misrepresentation industrialization telecommunications "
    "characteristically disproportionately counterproductive "
    "straightforwardness interconnectedness internationalization counterrevolutionary "
    "compartmentalization institutionalization "
    "counterrevolutionaries deinstitutionalization"
)
AUTHORS = ("Ada", "Dov", "Hugo", "Kaya")
NO_LIMIT = 1000  # letters, more than any word has


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    options = parser.parse_args()
    writer = Writer.load(options.checkpoint, say=lambda note: None)
    recognizer = grading_recognizer()
    limit = pipeline.MAX_PART_LENGTH
    for name, max_letters in (("at once", NO_LIMIT), (f"in parts of up to {limit}", limit)):
        pipeline.MAX_PART_LENGTH = max_letters
        words = []
        for author in AUTHORS:
            words += writer.write(WORDS, author=author, page="A3").words
        counts = ErrorRate.from_readings(
            [word.text for word in words], recognizer.read([word.points for word in words])
        )
        print(
            f"{len(WORDS.split()) * len(AUTHORS)} words, {name}: {counts.edits} of "
            f"{counts.characters} characters misread, {100 * counts.cer:.2f}%"
        )


if __name__ == "__main__":
    run_script(main)
