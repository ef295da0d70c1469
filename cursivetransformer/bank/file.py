"""Files of recorded words: read, merge, write; and the command that checks one.

What an entry must be is in `bank_entry.py`, where a bank is found or fetched from in `bank_sources.py`. Run as a command:

    cursive bank check FILE
    cursive bank merge OUT FILE FILE ...
"""

import json
import re
import zipfile
import zlib
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

from cursivetransformer.bank.word import InvalidEntry, parse_entry
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path

_SPACE = re.compile(r"[ \t\n\r]*")
LARGEST_FILE = 1 << 30  # bytes of JSON; a bank of 100,000 words is about half of that


def read_entries(path):
    """The list of raw entries in a `.json` or `.json.zip` file. Raises `UserError` naming the file and the fault."""
    return list(iterate_entries(path))


def iterate_entries(path):
    """The raw entries of a file one after the other, so that a large bank is never in memory as Python objects as a whole."""
    path = Path(path)
    try:
        data = _read_zip(path) if zipfile.is_zipfile(path) else _read_plain(path)
        yield from _iterate_list(data.decode(json.detect_encoding(data), "surrogatepass"), path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # JSON and Unicode errors are ValueErrors
        raise UserError(f"{path} is not a bank: it does not hold JSON ({error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{path} is a damaged or locked zip ({error}); copy or download it again"
        ) from error


def _iterate_list(text, path):
    """The elements of the JSON list `text`; raises `ValueError` where it is none."""
    at = _SPACE.match(text).end()
    if text[at : at + 1] != "[":
        kind = type(json.loads(text)).__name__
        raise UserError(f"{path} is not a bank: its JSON must be a list of entries, not {kind}")
    decoder, at = json.JSONDecoder(), _SPACE.match(text, at + 1).end()
    more = text[at : at + 1] != "]"
    while more:
        entry, at = decoder.raw_decode(text, at)
        yield entry
        at = _SPACE.match(text, at).end()
        more = text[at : at + 1] == ","
        if more:
            at = _SPACE.match(text, at + 1).end()
    if text[at : at + 1] != "]" or text[at + 1 :].strip():
        raise json.JSONDecodeError("Expecting ',' or ']'", text, at)


def _read_plain(path):
    if path.suffix == ".zip":
        raise UserError(
            f"{path} is named .zip but is not a whole zip file; copy or download it again"
        )
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(
            f"{path} is larger than {LARGEST_FILE >> 20} MiB; split it into several banks"
        )
    return path.read_bytes()


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        # macOS adds hidden companions to every file that it packs.
        members = [
            m
            for m in archive.infolist()
            if not m.is_dir() and not m.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise UserError(f"{path} must hold one JSON file, not {len(members)}")
        with archive.open(members[0]) as file:
            data = file.read(LARGEST_FILE + 1)  # the size in the header may lie
    if len(data) > LARGEST_FILE:
        raise UserError(
            f"{path} unpacks to more than {LARGEST_FILE >> 20} MiB; split it into several banks"
        )
    return data


def parse_entries(entries):
    """Raw entries, a list or an iterator -> (words, faults): faults is a list of (index, sentence)."""
    words, faults = [], []
    for index, entry in enumerate(entries):
        try:
            words.append(parse_entry(entry))
        except InvalidEntry as fault:
            faults.append((index, str(fault)))
    return words, faults


def load_bank(path, strict=False, warn=print):
    """The words of the bank in a file. Faulty entries are skipped and told to `warn`, or raise with `strict`.

    Raises `UserError` where the file cannot be read or no word is left.
    """
    words, faults = parse_entries(iterate_entries(path))
    if faults and strict:
        raise UserError(
            f"{path}, entry {faults[0][0]}: {faults[0][1]}; repair it, or leave --strict out to skip it"
        )
    if not words:
        raise UserError(
            f"{path} holds no usable word"
            + (f"; entry {faults[0][0]}: {faults[0][1]}" if faults else "")
        )
    if faults:
        warn(
            f"{path}: skipped {len(faults)} faulty of {len(words) + len(faults)} entries, first entry {faults[0][0]}: "
            f"{faults[0][1]}; `cursive bank check {path}` lists them"
        )
    return words


class EntryFile:
    """A `.json` or `.json.zip` file that raw entries are added to one after the other; the same bytes for the same entries.

    name: that the file will have at last, if it is another; a zip calls what it holds after it.
    """

    def __init__(self, path, name=None):
        path = Path(path)
        self._archive, self._empty = None, True
        if path.suffix == ".zip":
            self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
            member = zipfile.ZipInfo(Path(name or path).stem)  # with a fixed date
            member.compress_type, member._compresslevel = (
                zipfile.ZIP_DEFLATED,
                9,
            )  # has a public name from Python 3.13 on only
            self._file = self._archive.open(member, "w")
        else:
            self._file = open(path, "wb")

    def add(self, entry):
        """Append an entry."""
        self._file.write(b"[\n" if self._empty else b",\n")
        self._file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        self._empty = False

    def close(self):
        """Finish the file."""
        with ExitStack() as stack:  # both, even where the disk is full
            if self._archive:
                stack.callback(self._archive.close)
            stack.callback(self._file.close)
            self._file.write(b"[\n\n]\n" if self._empty else b"\n]\n")


def write_entries(path, entries):
    """Write raw entries to a `.json` or `.json.zip` file: whole or not at all."""
    with atomic_path(path) as temporary, closing(EntryFile(temporary, path)) as file:
        for entry in entries:
            file.add(entry)


def check(path):
    """Print what a bank holds and every fault of it. Returns the number of faulty entries."""
    words, faults = parse_entries(read_entries(path))
    texts, inks = (
        Counter(w.text for w in words),
        Counter((w.text, w.points.tobytes()) for w in words),
    )
    points, strokes = (
        sum(len(w.points) for w in words),
        sum(int((w.points[:, 2] == 0).sum()) for w in words),
    )
    print(
        f"{path}: {len(words)} words, {len(faults)} faulty entries, {points} points, {strokes} strokes"
    )
    print(
        "authors:",
        ", ".join(f"{name} ({n})" for name, n in Counter(w.author for w in words).most_common()),
    )
    print(
        f"duplicates: {sum(texts.values()) - len(texts)} entries repeat a text, {sum(inks.values()) - len(inks)} its ink too"
    )
    characters = Counter("".join(w.text for w in words))
    print(
        f"characters ({len(characters)}):",
        "  ".join(f"{char} {n}" for char, n in characters.most_common()),
    )
    for index, fault in faults:
        print(f"entry {index}: {fault}")
    return len(faults)


def merge(out, paths):
    """Write the good entries of several banks into one; an entry that is there already is left out. Returns how many."""
    if not str(out).endswith((".json", ".json.zip")):
        raise UserError(f"{out} must end in .json or .json.zip")
    entries = {}
    for path in paths:
        for entry in read_entries(path):
            try:
                parse_entry(entry)
            except InvalidEntry:
                continue
            entries.setdefault(json.dumps(entry, sort_keys=True), entry)
    if not entries:
        raise UserError("these banks hold no usable word")
    write_entries(out, entries.values())
    return len(entries)
