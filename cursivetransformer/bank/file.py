"""Files of recorded words: read, check, merge, write.

`bank/word.py` defines a valid entry; `bank/registry.py` finds or fetches a bank by its name.
"""

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any

from cursivetransformer.bank.word import InvalidEntry, Word, parse_entry
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path
from cursivetransformer.utils.wording import plural

# Bytes of JSON; a bank of 100,000 words has about half of that.
MAX_FILE_BYTES = 1 << 30
COMPRESSION_LEVEL = 9

# The index of an entry and a sentence on what is wrong with it.
Fault = tuple[int, str]


def read_entries(path: str | Path) -> list[Any]:
    """Read the entries of a `.json` or `.json.zip` file, not yet checked.

    Raises:
        UserError: if the file cannot be read or does not hold a JSON list.
    """
    path = Path(path)
    try:
        entries = json.loads(_read_zip(path) if zipfile.is_zipfile(path) else _read_plain(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # JSON and Unicode errors are ValueErrors
        raise UserError(f"{path} is not a bank: it does not hold JSON ({error})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{path} is a damaged or locked zip ({error}); copy or download it again"
        ) from error
    if not isinstance(entries, list):
        kind = type(entries).__name__
        raise UserError(f"{path} is not a bank: its JSON must be a list of entries, not {kind}")
    return entries


def _read_plain(path: Path) -> bytes:
    if path.suffix == ".zip":
        raise UserError(
            f"{path} is named .zip but is not a whole zip file; copy or download it again"
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UserError(
            f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB; split it into several banks"
        )
    return path.read_bytes()


def _read_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        # macOS adds hidden companions to every file that it packs.
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise UserError(f"{path} must hold one JSON file, not {len(members)}")
        with archive.open(members[0]) as file:
            data = file.read(MAX_FILE_BYTES + 1)  # the size in the header may lie
    if len(data) > MAX_FILE_BYTES:
        raise UserError(
            f"{path} unpacks to more than {MAX_FILE_BYTES >> 20} MiB; split it into several banks"
        )
    return data


def parse_entries(entries: Iterable[object]) -> tuple[list[Word], list[Fault]]:
    """Convert entries to words; return the words and the faults of the entries left out."""
    words: list[Word] = []
    faults: list[Fault] = []
    for index, entry in enumerate(entries):
        try:
            words.append(parse_entry(entry))
        except InvalidEntry as fault:
            faults.append((index, str(fault)))
    return words, faults


def load_bank(
    path: str | Path, strict: bool = False, warn: Callable[[str], object] = print
) -> list[Word]:
    """Load the words of a bank's file.

    Args:
        path: a `.json` or `.json.zip` file.
        strict: raise on a faulty entry instead of skipping it.
        warn: called with a sentence if entries were skipped.

    Raises:
        UserError: if the file cannot be read, if it holds no usable word, or on a faulty entry
            with `strict`.
    """
    words, faults = parse_entries(read_entries(path))
    first = f"entry {faults[0][0]}: {faults[0][1]}" if faults else ""
    if faults and strict:
        raise UserError(f"{path}, {first}; repair it, or leave --strict out to skip it")
    if not words:
        raise UserError(f"{path} holds no usable word" + (f"; {first}" if first else ""))
    if faults:
        warn(
            f"{path}: skipped {len(faults)} faulty of {len(words) + len(faults)} entries, "
            f"first {first}; `cursive bank check {path}` lists them"
        )
    return words


class EntryFile:
    """A `.json` or `.json.zip` file to append entries to; equal entries give equal bytes.

    Args:
        path: the file to write.
        name: the name that the file gets in the end, if another; a zip names its member after it.
    """

    def __init__(self, path: str | Path, name: str | Path | None = None) -> None:
        path = Path(path)
        self._empty = True
        self._archive: zipfile.ZipFile | None = None
        self._file: IO[bytes]
        if path.suffix == ".zip":
            self._archive = zipfile.ZipFile(
                path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
            )
            member = zipfile.ZipInfo(Path(name or path).stem)  # a ZipInfo has a fixed date
            member.compress_type = zipfile.ZIP_DEFLATED
            # The public name, `compress_level`, is new in Python 3.13.
            member._compresslevel = COMPRESSION_LEVEL  # type: ignore[attr-defined]
            self._file = self._archive.open(member, "w")
        else:
            self._file = open(path, "wb")

    def add(self, entry: object) -> None:
        """Append an entry."""
        self._file.write(b"[\n" if self._empty else b",\n")
        self._file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        self._empty = False

    def close(self) -> None:
        """Finish the file."""
        with ExitStack() as stack:  # closes both, even where the disk is full
            if self._archive:
                stack.callback(self._archive.close)
            stack.callback(self._file.close)
            self._file.write(b"[\n\n]\n" if self._empty else b"\n]\n")


def write_entries(path: str | Path, entries: Iterable[object]) -> None:
    """Write entries to a `.json` or `.json.zip` file, whole or not at all."""
    with atomic_path(path) as temporary, closing(EntryFile(temporary, path)) as file:
        for entry in entries:
            file.add(entry)


def check(path: str | Path) -> int:
    """Print what a bank holds and each of its faults; return the number of faulty entries."""
    words, faults = parse_entries(read_entries(path))
    authors = Counter(word.author for word in words)
    texts = Counter(word.text for word in words)
    inks = Counter((word.text, word.points.tobytes()) for word in words)
    characters = Counter("".join(word.text for word in words))
    n_points = sum(len(word.points) for word in words)
    n_strokes = sum(int((word.points[:, 2] == 0).sum()) for word in words)
    print(
        f"{path}: {plural(len(words), 'word')}, "
        f"{plural(len(faults), 'faulty entry', 'faulty entries')}, "
        f"{plural(n_points, 'point')}, {plural(n_strokes, 'stroke')}"
    )
    print("authors:", ", ".join(f"{name} ({n})" for name, n in authors.most_common()))
    print(
        f"entries that repeat a text: {texts.total() - len(texts)}, "
        f"and its ink too: {inks.total() - len(inks)}"
    )
    counts = "  ".join(f"{char} {n}" for char, n in characters.most_common())
    print(f"characters ({len(characters)}):", counts)
    for index, fault in faults:
        print(f"entry {index}: {fault}")
    return len(faults)


def merge(out: str | Path, paths: Iterable[str | Path]) -> int:
    """Write the valid entries of several banks into one, equal ones once; return their number.

    Raises:
        UserError: if `out` has another ending, if a bank cannot be read, or if none holds a word.
    """
    if not str(out).endswith((".json", ".json.zip")):
        raise UserError(f"{out} must end in .json or .json.zip")
    entries: dict[str, Any] = {}
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
