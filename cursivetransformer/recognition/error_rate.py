"""Error rates of readings, and which characters are misread at which positions in a word.

Works on texts alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from cursivetransformer.bank.word import Word
from cursivetransformer.ink.augment import downsample

if TYPE_CHECKING:
    from cursivetransformer.recognition.recognizer import Recognizer

POSITIONS = ("only", "first", "second", "middle", "last")


def edit_distance(text: str, reading: str) -> int:
    """Count the characters to substitute, insert or delete to turn `reading` into `text`."""
    return Levenshtein.distance(text, reading)


def position(index: int, length: int) -> str:
    """Name the position of character `index` in a word of `length` characters: see POSITIONS."""
    if length == 1:
        return "only"
    if index == 0:
        return "first"
    if index == length - 1:
        return "last"
    if index == 1:
        return "second"
    return "middle"


@dataclass
class Occurrences:
    """How often a character or position occurs in the texts, and how often it is misread."""

    count: int = 0
    misread: int = 0


@dataclass
class ErrorRate:
    """Error counts over the words that were read.

    Attributes:
        characters: number of characters in all texts.
        edits: number of edits in all readings.
        words: number of words.
        wrong_words: number of words with at least one edit.
        by_character: counts of each character. An inserted character counts against the one before.
        by_position: counts of each of POSITIONS.
        misread: for each character, how often it was read as which text; "" if it was not read.
    """

    characters: int = 0
    edits: int = 0
    words: int = 0
    wrong_words: int = 0
    by_character: dict[str, Occurrences] = field(default_factory=lambda: defaultdict(Occurrences))
    by_position: dict[str, Occurrences] = field(default_factory=lambda: defaultdict(Occurrences))
    misread: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def from_readings(cls, texts: Iterable[str], readings: Iterable[str]) -> "ErrorRate":
        """Count the errors of texts and their readings. Raises `ValueError` for unequal numbers."""
        rate = cls()
        for text, reading in zip(texts, readings, strict=True):
            rate.add(text, reading)
        return rate

    def add(self, text: str, reading: str) -> None:
        """Count a word. text: not empty."""
        self.words += 1
        self.characters += len(text)
        self.wrong_words += text != reading
        for i, char in enumerate(text):
            self.by_character[char].count += 1
            self.by_position[position(i, len(text))].count += 1
        for edit in Levenshtein.editops(text, reading):
            i = edit.src_pos
            read_as = "" if edit.tag == "delete" else reading[edit.dest_pos]
            if edit.tag == "insert":
                i = max(i - 1, 0)
                read_as = text[i] + read_as
            self.edits += 1
            self.by_character[text[i]].misread += 1
            self.by_position[position(i, len(text))].misread += 1
            self.misread[text[i]][read_as] += 1

    @property
    def cer(self) -> float:
        """Character error rate: edits for each character of the texts."""
        return self.edits / max(1, self.characters)

    @property
    def wer(self) -> float:
        """Word error rate: fraction of the words that were misread."""
        return self.wrong_words / max(1, self.words)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a report, the characters misread most often first."""
        worst_first = sorted(
            self.by_character.items(), key=lambda item: (-item[1].misread, item[0])
        )
        return {
            "cer": self.cer,
            "wer": self.wer,
            "characters": self.characters,
            "words": self.words,
            "edits": self.edits,
            "wrong_words": self.wrong_words,
            "by_character": {
                char: {
                    **asdict(occurrences),
                    "read_as": dict(self.misread.get(char, Counter()).most_common(3)),
                }
                for char, occurrences in worst_first
            },
            "by_place": {
                name: asdict(self.by_position[name])
                for name in POSITIONS
                if name in self.by_position
            },
        }


def read_back(recognizer: "Recognizer", words: Sequence[Word], rate: float = 0.0) -> ErrorRate:
    """Measure how a recognizer reads recorded words with the fraction `rate` of points dropped."""
    return ErrorRate.from_readings(
        [word.text for word in words],
        recognizer.read([downsample(word.points, rate) for word in words]),
    )
