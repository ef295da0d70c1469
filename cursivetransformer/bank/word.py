"""One entry of a bank: what is valid, and its conversion to a word and back."""

import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from cursivetransformer.ink.strokes import split_at_gaps

# Fraction of the canvas's height: the lower guide line.
BASELINE = 2 / 3
# Points of one entry: ten minutes at 80 points a second.
MAX_POINTS = 50_000
# Characters of one entry.
MAX_TEXT_LENGTH = 1_000
MAX_NAME_LENGTH = 100  # of an author
# Of one entry, beside its points.
MAX_METADATA_VALUES, MAX_METADATA_CHARACTERS = 100, 4_000
# Canvas heights from the origin.
MAX_COORDINATE = 100.0
UNKNOWN_AUTHOR = "unknown"
PHRASE = "phrase"  # in the metadata of a word, the text of the phrase that it was split from


@dataclass
class Word:
    """The ink of one bank entry with its text.

    Attributes:
        text: what is written, in Unicode's normal form C.
        author: who wrote it, or `UNKNOWN_AUTHOR`.
        points: (n, 3) float32, as in `ink/strokes.py`, with no repeated stroke ends; the left edge
            is x = 0, the baseline y = 0, the unit the height of the recording canvas.
        metadata: all that the entry holds besides its points.
    """

    text: str
    author: str
    points: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)


def mean_character_width(words: Sequence[Word]) -> float:
    """Return the mean width of a character of the words' ink, in canvas heights."""
    return sum(np.ptp(word.points[:, 0]) for word in words) / sum(len(word.text) for word in words)


def split_phrases(words: Sequence[Word]) -> list[Word]:
    """Return words of which each phrase, like "I am", is split at the gaps between its words.

    The left edge of each word is x = 0. A phrase whose gaps do not stand out stays whole.
    """
    return [part for word in words for part in _split_phrase(word)]


def _split_phrase(word: Word) -> list[Word]:
    texts = word.text.split()
    parts = split_at_gaps(word.points, len(texts) - 1) if len(texts) > 1 else []
    if len(parts) < 2:
        return [word]
    for points in parts:
        points[:, 0] -= points[:, 0].min()
    metadata = {**word.metadata, PHRASE: word.text}
    return [
        replace(word, text=text, points=points, metadata=metadata)
        for text, points in zip(texts, parts)
    ]


class InvalidEntry(Exception):
    """An entry of a bank is not valid; the message says why."""


def parse_entry(entry: object) -> Word:
    """Convert an entry, as JSON holds it, to a word.

    Raises:
        InvalidEntry: if it is not valid.
    """
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
    _check_extras({key: value for key, value in entry.items() if key != "points"})
    author = _parse_author(metadata)
    aspect = _parse_number(metadata, "aspectRatio")
    if not 0 < aspect <= MAX_COORDINATE:
        raise InvalidEntry(
            f"aspectRatio is {aspect:g}, it must be above 0 and at most {MAX_COORDINATE:g}"
        )
    baseline = _parse_number(metadata, "baseline", BASELINE)
    points = _to_canvas_heights(_parse_points(entry["points"]), aspect, baseline)
    return Word(text, author, compact(points), metadata)


def _check_extras(extras: dict[str, Any]) -> None:
    """Bound what an entry holds beside its points. Raises `InvalidEntry`."""
    waiting: list[object] = [extras]
    n_values = n_characters = 0
    while waiting:
        value = waiting.pop()
        n_values += 1
        if isinstance(value, str):
            n_characters += len(value)
        elif isinstance(value, dict):
            n_characters += sum(map(len, value))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        if n_values > MAX_METADATA_VALUES or n_characters > MAX_METADATA_CHARACTERS:
            raise InvalidEntry(
                f"metadata holds more than {MAX_METADATA_VALUES} values or "
                f"{MAX_METADATA_CHARACTERS} characters"
            )


def plain_name(name: str) -> str:
    """Return an author's name without what only steers a terminal or a page, and not too long."""
    kept = (char for char in name[:MAX_METADATA_CHARACTERS] if _is_printed(char))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())[:MAX_NAME_LENGTH].strip()


def _is_printed(char: str) -> bool:
    # Spaces of all kinds stay; controls, formats, surrogates and unassigned characters go.
    return char.isspace() or not unicodedata.category(char).startswith("C")


def _parse_author(metadata: dict[str, Any]) -> str:
    author = metadata.get("author")
    if isinstance(author, (int, float)):
        author = str(author)
    if author is not None and not isinstance(author, str):
        raise InvalidEntry(f"author is not a text: {author!r:.40}")
    return plain_name(author or "") or UNKNOWN_AUTHOR


