"""How a reading differs from its text: error rates, and which characters, at which places in a word, were misread.

rapidfuzz does the counting. Knows texts only.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein

from cursivetransformer.ink.augment import downsample

PLACES = ("only", "first", "second", "middle", "last")


def edit_distance(text, reading):
    """How many characters must be changed, inserted or left out to make `text` of `reading`."""
    return Levenshtein.distance(text, reading)


def place(index, length):
    """Where in a word of `length` characters the one at `index` stands, as one of PLACES."""
    if length == 1:
        return "only"
    return (
        "first"
        if index == 0
        else "last"
        if index == length - 1
        else "second"
        if index == 1
        else "middle"
    )


@dataclass
class ErrorRate:
    """Counts over words that were read. Add words with `add`.

    characters, edits: of all texts; words, wrong_words; by_character, by_place: {character or place: [how often it stood in a
    text, how often it was misread]}, a character that was read too much counted against the one before it; misread: {character:
    Counter of what it was read as}, "" where it was not read.
    """

    characters: int = 0
    edits: int = 0
    words: int = 0
    wrong_words: int = 0
    by_character: dict = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    by_place: dict = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    misread: dict = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, texts, readings):
        """The counts of texts and what was read for each."""
        spelling = cls()
        for text, reading in zip(texts, readings, strict=True):
            spelling.add(text, reading)
        return spelling

    def add(self, text, reading):
        """Count a word. text: not empty."""
        self.words += 1
        self.characters += len(text)
        self.wrong_words += text != reading
        for i, char in enumerate(text):
            self.by_character[char][0] += 1
            self.by_place[place(i, len(text))][0] += 1
        for kind, i, j in Levenshtein.editops(text, reading):
            self.edits += 1
            i = max(i - 1, 0) if kind == "insert" else i
            char, read = (
                text[i],
                {
                    "replace": reading[j : j + 1],
                    "delete": "",
                    "insert": text[i] + reading[j : j + 1],
                }[kind],
            )
            self.by_character[char][1] += 1
            self.by_place[place(i, len(text))][1] += 1
            self.misread[char][read] += 1

    @property
    def cer(self):
        """Edits for each character of the texts."""
        return self.edits / max(1, self.characters)

    @property
    def wer(self):
        """Share of the words that were not read as they are spelt."""
        return self.wrong_words / max(1, self.words)

    def as_dict(self):
        """Plain values, for a report: worst characters first."""
        by_character = sorted(self.by_character.items(), key=lambda item: (-item[1][1], item[0]))
        return {
            "character_error": self.cer,
            "word_error": self.wer,
            "characters": self.characters,
            "words": self.words,
            "edits": self.edits,
            "wrong_words": self.wrong_words,
            "by_character": {
                char: {
                    "count": n,
                    "misread": wrong,
                    "read_as": dict(self.misread[char].most_common(3)) if wrong else {},
                }
                for char, (n, wrong) in by_character
            },
            "by_place": {
                name: {"count": self.by_place[name][0], "misread": self.by_place[name][1]}
                for name in PLACES
                if name in self.by_place
            },
        }


def read_back(recognizer, words, rate=0.0):
    """The `ErrorRate` of recorded words as the recognizer reads them, the share `rate` of their points dropped."""
    return ErrorRate.of(
        [word.text for word in words],
        recognizer.read([downsample(word.points, rate) for word in words]),
    )
