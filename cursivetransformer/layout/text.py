"""The text to write: from an argument, a file or standard input to words and breaks.

A text of any length is read twice, in chunks: once to find every fault before any ink is written,
once to write. Does not depend on a model or a page.

    >>> text = io.StringIO("Dear Ada,\\n\\n  it is .")
    >>> list(Manuscript(text).parts(TextNormalizer("Dear,Adist.")))
    [TextWord('Dear'), TextWord('Ada,'), Break(lines=2, indent=2), TextWord('it'), TextWord('is'),
     TextWord('.', glued=True)]
"""

import io
import os
import re
import select
import shutil
import stat
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TextIO, cast

from anyascii import anyascii

from cursivetransformer.data.tokenizer import fold_text
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error, open_at_once
from cursivetransformer.utils.wording import plural

CHUNK_SIZE = 1 << 16  # characters read at once
MAX_IN_MEMORY = 1 << 24  # bytes of standard input; more goes to a temporary file
PIPE_SECONDS = 15.0  # that a program has to begin to write to a pipe
TAB_SPACES = 4
MAX_WORD_LENGTH = 1000  # letters; a longer word is data, or a text whose spaces were lost
MAX_NAMED = 12  # characters in a message
MAX_EXAMPLES = 3  # words that a character is left out of, in a message
_PIECES = re.compile(r"\r\n|\s|[^\s]+")
_LINE_BREAKS = {  # how many lines each goes down
    "\n": 1,
    "\r\n": 1,
    "\r": 1,
    "\v": 1,
    "\x85": 1,
    "\u2028": 1,
    "\u2029": 2,
    "\x1c": 1,
    "\x1d": 1,
    "\x1e": 1,
}
_HARD_SPACES = "\u00a0\u202f\u2007"
# Marks that stay with the word before or after them, even if the text has a space between.
_CLOSING, _OPENING = set(".,;:!?)]}%-'\"*"), set("([{")


@dataclass(frozen=True)
class TextWord:
    """A word to write, or a piece of one that is longer than a line.

    glued: no line may end between the word before and this one; joined: this is the rest of the
    word before, with no space between; hyphen: this is drawn only where a line ends after it;
    number: of the typed word, from 1, the same for all its pieces.
    """

    text: str
    glued: bool = False
    joined: bool = False
    hyphen: bool = False
    number: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Break:
    """The end of a line.

    lines: lines down to the next one; indent: spaces at its beginning; page: it begins a page.
    """

    lines: int = 1
    indent: int = 0
    page: bool = False


@dataclass
class Survey:
    """What a manuscript holds.

    n_words: typed words that are written; n_parts: `TextWord`s that they are written as; paged: the
    text itself begins a page; left_out: {character: how often it is left out}; left_out_of:
    {character: the first words that it is left out of}.
    """

    n_words: int = 0
    n_parts: int = 0
    paged: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    left_out_of: dict[str, list[str]] = field(default_factory=dict)

    def add_left_out(self, chars: Iterable[str], word: str) -> None:
        """Count the characters that are left out of a typed word."""
        for char in chars:
            self.left_out[char] += 1
            words = self.left_out_of.setdefault(char, [])
            if word not in words and len(words) < MAX_EXAMPLES:
                words.append(word)


