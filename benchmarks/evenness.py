"""How alike words are that a hand writes, and what evening, smoothing, bias and a primer do to that and to legibility.

    python -m benchmarks.evenness [--checkpoint data/base.pt] [--style_from BANK.json#17]

A text is written three times over. The spread is the standard deviation of slant (dx per dy) and of log height between the three
versions of a word, so that what its letters make of it does not count. The grading recognizer tells the share of characters misread.
"""

import argparse

import numpy as np

from benchmarks.sampling import TEXT
from cursivetransformer import Writer
from cursivetransformer.ink import measures as style
from cursivetransformer.ink.curves import smooth
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SHIPPED,
    load_recognizer,
)
from cursivetransformer.sampling.priming import find_primer
from cursivetransformer.utils.errors import run_script

COPIES = 3
AS_DRAWN = dict(normalize_slant=0.0, normalize_size=0.0, smooth=0.0, missing="skip")


def grading_recognizer():
    """The recognizer of the shipped hands that none of their words is chosen by."""
    return load_recognizer(SHIPPED / "starter" / f"{EVALUATION}.pt")


def spreads(inks):
    """Between copies of one word: of slant and of log height."""
    values = np.array([np.tan(style.slants(inks)), np.log(style.heights(inks))]).reshape(
        2, COPIES, -1
    )
    return np.sqrt(np.nanmean(np.nanvar(values, axis=1, ddof=1), axis=1))


def told(name, inks, texts, recognizer=None):
    """Print a line about these words."""
    slant, height = spreads(inks)
    misread = (
        f", misread {100 * ErrorRate.from_readings(texts, recognizer.read(inks)).cer:.2f}%"
        if recognizer
        else ""
    )
    print(f"  {name:32} slant {slant:.3f}, height {100 * height:.1f}%{misread}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    parser.add_argument("--authors", default="Ada,Dov,Edith")
    parser.add_argument("--style_from", default="")
    options = parser.parse_args()
    writer = Writer.load(options.checkpoint, respell=1, say=lambda note: None)
    recognizer = grading_recognizer()
    text = " ".join([TEXT] * COPIES)
    for author in options.authors.split(","):
        words = writer.write(text, author=author, **AS_DRAWN).words
        texts, inks = [word.text for word in words], [word.points for word in words]
        hand = HandStatistics.from_words(inks, texts)
        print(f"{author}, {len(words)} words; spread between versions of a word")
        told("as drawn", inks, texts, recognizer)
        for share in (0.5, 1.0):
            told(
                f"evened by {share:g}",
                [hand.normalize(ink, text, share, share) for ink, text in zip(inks, texts)],
                texts,
                recognizer,
            )
        told(
            "evened by 0.5 and smoothed",
            [smooth(hand.normalize(ink, text)) for ink, text in zip(inks, texts)],
            texts,
            recognizer,
        )
        for bias in (1.0, 3.0):
            told(
                f"as drawn with bias {bias:g}",
                [
                    one.points
                    for one in writer.write(text, author=author, bias=bias, **AS_DRAWN).words
                ],
                texts,
                recognizer,
            )
    if options.like:
        print(f"like {options.like}: slant of all words, mean and standard deviation")
        primer = find_primer(options.like, writer.tokenizer, writer.dropped, 30)
        print(
            f"  the word itself, {primer.text!r:17} {np.tan(style.slants([primer.points]))[0]:.2f}"
        )
        for name, settings in (
            ("nobody's hand", dict(author="unknown")),
            ("nobody's hand, like it", dict(author="unknown", like=options.like)),
        ):
            slants = np.tan(
                style.slants(
                    [one.points for one in writer.write(TEXT, **AS_DRAWN, **settings).words]
                )
            )
            print(f"  {name:32} {np.nanmean(slants):.2f}, {np.nanstd(slants):.2f}")


if __name__ == "__main__":
    run_script(main)
