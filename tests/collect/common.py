"""Helpers that the tests of the recording page share."""

from pathlib import Path

import numpy as np

from cursivetransformer.bank.file import load_bank, read_entries

ROOT = Path(__file__).parent.parent.parent
STARTER = ROOT / "data" / "starter.json.zip"
ROUNDING = 0.6e-5  # coordinates have five decimals
DOT = np.array([[0.3, 0.35]])


def same_strokes(actual, expected, rounding=ROUNDING):
    """Assert that two lists of strokes agree to within `rounding`."""
    assert len(actual) == len(expected)
    for actual_stroke, expected_stroke in zip(actual, expected):
        assert np.shape(actual_stroke) == np.shape(expected_stroke)
        assert np.abs(np.array(actual_stroke) - expected_stroke).max() <= rounding


def exported(recorder, path, kind="json"):
    """Export the page's bank. Return its raw entries and its words."""
    recorder.export(path, kind)
    return read_entries(path), load_bank(path, strict=True)


def without_repetition(points):
    """Return the strokes of a raw entry, (n, 2) arrays.

    An entry repeats the last point of each stroke. This repetition is checked and left out.
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