@dataclass(frozen=True)
class TextNormalizer:
    """Turns typed words into words of an alphabet.

    alphabet: characters that the hand can write; missing: what to do with others, "fail", "skip",
    "replace" or "replace-or-skip"; max_word_length: letters; a longer word is broken; reflow: take
    single line breaks for spaces.
    """

    alphabet: str
    missing: str = "fail"
    max_word_length: int = MAX_WORD_LENGTH
    reflow: bool = False

    def normalize(self, word: str) -> str:
        """Return the word in characters of the alphabet, without those that have no substitute."""
        chars = self._visible(word)
        if self.replaces:
            return "".join(c if c in self.alphabet else self.substitute(c) for c in chars)
        return "".join(c for c in chars if c in self.alphabet)

    @property
    def replaces(self) -> bool:
        """Whether a character that cannot be written gives way to a similar one."""
        return self.missing in ("replace", "replace-or-skip")

    @property
    def skips(self) -> bool:
        """Whether a character that can be neither written nor replaced is left out."""
        return self.missing in ("skip", "replace-or-skip")

    def unknown_characters(self, word: str) -> list[str]:
        """Return the characters of the word that can be neither written nor replaced."""
        unknown = [char for char in self._visible(word) if char not in self.alphabet]
        if self.replaces:
            unknown = [char for char in unknown if not self.substitute(char)]
        return unknown

    def substitute(self, char: str) -> str:
        """Return what the alphabet has for another character: é as e, ß as ss, Ж as Zh, or ""."""
        for plain in (anyascii(char), char.swapcase(), anyascii(char).swapcase()):
            is_name = plain.startswith(":")  # :snowman: for a snowman
            if plain.strip() and not is_name and set(plain) <= set(self.alphabet):
                return plain
        return ""

    def split(self, word: str, glued: bool = False, number: int = 0) -> list[TextWord]:
        """Split a normalized word into the words to write.

        A line may end before a part that is joined but not glued.

        Args:
            word: The normalized word.
            glued: It sticks to the word before.
            number: Of the typed word.
        """
        words: list[TextWord] = []
        for piece, hyphen in self._break_long_word(word):
            sticks = glued and not words
            words.append(TextWord(piece, sticks, joined=bool(words), number=number))
            if hyphen:
                words.append(TextWord(hyphen, True, True, hyphen=True, number=number))
        return words

    def _break_long_word(self, word: str) -> Iterator[tuple[str, str]]:
        """Break a too long word after a hyphen or slash, or else at about even distances.

        Yields each piece with what is added to it where a line ends after it: a hyphen or nothing.
        """
        while len(word) > self.max_word_length:
            hyphen = "-" if "-" in self.alphabet else ""
            marks = (
                word.rfind(mark, self.max_word_length // 3, self.max_word_length) for mark in "-/"
            )
            cut = max(marks) + 1
            if cut:
                hyphen = ""
            else:  # pieces of about one length
                n_pieces = _ceil_div(len(word), self.max_word_length - len(hyphen))
                cut = _ceil_div(len(word), n_pieces)
            yield word[:cut], hyphen
            word = word[cut:]
        if word:
            yield word, ""

    def _visible(self, word: str) -> str:
        """Fold the word and drop what is invisible: joiners, direction marks, byte order marks."""
        folded = fold_text(word, self.alphabet)
        return "".join(char for char in folded if unicodedata.category(char) != "Cf")


class Manuscript:
    """A text that can be read more than once. stream: seekable; name: for messages."""

    def __init__(self, stream: TextIO, name: str = "the text") -> None:
        self.stream = stream
        self.name = name

    @classmethod
    def open(cls, text: str = "", file: str = "") -> "Manuscript":
        """Open a text, or the text in a file; "-" for either is standard input.

        Raises:
            UserError: The file cannot be read, or its temporary copy cannot be written.
        """
        if "-" in (text, file):
            name = "standard input"
            return cls(_decoded(_spool(sys.stdin.buffer, name)), name)
        if file:
            source = _open_file(file)
            return cls(_decoded(source if source.seekable() else _spool(source, file)), file)
        return cls(io.StringIO(text, newline=""))

    def survey(self, normalizer: TextNormalizer) -> Survey:
        """Count what there is to write, after a check of the whole text.

        Raises:
            UserError: Some characters cannot be written, or there is no word.
        """
        unknown: dict[str, int] = {}  # character: line
        survey = Survey()
        for part, line in self._typed_parts():
            if isinstance(part, Break):
                survey.paged |= part.page
                continue
            missing = normalizer.unknown_characters(part)
            if normalizer.skips:
                survey.add_left_out(missing, part)
            else:
                for char in missing:
                    unknown.setdefault(char, line)
            words = normalizer.split(normalizer.normalize(part))
            survey.n_words += bool(words)
            survey.n_parts += len(words)
        if unknown:
            raise UserError(self._describe_unknown(unknown, normalizer))
        if not survey.n_words:
            source = "" if self.name == "the text" else f" in {self.name}"
            cure = "" if source else "; give one in quotes, or a text file with --file"
            raise UserError(f"there is no text to write{source}{cure}")
        return survey

    def parts(self, normalizer: TextNormalizer) -> Iterator[TextWord | Break]:
        """Yield the words and breaks in order.

        Characters that cannot be written are left out, so call `survey` first.
        """
        number = 0
        glued = False  # a hard space or an opening mark is before the next word
        started = False  # the line has a word
        for part, _ in self._typed_parts():
            if isinstance(part, Break):
                if not (normalizer.reflow and part == Break()):
                    yield part
                    glued = started = False
            elif part == "":
                glued = True
            elif word := normalizer.normalize(part):
                number += 1
                sticks = glued or set(word) <= _CLOSING
                yield from normalizer.split(word, started and sticks, number)
                glued, started = set(word) <= _OPENING, True

    def _typed_parts(self) -> Iterator[tuple[str | Break, int]]:
        """Yield (part, line number): a word as typed, a break, or "" for a hard space."""
        lines, indent, page = 0, 0, False  # of the next break
        number = 1
        has_text = False
        for piece in self._pieces():
            if not piece.isspace():
                if lines or page or indent:
                    yield Break(lines, indent, page), number
                yield piece, number
                lines, indent, page = 0, 0, False
                has_text = True
            elif piece in _LINE_BREAKS:
                lines += _LINE_BREAKS[piece]
                indent = 0
                number += 1
            elif piece == "\f":
                lines, indent, page = 0, 0, True
            elif piece in _HARD_SPACES and has_text and not lines:
                yield "", number
            elif lines or page or not has_text:
                indent += TAB_SPACES if piece == "\t" else 1

    def _pieces(self) -> Iterator[str]:
        """Yield words, and white space one character at a time. Raises `UserError`."""
        rest = ""
        for chunk in self._chunks():
            pieces = _PIECES.findall(rest + chunk)
            rest = ""
            # The last piece may go on in the next chunk.
            if pieces and (not pieces[-1].isspace() or pieces[-1] == "\r"):
                rest = pieces.pop()
            if len(rest) > MAX_WORD_LENGTH:
                pieces.append(rest)
            for piece in pieces:
                yield self._check_length(piece)
        if rest:
            yield self._check_length(rest)

    def _check_length(self, piece: str) -> str:
        if len(piece) > MAX_WORD_LENGTH:
            raise UserError(
                f"{self.name} has a word of more than {MAX_WORD_LENGTH} letters, "
                f"{piece[:20]!r}...; put spaces into it"
            )
        return piece

    def _chunks(self) -> Iterator[str]:
        """Read the text from the start. Raises `UserError`."""
        self.stream.seek(0)
        try:
            while chunk := self.stream.read(CHUNK_SIZE):
                yield chunk
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.name} is not a text in UTF-8 (byte {error.object[error.start]:#04x}); "
                "save it as UTF-8"
            ) from error
        except OSError as error:
            raise UserError(f"{self.name} cannot be read: {error.strerror or error}") from error

    def _describe_unknown(self, unknown: dict[str, int], normalizer: TextNormalizer) -> str:
        """Return one sentence about {character: line} that cannot be written."""
        for char, line in unknown.items():
            category = unicodedata.category(char)
            if category == "Cs":
                return f"{self.name} is not in UTF-8 (line {line}); give it as UTF-8"
            if category == "Cc":
                return (
                    f"{self.name} holds a control character, U+{ord(char):04X} in line {line}; "
                    "remove it, or leave it out with --missing skip"
                )
            if unicodedata.bidirectional(char) in ("R", "AL"):
                return (
                    f"{self.name} is written from right to left ({char!r} in line {line}), "
                    "and this program writes from left to right; "
                    "--missing replace writes it in Latin letters"
                )
        named = ", ".join(map(repr, list(unknown)[:MAX_NAMED]))
        if len(unknown) > MAX_NAMED:
            named += f" and {plural(len(unknown) - MAX_NAMED, 'other')}"
        return (
            f"the model has never seen {named} (line {min(unknown.values())}); "
            f"{_cure_for_unknown(unknown, normalizer)}, "
            "or record words that have them and train again"
        )


def _cure_for_unknown(unknown: Iterable[str], normalizer: TextNormalizer) -> str:
    """Return what to do about characters that cannot be written."""
    if normalizer.replaces:
        return "--missing replace-or-skip leaves them out"
    substitutes = {char: normalizer.substitute(char) for char in unknown}
    like = [f"{char!r} as {plain!r}" for char, plain in substitutes.items() if plain][:MAX_NAMED]
    others = [repr(char) for char, plain in substitutes.items() if not plain][:MAX_NAMED]
    if not like:
        return "leave them out with --missing skip"
    if not others:
        return f"--missing replace writes {', '.join(like)}; leave them out with --missing skip"
    return (
        f"--missing replace-or-skip writes {', '.join(like)} and leaves out {', '.join(others)}; "
        "leave out all of them with --missing skip"
    )


def _open_file(file: str) -> BinaryIO:
    source = open_at_once(file)
    if stat.S_ISFIFO(os.fstat(source.fileno()).st_mode):
        if not select.select([source], [], [], PIPE_SECONDS)[0]:
            raise UserError(f"no program writes to the pipe {file}; start that first")
        os.set_blocking(source.fileno(), True)
    return source


def _spool(source: BinaryIO, name: str) -> BinaryIO:
    """Copy a stream that can be read only once to memory or to a temporary file."""
    with as_user_error(f"a temporary copy of {name}"):
        spooled = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)
        shutil.copyfileobj(source, spooled)
    return cast(BinaryIO, spooled)


def _decoded(source: BinaryIO) -> TextIO:
    return io.TextIOWrapper(source, "utf-8-sig", newline="")


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
