"""Files of recorded words: read, check, merge, write.

`bank/word.py` defines a valid entry; `bank/registry.py` finds or fetches a bank by its name.
"""

import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cursivetransformer.bank.json_list import TooLarge, iterate_list
from cursivetransformer.bank.word import InvalidEntry, Word, parse_entry
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, open_regular
from cursivetransformer.utils.wording import plural, quote

# Bytes of JSON: 100,000 words.
MAX_FILE_BYTES = 1 << 29
MAX_ENTRIES = 100_000
MAX_KEPT_FAULTS = 1_000  # whose sentences are kept
MAX_LISTED = 200  # authors, characters and faults that `check` prints
COMPRESSION_LEVEL = 9


@dataclass
class Faults:
    """The entries of a bank that are not valid.

    Attributes:
        n: their number.
        first: index and what is wrong of the first `MAX_KEPT_FAULTS` of them.
    """

    n: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, reason: str) -> None:
        """Count a fault."""
        self.n += 1
        if len(self.first) < MAX_KEPT_FAULTS:
            self.first.append((index, reason))

    def __len__(self) -> int:
        return self.n


def iterate_entries(path: str | Path) -> Iterator[Any]:
    """Yield the entries of a `.json` or `.json.zip` file, not yet checked.

    Raises:
        UserError: if the file cannot be read or does not hold a JSON list.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise TooLarge("it is too large")
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive, archive.open(_member(archive)) as member:
                    yield from _iterate_json(member)
            elif path.suffix == ".zip":
                raise zipfile.BadZipFile("it is named .zip but is not a whole zip file")
            else:
                file.seek(0)
                yield from _iterate_json(file)
    except TooLarge as error:
        raise UserError(
            f"{path}: {error}; a bank has at most {MAX_FILE_BYTES >> 20} MiB of JSON and "
            f"{MAX_ENTRIES:,} entries; split it into several banks"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except TypeError as error:
        raise UserError(f"{path} is not a bank: {error}") from error
    except (ValueError, RecursionError) as error:  # JSON and Unicode errors are ValueErrors
        reason = quote(str(error))
        raise UserError(f"{path} is not a bank: it does not hold JSON ({reason})") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = quote(str(error))
        raise UserError(
            f"{path} is a damaged or locked zip ({reason}); copy or download it again"
        ) from error


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the only file of a zip. Raises `BadZipFile`."""
    # macOS adds hidden companions to every file that it packs.
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise zipfile.BadZipFile(f"it must hold one JSON file, not {len(members)}")
    if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("it is packed in an uncommon way")
    return members[0]


def _iterate_json(file: IO[bytes]) -> Iterator[Any]:
    for n, entry in enumerate(iterate_list(file, MAX_FILE_BYTES)):
        if n >= MAX_ENTRIES:
            raise TooLarge("it has too many entries")
        yield entry


def read_entries(path: str | Path) -> list[Any]:
    """Return what `iterate_entries` yields."""
    return list(iterate_entries(path))


def parse_entries(entries: Iterable[object]) -> tuple[list[Word], Faults]:
    """Convert entries to words; return the words and the faults of the entries left out."""
    words: list[Word] = []
    faults = Faults()
    for index, entry in enumerate(entries):
        try:
            words.append(parse_entry(entry))
        except InvalidEntry as fault:
            faults.add(index, str(fault))
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
    words, faults = parse_entries(iterate_entries(path))
    first = "entry {}: {}".format(*faults.first[0]) if faults else ""
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
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        # Half of a surrogate pair has no UTF-8; Python's escape of it is JSON's.
        self._file.write(text.encode("utf-8", "backslashreplace"))
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
    """Print what a bank holds and its faults; return the number of faulty entries."""
    words, faults = parse_entries(iterate_entries(path))
    authors = Counter(word.author for word in words)
    texts = Counter(word.text for word in words)
    inks = {(word.text, hashlib.sha256(word.points.tobytes()).digest()) for word in words}
    characters = Counter(char for word in words for char in word.text)
    n_points = sum(len(word.points) for word in words)
    n_strokes = sum(int((word.points[:, 2] == 0).sum()) for word in words)
    print(
        f"{path}: {plural(len(words), 'word')}, "
        f"{plural(len(faults), 'faulty entry', 'faulty entries')}, "
        f"{plural(n_points, 'point')}, {plural(n_strokes, 'stroke')}"
    )
    print("authors:", _list_counts(authors, "{} ({})", ", "))
    print(
        f"entries that repeat a text: {texts.total() - len(texts)}, "
        f"and its ink too: {len(words) - len(inks)}"
    )
    print(f"characters ({len(characters)}):", _list_counts(characters, "{} {}", "  "))
    for index, fault in faults.first[:MAX_LISTED]:
        print(f"entry {index}: {fault}")
    if len(faults) > MAX_LISTED:
        print(f"and {plural(len(faults) - MAX_LISTED, 'other faulty entry', 'others')}")
    return len(faults)


def _list_counts(counts: Counter[str], form: str, separator: str) -> str:
    """List the most frequent names with their counts."""
    listed = [form.format(quote(name), n) for name, n in counts.most_common(MAX_LISTED)]
    if len(counts) > MAX_LISTED:
        listed.append(f"and {len(counts) - MAX_LISTED} others")
    return separator.join(listed)


def merge(out: str | Path, paths: Iterable[str | Path]) -> int:
    """Write the valid entries of several banks into one, equal ones once; return their number.

    Raises:
        UserError: if `out` has another ending, if a bank cannot be read, or if none holds a word.
    """
    if not str(out).endswith((".json", ".json.zip")):
        raise UserError(f"{out} must end in .json or .json.zip")
    seen: set[bytes] = set()

    def unique_entries() -> Iterator[Any]:
        for path in paths:
            for entry in iterate_entries(path):
                try:
                    parse_entry(entry)
                    text = json.dumps(entry, sort_keys=True)
                except (InvalidEntry, RecursionError):  # keys that no one reads may be nested deep
                    continue
                digest = hashlib.sha256(text.encode()).digest()
                if digest not in seen:
                    seen.add(digest)
                    yield entry
        if not seen:
            raise UserError("these banks hold no usable word")

    write_entries(out, unique_entries())
    return len(seen)