def _parse_text(metadata: dict[str, Any]) -> str:
    if "asciiSequence" not in metadata:
        raise InvalidEntry("metadata has no 'asciiSequence'")
    text = metadata["asciiSequence"]
    if not isinstance(text, str) or not text.strip():
        raise InvalidEntry(f"text is empty or not a text: {text!r:.40}")
    # Before normalizing, which takes long for a long row of accents.
    if len(text) > 2 * MAX_TEXT_LENGTH:
        raise InvalidEntry(f"text has {len(text)} characters, at most {MAX_TEXT_LENGTH} make sense")
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidEntry(f"text has {len(text)} characters, at most {MAX_TEXT_LENGTH} make sense")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidEntry(f"text holds a control character: {text!r:.40}")
    return text


def _parse_number(metadata: dict[str, Any], key: str, default: float | None = None) -> float:
    value = metadata.get(key, default)
    if value is None:
        raise InvalidEntry(f"metadata has no {key!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
        raise InvalidEntry(f"{key} is not a number: {value!r:.40}")
    return float(value)


def _parse_points(rows: object) -> np.ndarray:
    """Convert rows of JSON to points (n, 3) float64; leave out times and pressures."""
    if not isinstance(rows, list):
        raise InvalidEntry("points is not a list")
    if not rows:
        raise InvalidEntry("has no ink: no points")
    if len(rows) > MAX_POINTS:
        raise InvalidEntry(f"has {len(rows)} points, at most {MAX_POINTS} make sense")
    try:
        # Most rows have three numbers; not slicing these takes half the time.
        plain = set(map(len, rows)) == {3}
        firsts = rows if plain else [row[:3] for row in rows]
        if not plain and any(len(row) != 3 for row in firsts):
            raise TypeError
        # What else a row holds is kept in the file, if it is no list that could be nested deep.
        if not plain and any(isinstance(x, (list, dict)) for row in rows for x in row[3:]):
            raise TypeError
    except (ValueError, TypeError, IndexError, KeyError):
        raise InvalidEntry("a point is not a list of x, y and pen") from None
    try:
        # An array takes numbers alone; NumPy would widen every cell for one long text.
        numbers = array("d", chain.from_iterable(firsts))
    except (TypeError, OverflowError):
        raise InvalidEntry("a point holds something that is not a number") from None
    points = np.array(numbers).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise InvalidEntry("a point holds NaN or an infinity")
    if not np.isin(points[:, 2], (0, 1)).all():
        raise InvalidEntry("pen must be 0 or 1")
    if not points[:, 2].any():
        raise InvalidEntry("has no ink: the pen is never down")
    return points


def _to_canvas_heights(points: np.ndarray, aspect: float, baseline: float) -> np.ndarray:
    """Convert points (n, 3) from fractions of the canvas to canvas heights; see `Word`."""
    points[:, 0] *= aspect
    points[:, 1] -= baseline
    reach = np.abs(points).max()
    if reach > MAX_COORDINATE:
        raise InvalidEntry(
            f"ink reaches {reach:.3g} canvas heights far, at most {MAX_COORDINATE:g} makes sense"
        )
    points[:, 0] -= points[:, 0].min()
    return points


def compact(points: np.ndarray) -> np.ndarray:
    """Drop the repeated stroke ends of an entry's points (n, 3), and convert them to float32.

    A bank repeats the last point of every stroke with pen 0. Here the last inked point itself gets
    pen 0. A last stroke that was never lifted gets it too.
    """
    points = points.astype(np.float32)
    lifted = (points[1:, 2] == 0) & (points[:-1, 2] == 1)
    same_place = (points[1:, :2] == points[:-1, :2]).all(axis=1)
    repeated = np.append(False, lifted & same_place)
    points[np.flatnonzero(repeated) - 1, 2] = 0
    points[-1, 2] = 0
    return points[~repeated]


def word_to_entry(word: Word, digits: int = 5) -> dict[str, Any]:
    """Convert a word to an entry as a recorder writes it.

    Points are fractions of the canvas, and stroke ends are repeated.

    Args:
        word: the word to convert.
        digits: decimals of a coordinate.
    """
    metadata = dict(word.metadata)
    if "aspectRatio" not in metadata:
        metadata["aspectRatio"] = round(max(6.0, float(word.points[:, 0].max()) + 0.5), 2)
    aspect = float(metadata["aspectRatio"])
    baseline = float(metadata.get("baseline", BASELINE))
    xy = word.points[:, :2] / (aspect, 1) + (0, baseline)
    rows: list[list[float]] = []
    for (x, y), pen in zip(xy.round(digits).tolist(), word.points[:, 2]):
        rows.append([x, y, 1])
        if pen == 0:
            rows.append([x, y, 0])
    metadata["author"] = word.author
    metadata["asciiSequence"] = word.text
    metadata["pointCount"] = len(rows)
    metadata["strokeCount"] = int(np.count_nonzero(word.points[:, 2] == 0))
    return {"metadata": metadata, "points": rows}
