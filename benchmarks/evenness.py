"""Measure how evenly a hand writes: raw, and with normalization, smoothing, bias and a primer.

    python -m benchmarks.evenness [--checkpoint data/base.pt] [--style_from BANK.json#17]

A text is written three times. The spread is the standard deviation of slant (dx per dy) and of log
height between the three versions of a word, so the letters of the word do not count. The grading
recognizer gives the fraction of misread characters.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.sampling import TEXT
from cursivetransformer import Writer
from cursivetransformer.ink import measures
from cursivetransformer.ink.curves import smooth
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SHIPPED,
    Recognizer,
    load_recognizer,
)
from cursivetransformer.sampling.priming import find_primer
from cursivetransformer.utils.errors import run_script

COPIES = 3
AS_DRAWN = dict(normalize_slant=0.0, normalize_size=0.0, smooth=0.0, missing="skip")
MAX_PRIMER_CHARACTERS = 30


def grading_recognizer() -> Recognizer:
    """Load the recognizer of the shipped hands that does not choose any of their words."""
    return load_recognizer(SHIPPED / "starter" / f"{EVALUATION}.pt")


def spreads(inks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the spreads of slant and of log height between copies of one word, (2,)."""
    values = np.array([np.tan(measures.slants(inks)), np.log(measures.heights(inks))])
    values = values.reshape(2, COPIES, -1)
    return np.sqrt(np.nanmean(np.nanvar(values, axis=1, ddof=1), axis=1))


def report(
    name: str, inks: Sequence[np.ndarray], texts: Sequence[str], recognizer: Recognizer
) -> None:
    """Print the spreads and the misread characters of written words."""
    slant, height = spreads(inks)
    misread = ErrorRate.from_readings(texts, recognizer.read(inks)).cer
    print(
        f"  {name:32} slant {slant:.3f}, height {100 * height:.1f}%, misread {100 * misread:.2f}%"
    )


def compare_evenness(writer: Writer, recognizer: Recognizer, author: str) -> None:
    """Print the evenness of an author's words, as drawn and after each treatment."""
    text = " ".join([TEXT] * COPIES)
    words = writer.write(text, author=author, **AS_DRAWN).words
    texts, inks = [word.text for word in words], [word.points for word in words]
    hand = HandStatistics.from_words(inks, texts)
    print(f"{author}, {len(words)} words; spread between versions of a word")
    report("as drawn", inks, texts, recognizer)
    for amount in (0.5, 1.0):
        evened = [hand.normalize(ink, text, amount, amount) for ink, text in zip(inks, texts)]
        report(f"evened by {amount:g}", evened, texts, recognizer)
    smooth_inks = [smooth(hand.normalize(ink, text)) for ink, text in zip(inks, texts)]
    report("evened by 0.5 and smoothed", smooth_inks, texts, recognizer)
    for bias in (1.0, 3.0):
        words = writer.write(text, author=author, bias=bias, **AS_DRAWN).words
        biased = [word.points for word in words]
        report(f"as drawn with bias {bias:g}", biased, texts, recognizer)


def compare_slants(writer: Writer, style_from: str) -> None:
    """Print the slant of a recorded word, and of a text with and without it as primer."""
    print(f"like {style_from}: slant of all words, mean and standard deviation")
    primer = find_primer(style_from, writer.tokenizer, writer.dropped, MAX_PRIMER_CHARACTERS)
    print(
        f"  the word itself, {primer.text!r:17} {np.tan(measures.slants([primer.points]))[0]:.2f}"
    )
    for name, settings in (
        ("nobody's hand", dict(author="unknown")),
        ("nobody's hand, like it", dict(author="unknown", style_from=style_from)),
    ):
        words = writer.write(TEXT, **AS_DRAWN, **settings).words
        slants = np.tan(measures.slants([word.points for word in words]))
        print(f"  {name:32} {np.nanmean(slants):.2f}, {np.nanstd(slants):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    parser.add_argument("--authors", default="Ada,Dov,Edith")
    parser.add_argument("--style_from", default="")
    options = parser.parse_args()
    writer = Writer.load(options.checkpoint, respell=1, say=lambda note: None)
    recognizer = grading_recognizer()
    for author in options.authors.split(","):
        compare_evenness(writer, recognizer, author)
    if options.style_from:
        compare_slants(writer, options.style_from)


if __name__ == "__main__":
    run_script(main)
