"""Banks of recorded words: read, validate, merge, write; and the command that checks one.

Where a bank is found or fetched from is in `bank_sources.py`. Run as a command:

    python -m cursivetransformer.bank check FILE
    python -m cursivetransformer.bank merge OUT FILE FILE ...
"""

import json
import sys
import unicodedata
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cursivetransformer.errors import UserError, run_script
from cursivetransformer.files import atomic_path

BASELINE = 2 / 3              # of the canvas's height: the lower guide line
LARGEST_FILE = 1 << 30        # bytes of JSON; a bank of 100,000 words is about half of that
MOST_POINTS = 50_000          # in one entry: ten minutes at 80 points a second
LONGEST_TEXT = 1_000          # characters in one entry
FARTHEST = 100.0              # canvas heights from the origin
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


class Fault(Exception):
    """What is wrong with one entry of a bank."""


def read_entries(path):
    """The list of raw entries in a `.json` or `.json.zip` file. Raises `UserError` naming the file and the fault."""
    path = Path(path)
    try:
        data = _read_zip(path) if zipfile.is_zipfile(path) else _read_plain(path)
        entries = json.loads(data)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # JSON and Unicode errors are ValueErrors
        raise UserError(f"{path} is not a bank: it does not hold JSON ({error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} is a damaged or locked zip ({error}); copy or download it again") from error
    if not isinstance(entries, list):
        raise UserError(f"{path} is not a bank: its JSON must be a list of entries, not {type(entries).__name__}")
    return entries


def _read_plain(path):
    if path.suffix == ".zip":
        raise UserError(f"{path} is named .zip but is not a whole zip file; copy or download it again")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path} is larger than {LARGEST_FILE >> 20} MiB; split it into several banks")
    return path.read_bytes()


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        # macOS adds hidden companions to every file that it packs.
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            raise UserError(f"{path} must hold one JSON file, not {len(members)}")
        with archive.open(members[0]) as file:
            data = file.read(LARGEST_FILE + 1)  # the size in the header may lie
    if len(data) > LARGEST_FILE:
        raise UserError(f"{path} unpacks to more than {LARGEST_FILE >> 20} MiB; split it into several banks")
    return data


def parse_entry(entry):
    """One raw entry -> `Word`. Raises `Fault`."""
    if not isinstance(entry, dict):
        raise Fault(f"must be an object with metadata and points, not {type(entry).__name__}")
    for key in ("metadata", "points"):
        if key not in entry:
            raise Fault(f"has no {key!r}")
    metadata = entry["metadata"]
    if not isinstance(metadata, dict):
        raise Fault("metadata is not an object")
    text = _parse_text(metadata)
    author = metadata.get("author") or UNKNOWN_AUTHOR
    aspect = _number(metadata, "aspectRatio")
    if not 0 < aspect <= FARTHEST:
        raise Fault(f"aspectRatio is {aspect:g}, it must be above 0 and at most {FARTHEST:g}")
    baseline = _number(metadata, "baseline", BASELINE)
    points = _parse_points(entry["points"])
    points[:, 0] *= aspect
    points[:, 1] -= baseline
    if np.abs(points).max() > FARTHEST:
        raise Fault(f"ink reaches {np.abs(points).max():.3g} canvas heights far, at most {FARTHEST:g} makes sense")
    points[:, 0] -= points[:, 0].min()
    return Word(text, str(author), compact(points), metadata)


def _parse_text(metadata):
    if "asciiSequence" not in metadata:
        raise Fault("metadata has no 'asciiSequence'")
    text = metadata["asciiSequence"]
    if not isinstance(text, str) or not text.strip():
        raise Fault(f"text is empty or not a text: {text!r:.40}")
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > LONGEST_TEXT:
        raise Fault(f"text has {len(text)} characters, at most {LONGEST_TEXT} make sense")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise Fault(f"text holds a control character: {text!r:.40}")
    return text


