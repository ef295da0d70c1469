"""The text to write: from an argument, a file or standard input to words and breaks that an alphabet can spell.

A text of any length is read twice in pieces: once to find every fault before any ink is written, once to write. Knows no
model and no page.

    >>> list(Manuscript(io.StringIO("Dear Ada,\\n\\n  it is late .")).parts(Spelling("Dear,ailst.")))
    [TextWord('Dear'), TextWord('Ada,'), Break(lines=2, indent=2), TextWord('it'), TextWord('is'), TextWord('late'), TextWord('.', glued=True)]
"""

import io
import re
import shutil
import sys
import tempfile
import unicodedata
from dataclasses import dataclass
from itertools import groupby

from anyascii import anyascii

from cursivetransformer.data.tokenizer import fold_text
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error

CHUNK = 1 << 16  # characters read at once
IN_MEMORY = (
    1 << 24
)  # bytes of standard input that are kept in memory; more goes to a temporary file
TAB = 4  # spaces
LONGEST_WORD = 1000  # letters: longer ones are not words but data, or a text whose spaces were lost
MOST_NAMED = 12  # characters in a message
_PARTS = re.compile(r"\r\n|\s|[^\s]+")
_LINE_BREAKS = {
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
# Marks that stay with the word before them, or with the one after, where the text has a space between.
_CLOSING, _OPENING = set(".,;:!?)]}%-'\"*"), set("([{")


@dataclass(frozen=True)
class TextWord:
    """A word to write. glued: it may not be parted from the word before it by the end of a line; joined: it is the rest of that word,
    with no space between."""

    text: str
    glued: bool = False
    joined: bool = False


@dataclass(frozen=True)
class Break:
    """The end of a line. lines: how far down the next one is; indent: spaces that it begins with; page: it begins a new page."""

    lines: int = 1
    indent: int = 0
    page: bool = False


@dataclass(frozen=True)
class TextNormalizer:
    """What may be written, and what becomes of the rest.

    alphabet: characters that the hand knows; missing: "fail", "skip" or "replace" others; longest: letters of a word, at
    most; a longer one is broken. at_once: letters that are written at once, at most; a longer word is written in parts that stand side by side.
    reflow: single line breaks are spaces. recorded: characters that the hand was learnt from, None for all; others are parts of their own,
    since another hand writes them.
    """

    alphabet: str
    missing: str = "fail"
    longest: int = LONGEST_WORD
    at_once: int = LONGEST_WORD
    reflow: bool = False
    recorded: frozenset | None = None

    def spell(self, word):
        """The word in characters of the alphabet; those that have no like in it are left out."""
        word = self._visible(word)
        if self.missing == "replace":
            return "".join(char if char in self.alphabet else self.like(char) for char in word)
        return "".join(char for char in word if char in self.alphabet)

    def unknown(self, word):
        """The characters of the word that this spelling cannot write."""
        return (
            []
            if self.missing == "skip"
            else [
                char
                for char in self._visible(word)
                if char not in self.alphabet and not (self.missing == "replace" and self.like(char))
            ]
        )

    def like(self, char):
        """What stands in the alphabet for a character that is not there: é as e, ß as ss, Ж as Zh; "" for none."""
        for plain in (anyascii(char), char.swapcase(), anyascii(char).swapcase()):
            if (
                plain.strip() and not plain.startswith(":") and set(plain) <= set(self.alphabet)
            ):  # :snowman: is a name, not a like
                return plain
        return ""

    def words(self, word, glued=False):
        """The `TextWord`s that a word, already spelt, is written as."""
        found = []
        for piece in filter(None, self._pieces(word)):
            joined = False
            for run in self._runs(piece):
                n = -(-len(run) // self.at_once)
                cuts = [len(run) * i // n for i in range(n + 1)]
                for start, end in zip(cuts, cuts[1:]):
                    found.append(TextWord(run[start:end], joined or (glued and not found), joined))
                    joined = True
        return found

    def _runs(self, piece):
        """The piece in runs of characters that were all recorded, or all not."""
        return [
            "".join(run)
            for _, run in groupby(
                piece, lambda char: self.recorded is None or char in self.recorded
            )
        ]

    def _pieces(self, word):
        """The word, or if it is too long its pieces: broken behind a hyphen or slash where it has some, else with hyphens."""
        while len(word) > self.longest:
            hyphen = "-" if "-" in self.alphabet else ""
            cut = max(word.rfind(mark, self.longest // 3, self.longest) for mark in "-/") + 1
            if cut:
                hyphen = ""
            else:  # pieces of about one length
                cut = -(-len(word) // -(-len(word) // (self.longest - len(hyphen))))
            yield word[:cut] + hyphen
            word = word[cut:]
        yield word

    def _visible(self, word):
        """Folded, without what has no picture: joiners, marks of order and direction, a byte order mark."""
        return "".join(
            char for char in fold_text(word, self.alphabet) if unicodedata.category(char) != "Cf"
        )


class Manuscript:
    """A text that can be read more than once. stream: a seekable text stream; name: for messages."""

    def __init__(self, stream, name="the text"):
        self.stream, self.name = stream, name

    @classmethod
    def open(cls, text="", file=""):
        """The text itself; with file the text in it; "-" for either is standard input. Raises `UserError`."""
        if "-" in (text, file):
            source, name = sys.stdin.buffer, "standard input"
        elif file:
            source, name = _opened(file), file
        else:
            return cls(io.StringIO(text, newline=""))
        if name == "standard input" or not source.seekable():  # it can be read but once
            with as_user_error(f"a temporary copy of {name}"):
                spooled = tempfile.SpooledTemporaryFile(IN_MEMORY)
                shutil.copyfileobj(source, spooled)
            source = spooled
        return cls(io.TextIOWrapper(source, "utf-8-sig", newline=""), name)

    def survey(self, spelling):
        """How many words there are. Raises `UserError`, of all characters that cannot be written, before any is."""
        unknown, count = {}, 0
        for part, line in self._raw():
            if isinstance(part, str):
                for char in spelling.unknown(part):
                    unknown.setdefault(char, line)
                count += len(spelling.words(spelling.spell(part)))
        if unknown:
            raise UserError(self._complaint(unknown, spelling))
        if not count:
            raise UserError(
                "there is no text to write"
                + ("" if self.name == "the text" else f" in {self.name}")
            )
        return count

    def parts(self, spelling):
        """Its `TextWord`s and `Break`s, in order. Characters that cannot be written are left out: call `survey` first."""
        glued, started = False, False
        for part, _ in self._raw():
            if isinstance(part, Break):
                if spelling.reflow and part == Break():
                    continue
                yield part
                glued, started = (
                    False,
                    False,
                )  # the first word of a line has none before it to be kept with
                continue
            if part == "":
                glued = True
                continue
            word = spelling.spell(part)
            if not word:
                continue
            yield from spelling.words(word, started and (glued or set(word) <= _CLOSING))
            glued, started = set(word) <= _OPENING, True

    def _raw(self):
        """(part, number of its line): the words as they are typed, a `Break` between two lines, "" for a space that binds."""
        lines, indent, page, number, text = 0, 0, False, 1, False
        for piece in self._split():
            if not piece.isspace():
                if lines or page or indent:
                    yield Break(lines, indent, page), number
                yield piece, number
                lines, indent, page, text = 0, 0, False, True
            elif piece in _LINE_BREAKS:
                lines, indent, number = lines + _LINE_BREAKS[piece], 0, number + 1
            elif piece == "\f":
                lines, indent, page = 0, 0, True
            elif piece in _HARD_SPACES and text and not lines:
                yield "", number
            elif lines or page or not text:
                indent += TAB if piece == "\t" else 1

    def _split(self):
        """Words, and white space a character at a time. Raises `UserError`."""
        rest = ""
        for chunk in self._chunks():
            parts = _PARTS.findall(rest + chunk)
            # What stands last may go on in the next chunk.
            rest = parts.pop() if parts and (not parts[-1].isspace() or parts[-1] == "\r") else ""
            if len(rest) > LONGEST_WORD:
                parts.append(rest)
            yield from map(self._checked, parts)
        if rest:
            yield self._checked(rest)

    def _checked(self, part):
        if len(part) > LONGEST_WORD:
            raise UserError(
                f"{self.name} has a word of more than {LONGEST_WORD} letters, {part[:20]!r}...; put spaces into it"
            )
        return part

    def _chunks(self):
        self.stream.seek(0)
        try:
            while chunk := self.stream.read(CHUNK):
                yield chunk
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.name} is not a text in UTF-8 (byte {error.object[error.start]:#04x}); save it as UTF-8"
            ) from error
        except OSError as error:
            raise UserError(f"{self.name} cannot be read: {error.strerror or error}") from error

    def _complaint(self, unknown, spelling):
        """One sentence about {character: line} that cannot be written."""
        for char, line in unknown.items():
            kind = unicodedata.category(char)
            if kind == "Cs":
                return f"{self.name} is not in UTF-8 (line {line}); give it as UTF-8"
            if kind == "Cc":
                return f"{self.name} holds a control character, U+{ord(char):04X} in line {line}; remove it, or leave it out with --missing skip"
            if unicodedata.bidirectional(char) in ("R", "AL"):
                return (
                    f"{self.name} is written from right to left ({char!r} in line {line}), and this program writes from left to right; "
                    f"--missing replace writes it in Latin letters"
                )
        named = ", ".join(map(repr, list(unknown)[:MOST_NAMED])) + (
            f" and {len(unknown) - MOST_NAMED} others" if len(unknown) > MOST_NAMED else ""
        )
        likes = [f"{char!r} as {spelling.like(char)!r}" for char in unknown if spelling.like(char)][
            :MOST_NAMED
        ]
        cure = (
            f"--missing replace writes {', '.join(likes)}; "
            if likes and spelling.missing != "replace"
            else ""
        )
        return (
            f"the model has never seen {named} (line {min(unknown.values())}); {cure}leave them out with --missing skip, or record "
            f"words that have them and train again"
        )


def _opened(file):
    try:
        return open(file, "rb")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from error
