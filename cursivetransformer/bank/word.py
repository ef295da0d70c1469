"""One entry of a bank: what is valid, and how it becomes a word and back. Knows no files."""

import unicodedata
from dataclasses import dataclass, field

import numpy as np

BASELINE = 2 / 3  # of the canvas's height: the lower guide line
MOST_POINTS = 50_000  # in one entry: ten minutes at 80 points a second
LONGEST_TEXT = 1_000  # characters in one entry
FARTHEST = 100.0  # canvas heights from the origin
UNKNOWN_AUTHOR = "unknown"


@dataclass
class Word:
    """The ink of one bank entry with its text.

    points: (n, 3) float32, compact as in `strokes.py`; the left edge is x = 0, the baseline y = 0, the unit the
    height of the recording canvas. metadata: all that the entry said besides its points.
    """

    text: str
    author: str
    points: np.ndarray
    metadata: dict = field(default_factory=dict)


def mean_character_width(words):
    """Width of a character of the words' ink, in canvas heights."""
    return sum(np.ptp(word.points[:, 0]) for word in words) / sum(len(word.text) for word in words)


class InvalidEntry(Exception):
    """What is wrong with one entry of a bank."""


def parse_entry(entry):
    """One raw entry -> `Word`. Raises `InvalidEntry`."""
    if not isinstance(entry, dict):
        raise InvalidEntry(
            f"must be an object with metadata and points, not {type(entry).__name__}"
        )
    for key in ("metadata", "points"):
        if key not in entry:
            raise InvalidEntry(f"has no {key!r}")
    metadata = entry["metadata"]
    if not isinstance(metadata, dict):
        raise InvalidEntry("metadata is not an object")
    text = _parse_text(metadata)
    author = metadata.get("author") or UNKNOWN_AUTHOR
    aspect = _number(metadata, "aspectRatio")
    if not 0 < aspect <= FARTHEST:
        raise InvalidEntry(
            f"aspectRatio is {aspect:g}, it must be above 0 and at most {FARTHEST:g}"
        )
    baseline = _number(metadata, "baseline", BASELINE)
    points = _parse_points(entry["points"])
    points[:, 0] *= aspect
    points[:, 1] -= baseline
    if np.abs(points).max() > FARTHEST:
        raise InvalidEntry(
            f"ink reaches {np.abs(points).max():.3g} canvas heights far, at most {FARTHEST:g} makes sense"
        )
    points[:, 0] -= points[:, 0].min()
    return Word(text, str(author), compact(points), metadata)


def _parse_text(metadata):
    if "asciiSequence" not in metadata:
        raise InvalidEntry("metadata has no 'asciiSequence'")
    text = metadata["asciiSequence"]
    if not isinstance(text, str) or not text.strip():
        raise InvalidEntry(f"text is empty or not a text: {text!r:.40}")
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > LONGEST_TEXT:
        raise InvalidEntry(f"text has {len(text)} characters, at most {LONGEST_TEXT} make sense")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidEntry(f"text holds a control character: {text!r:.40}")
    return text


def _number(metadata, key, default=None):
    value = metadata.get(key, default)
    if value is None:
        raise InvalidEntry(f"metadata has no {key!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
        raise InvalidEntry(f"{key} is not a number: {value!r:.40}")
    return float(value)


def _parse_points(rows):
    """Raw points -> (n, 3) float64; further numbers of a point (time, pressure) are left out."""
    if not isinstance(rows, list):
        raise InvalidEntry("points is not a list")
    if not rows:
        raise InvalidEntry("has no ink: no points")
    if len(rows) > MOST_POINTS:
        raise InvalidEntry(f"has {len(rows)} points, at most {MOST_POINTS} make sense")
    try:
        # Without time and pressure, as most are, in half the time.
        points = np.array(rows if set(map(len, rows)) == {3} else [row[:3] for row in rows])
    except (ValueError, TypeError, IndexError, OverflowError, KeyError):
        raise InvalidEntry("a point is not a list of x, y and pen") from None
    if points.ndim != 2 or points.shape[1] != 3:
        raise InvalidEntry("a point is not a list of x, y and pen")
    if points.dtype.kind not in "if":
        raise InvalidEntry("a point holds something that is not a number")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise InvalidEntry("a point holds NaN or an infinity")
    if not np.isin(points[:, 2], (0, 1)).all():
        raise InvalidEntry("pen must be 0 or 1")
    if not points[:, 2].any():
        raise InvalidEntry("has no ink: the pen is never down")
    return points


def compact(points):
    """(n, 3) points of a bank entry -> float32 points where pen 0 stands at the last inked point of a stroke.

    A bank repeats the last point of every stroke with pen 0; here the repetition is dropped. A last stroke that
    was never lifted is.
    """
    points = points.astype(np.float32)
    repeated = np.zeros(len(points), bool)
    repeated[1:] = (
        (points[1:, 2] == 0)
        & (points[:-1, 2] == 1)
        & (points[1:, :2] == points[:-1, :2]).all(axis=1)
    )
    points[np.flatnonzero(repeated) - 1, 2] = 0
    points[-1, 2] = 0
    return points[~repeated]


def word_to_entry(word, digits=5):
    """`Word` -> raw entry, as a recorder would have written it: fractions of a canvas, with `digits` decimals, stroke ends repeated."""
    metadata = dict(word.metadata)
    aspect = float(
        metadata.setdefault("aspectRatio", round(max(6.0, float(word.points[:, 0].max()) + 0.5), 2))
    )
    baseline = float(metadata.get("baseline", BASELINE))
    xy = word.points[:, :2] / (aspect, 1) + (0, baseline)
    rows = []
    for (x, y), pen in zip(xy.round(digits).tolist(), word.points[:, 2]):
        rows.append([x, y, 1])
        if pen == 0:
            rows.append([x, y, 0])
    strokes = int(np.count_nonzero(word.points[:, 2] == 0))
    metadata.update(
        author=word.author, asciiSequence=word.text, pointCount=len(rows), strokeCount=strokes
    )
    return {"metadata": metadata, "points": rows}
