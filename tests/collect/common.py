"""What tests of the recording page share."""

from pathlib import Path

import numpy as np

from cursivetransformer.bank.file import load_bank, read_entries

ROOT = Path(__file__).parent.parent.parent
STARTER = ROOT / "data" / "starter.json.zip"
ROUNDING = 0.6e-5  # coordinates have five decimals
DOT = np.array([[0.3, 0.35]])


def same_strokes(found, expected, rounding=ROUNDING):
    assert len(found) == len(expected)
    for one, two in zip(found, expected):
        assert np.shape(one) == np.shape(two)
        assert np.abs(np.array(one) - two).max() <= rounding


def exported(recorder, path, kind="json"):
    """The page's bank after an export, as raw entries and as words."""
    recorder.export(path, kind)
    return read_entries(path), load_bank(path, strict=True)


def without_repetition(points):
    """The strokes of a raw entry, (n, 2) arrays.

    the repeated end of each is checked and left out.
    """
    strokes, stroke = [], []
    for x, y, pen, *_ in points:
        if pen:
            stroke.append((x, y))
        else:
            assert stroke[-1] == (x, y)
            strokes.append(np.array(stroke))
            stroke = []
    assert not stroke
    return strokes
