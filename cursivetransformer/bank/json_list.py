"""Read a JSON list item by item, so that memory holds one item and not the whole file."""

import codecs
import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

WINDOW_BYTES = 1 << 20  # read at once
MAX_ITEM_CHARACTERS = 16 << 20  # 50,000 points with time and pressure have a quarter of it
_UNFINISHED = ("", *"0123456789.eE+-")  # what stands behind a number that may go on
_SPACE = re.compile(r"[ \t\n\r]*")  # of JSON


def iterate_list(file: IO[bytes], max_bytes: int) -> Iterator[Any]:
    """Yield the items of a JSON list.

    Args:
        file: in UTF-8, UTF-16 or UTF-32.
        max_bytes: that are read at most.

    Raises:
        TooLarge: the file or an item is larger than it may be.
        TypeError: the JSON is no list.
        ValueError: the file does not hold JSON.
        RecursionError: it is nested too deep.
    """
    text = _Text(file, max_bytes)
    decode = json.JSONDecoder().raw_decode
    if text.next_character() != "[":
        kind = type(json.loads(text.rest())).__name__
        raise TypeError(f"its JSON must be a list of entries, not {kind}")
    text.skip(1)
    if text.next_character() == "]":
        text.skip(1)
    else:
        while True:
            text.next_character()
            yield text.take(decode)
            separator = text.next_character()
            if separator not in (",", "]"):
                raise ValueError(f"a comma or ] is missing before {separator!r}")
            text.skip(1)
            if separator == "]":
                break
    if text.next_character():
        raise ValueError("there is more behind the list")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Stop the search for cycles, of which JSON has none; it takes as long as reading does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class TooLarge(Exception):
    """A file is larger than it may be; the message says what is."""


class _Text:
    """The characters of a file from a position on, of which few are in memory."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file, self._left = file, max_bytes
        data = self._read(WINDOW_BYTES)
        # As json.loads does it.
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(data))("surrogatepass")
        self._text, self._position = self._decoder.decode(data, final=not data), 0
        if self._text.startswith("\ufeff"):
            self._position = 1
        self._ended = not data

    def next_character(self) -> str:
        """Skip spaces; return the next character without taking it, "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            assert match is not None
            self._position = match.end()
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read_on():
                return ""

    def skip(self, n: int) -> None:
        """Take characters that `next_character` returned."""
        self._position += n

    def take(self, decode: Any) -> Any:
        """Take a JSON value."""
        while True:
            try:
                with _without_collector():
                    value, end = decode(self._text, self._position)
                # A number at the end of what was read may go on: 12 | 34, or 12. | 34.
                if self._text[end : end + 1] not in _UNFINISHED or not self._read_on():
                    self._position = end
                    return value
            except json.JSONDecodeError:
                if not self._read_on():
                    raise

    def rest(self) -> str:
        """Return the characters that are left, if these are few."""
        while self._read_on():
            pass
        return self._text[self._position :]

    def _read_on(self) -> bool:
        """Read more; return whether there is more."""
        if self._ended:
            return False
        waiting = len(self._text) - self._position
        if waiting > MAX_ITEM_CHARACTERS:
            raise TooLarge("an entry is too large")
        # As much as is waiting, so that an item is not read once more for each window of it.
        data = self._read(max(WINDOW_BYTES, waiting))
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        self._text, self._position = self._text[self._position :] + more, 0
        return True

    def _read(self, n_bytes: int) -> bytes:
        data = self._file.read(n_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("it is too large")
        return data