def _number(metadata, key, default=None):
    value = metadata.get(key, default)
    if value is None:
        raise Fault(f"metadata has no {key!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
        raise Fault(f"{key} is not a number: {value!r:.40}")
    return float(value)


def _parse_points(rows):
    """Raw points -> (n, 3) float64; further numbers of a point (time, pressure) are left out."""
    if not isinstance(rows, list):
        raise Fault("points is not a list")
    if not rows:
        raise Fault("has no ink: no points")
    if len(rows) > MOST_POINTS:
        raise Fault(f"has {len(rows)} points, at most {MOST_POINTS} make sense")
    try:
        points = np.array([row[:3] for row in rows])
    except (ValueError, TypeError, IndexError, OverflowError, KeyError):
        raise Fault("a point is not a list of x, y and pen") from None
    if points.ndim != 2 or points.shape[1] != 3:
        raise Fault("a point is not a list of x, y and pen")
    if points.dtype.kind not in "if":
        raise Fault("a point holds something that is not a number")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise Fault("a point holds NaN or an infinity")
    if not np.isin(points[:, 2], (0, 1)).all():
        raise Fault("pen must be 0 or 1")
    if not points[:, 2].any():
        raise Fault("has no ink: the pen is never down")
    return points


def compact(points):
    """(n, 3) points of a bank entry -> float32 points where pen 0 stands at the last inked point of a stroke.

    A bank repeats the last point of every stroke with pen 0; here the repetition is dropped. A last stroke that
    was never lifted is.
    """
    points = points.astype(np.float32)
    repeated = np.zeros(len(points), bool)
    repeated[1:] = (points[1:, 2] == 0) & (points[:-1, 2] == 1) & (points[1:, :2] == points[:-1, :2]).all(axis=1)
    points[np.flatnonzero(repeated) - 1, 2] = 0
    points[-1, 2] = 0
    return points[~repeated]


def word_to_entry(word):
    """`Word` -> raw entry, as a recorder would have written it: fractions of a canvas, stroke ends repeated."""
    metadata = dict(word.metadata)
    aspect = float(metadata.setdefault("aspectRatio", round(max(6.0, float(word.points[:, 0].max()) + 0.5), 2)))
    baseline = float(metadata.get("baseline", BASELINE))
    xy = word.points[:, :2] / (aspect, 1) + (0, baseline)
    rows = []
    for (x, y), pen in zip(xy.round(5).tolist(), word.points[:, 2]):
        rows.append([x, y, 1])
        if pen == 0:
            rows.append([x, y, 0])
    strokes = int(np.count_nonzero(word.points[:, 2] == 0))
    metadata.update(author=word.author, asciiSequence=word.text, pointCount=len(rows), strokeCount=strokes)
    return {"metadata": metadata, "points": rows}


def parse_entries(entries):
    """Raw entries -> (words, faults): faults is a list of (index, sentence)."""
    words, faults = [], []
    for index, entry in enumerate(entries):
        try:
            words.append(parse_entry(entry))
        except Fault as fault:
            faults.append((index, str(fault)))
    return words, faults


def load_bank(path, strict=False, warn=print):
    """The words of the bank in a file. Faulty entries are skipped and told to `warn`, or raise with `strict`.

    Raises `UserError` where the file cannot be read or no word is left.
    """
    words, faults = parse_entries(read_entries(path))
    if faults and strict:
        raise UserError(f"{path}, entry {faults[0][0]}: {faults[0][1]}; repair it, or leave --strict out to skip it")
    if not words:
        raise UserError(f"{path} holds no usable word" + (f"; entry {faults[0][0]}: {faults[0][1]}" if faults else ""))
    if faults:
        warn(f"{path}: skipped {len(faults)} faulty of {len(words) + len(faults)} entries, first entry {faults[0][0]}: "
             f"{faults[0][1]}; `python -m cursivetransformer.bank check {path}` lists them")
    return words


def write_entries(path, entries):
    """Write raw entries to a `.json` or `.json.zip` file: whole or not at all, the same bytes for the same entries."""
    path = Path(path)
    data = "[\n" + ",\n".join(json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in entries) + "\n]\n"
    with atomic_path(path) as temporary:
        if path.suffix == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                archive.writestr(zipfile.ZipInfo(path.stem), data, zipfile.ZIP_DEFLATED, 9)  # ZipInfo: a fixed date
        else:
            temporary.write_text(data, encoding="utf-8")


def check(path):
    """Print what a bank holds and every fault of it. Returns the number of faulty entries."""
    words, faults = parse_entries(read_entries(path))
    texts, inks = Counter(w.text for w in words), Counter((w.text, w.points.tobytes()) for w in words)
    points, strokes = sum(len(w.points) for w in words), sum(int((w.points[:, 2] == 0).sum()) for w in words)
    print(f"{path}: {len(words)} words, {len(faults)} faulty entries, {points} points, {strokes} strokes")
    print("authors:", ", ".join(f"{name} ({n})" for name, n in Counter(w.author for w in words).most_common()))
    print(f"duplicates: {sum(texts.values()) - len(texts)} entries repeat a text, {sum(inks.values()) - len(inks)} its ink too")
    characters = Counter("".join(w.text for w in words))
    print(f"characters ({len(characters)}):", "  ".join(f"{char} {n}" for char, n in characters.most_common()))
    for index, fault in faults:
        print(f"entry {index}: {fault}")
    return len(faults)


def merge(out, paths):
    """Write the good entries of several banks into one; an entry that is there already is left out. Returns how many."""
    entries = {}
    for path in paths:
        for entry in read_entries(path):
            try:
                parse_entry(entry)
            except Fault:
                continue
            entries.setdefault(json.dumps(entry, sort_keys=True), entry)
    if not entries:
        raise UserError("these banks hold no usable word")
    write_entries(out, entries.values())
    return len(entries)


def main(argv=None):
    """The command line of this module."""
    match sys.argv[1:] if argv is None else argv:
        case ["check", path]:
            sys.exit(1 if check(path) else 0)
        case ["merge", out, *paths] if paths:
            if not out.endswith((".json", ".json.zip")):
                raise UserError(f"{out} must end in .json or .json.zip")
            print(f"{out}: {merge(out, paths)} words")
        case _:
            raise UserError("usage: python -m cursivetransformer.bank check FILE | merge OUT FILE FILE ...")


if __name__ == "__main__":
    run_script(main)
