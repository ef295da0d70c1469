"""Words that a model does not write in one go: long ones, and those with unrecorded characters.

A long word is written in parts of about one length, side by side. A word with a character that its
author never recorded is first written by the author as it is: the model knows the character from
other hands. If that version is not legible, the character is borrowed from another hand, fitted to
the author's size and slant, and joined to the rest. Either way it is one word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from cursivetransformer.ink import measures
from cursivetransformer.ink.stance import Standing
from cursivetransformer.ink.strokes import join_strokes, resize, split_strokes
from cursivetransformer.sampling.generate import GeneratedWord
from cursivetransformer.sampling.rerank import (
    Reranker,
    Row,
    best_word,
    read_candidates,
)

# Letters that a model writes well at once. Few words of the training data have more, and the model
# loses count in longer ones.
MAX_PART_LENGTH = 16
JOIN_SPACE = 0.1  # x-heights between the pieces of a word
# Rows of random numbers for further parts, for borrowed pieces, and for words that show a hand's
# size and slant: far from those of the words themselves.
PART_ROWS, PIECE_ROWS, PROBE_ROWS = 1 << 32, 1 << 40, 1 << 48
# Words that show the size and slant of a hand.
PROBES = "summer never annex cream rover nice moon sauce menu rain".split()


@dataclass(frozen=True)
class HandSize:
    """x_height: in canvas heights; slant: to the right, dx per dy."""

    x_height: float
    slant: float

    @classmethod
    def from_words(cls, words: Sequence[GeneratedWord]) -> "HandSize":
        """Measure the hand that wrote the words."""
        inks = [word.points for word in words]
        x_height = measures.estimate_x_height(inks, [word.text for word in words])
        return cls(x_height or measures.CANVAS_X_HEIGHT, measures.hand_slant(inks))

    def fit(self, points: np.ndarray, like: "HandSize") -> np.ndarray:
        """Return the points (n, 3) of this hand in the size, slant and density of another one."""
        factor = like.x_height / self.x_height
        strokes = [_resample(stroke, factor) for stroke in split_strokes(resize(points, factor))]
        for stroke in strokes:
            stroke[:, 0] -= (like.slant - self.slant) * stroke[:, 1]  # y grows downward
        return join_strokes(strokes)


def _resample(stroke: np.ndarray, factor: float) -> np.ndarray:
    """Return a stroke (m, 2) with `factor` times as many steps."""
    n = max(2, round((len(stroke) - 1) * factor) + 1) if len(stroke) > 1 else 1
    at = np.linspace(0, len(stroke) - 1, n)
    return np.stack([np.interp(at, np.arange(len(stroke)), axis) for axis in stroke.T], 1)


@dataclass
class _Job:
    """A word to write: its text, author, number in the text, parts after the first, version.

    word: as it is written so far.
    """

    text: str
    author: int
    row: int
    further: list[str]
    word: GeneratedWord
    version: int = 0


@dataclass
class Composer:
    """Writes words, in pieces where that is needed.

    reranker: writes the pieces; group: words that the model writes in a row; max_part_length: most
    letters of a part; recorded: characters that the author recorded, None for all; substitute:
    index of the author who lends the others.
    """

    reranker: Reranker
    group: int = 1
    max_part_length: int = MAX_PART_LENGTH
    recorded: frozenset[str] | None = None
    substitute: int = 0
    _sizes: dict[int, HandSize] = field(default_factory=dict, init=False)

    def write(
        self,
        texts: Sequence[str],
        authors: int | Sequence[int] | np.ndarray = 0,
        first: int = 0,
        rewrite: dict[int, int] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[GeneratedWord]:
        """Write each of `texts` as one word.

        Args:
            texts: The words.
            authors: Author index of all texts or of each.
            first: Words of the same text written before.
            rewrite: {index: version from 1} of words to write anew; other ink stays the same.
            progress: Called with the number of words finished since its last call.
        """
        rewrite = rewrite or {}
        authors = np.broadcast_to(authors, len(texts))
        parts = [split_evenly(text, self.max_part_length) for text in texts]
        heads = self.reranker.write_texts(
            [of_word[0] for of_word in parts],
            authors,
            self.group,
            first // self.group,
            rewrite,
            progress,
        )
        jobs = []
        for i, (of_word, head) in enumerate(zip(parts, heads)):
            first_written, head = head.replaces, replace(head, replaces=None)
            job = _Job(texts[i], int(authors[i]), first + i, of_word[1:], head, rewrite.get(i, 0))
            if first_written is not None:
                jobs.append(replace(job, word=first_written, version=0))
            jobs.append(job)
        self._add_parts(jobs)
        self._borrow(jobs)
        words: dict[int, GeneratedWord] = {}
        for job in jobs:  # a word as first written comes right before its rewritten version
            words[job.row] = replace(job.word, replaces=words.get(job.row))
        return list(words.values())

    def _add_parts(self, jobs: Sequence["_Job"]) -> None:
        """Write the further parts of long words, and join them to the first."""
        pieces = [
            (part, job.author, (PART_ROWS * (k + 1) + job.row, job.version))
            for job in jobs
            for k, part in enumerate(job.further)
        ]
        written = iter(self._write_pieces(pieces))
        for job in jobs:
            if job.further:
                rest = [next(written) for _ in job.further]
                job.word = self._join(job.text, [job.word, *rest], job.author)

    def _borrow(self, jobs: Sequence["_Job"]) -> None:
        """Write what is not legible by its author again, with borrowed characters.

        The better of both stays; without a recognizer, the one with borrowed characters.
        """
        jobs = [job for job in jobs if self._may_borrow(job)]
        runs = [self._runs(job.text, job.author) for job in jobs]
        pieces = [
            (run, author, (PIECE_ROWS * (k + 1) + job.row, job.version))
            for job, of_job in zip(jobs, runs)
            for k, (run, author) in enumerate(of_job)
        ]
        written = iter(self._write_pieces(pieces))
        composed = []
        for job, of_job in zip(jobs, runs):
            fitted = [self._fit(next(written), author, job.author) for _, author in of_job]
            lent = "".join(run for run, author in of_job if author != job.author)
            composed.append(replace(self._join(job.text, fitted, job.author), borrowed=lent))
        recognizer = self.reranker.recognizer
        if recognizer is None:
            for job, word in zip(jobs, composed):
                job.word = word
            return
        own = read_candidates(recognizer, [job.word for job in jobs])
        for job, *versions in zip(jobs, own, read_candidates(recognizer, composed)):
            stance = self.reranker.stance(job.author)
            job.word = best_word([version.judged(stance) for version in versions])

    def _may_borrow(self, job: "_Job") -> bool:
        if self.recorded is None or self.recorded.issuperset(job.text):
            return False
        unchecked = self.reranker.recognizer is None
        wrong = unchecked or job.word.doubtful or bool(job.word.standing.faults)
        return wrong and self.substitute != job.author

    def _runs(self, text: str, author: int) -> list[tuple[str, int]]:
        """Return the pieces of a text and who writes each: the author what was recorded."""
        assert self.recorded is not None
        return [
            (part, author if known else self.substitute)
            for known, run in groupby(text, self.recorded.__contains__)
            for part in split_evenly("".join(run), self.max_part_length)
        ]

    def _fit(self, word: GeneratedWord, author: int, to: int) -> GeneratedWord:
        """Return a piece by one author in the size and slant of another."""
        if author == to or not len(word.points):
            return word
        return replace(word, points=self._size(author).fit(word.points, self._size(to)))

    def _write_pieces(
        self, pieces: Sequence[tuple[str, int, tuple[int, int]]]
    ) -> list[GeneratedWord]:
        """Write each (text, author, stream) in a row of its own: no ink depends on others."""
        if not pieces:
            return []
        rows = [Row([text] * self.group, author, stream) for text, author, stream in pieces]
        return self.reranker.write(rows)[:: self.group]

    def _join(self, text: str, pieces: Sequence[GeneratedWord], author: int) -> GeneratedWord:
        return join_words(text, pieces, JOIN_SPACE * self._x_height(pieces, author))

    def _x_height(self, pieces: Sequence[GeneratedWord], author: int) -> float:
        """Return the x-height of an author in canvas heights, by pieces if it is not known."""
        stance = self.reranker.stance(author)
        return stance.x_height if stance else HandSize.from_words(pieces).x_height

    def _size(self, author: int) -> HandSize:
        """Return the size and slant of an author, measured on probes that the author writes."""
        if author not in self._sizes:
            known = set(self.reranker.tokenizer.alphabet)
            texts = [text for text in PROBES if known.issuperset(text)]
            probes = self._write_pieces(
                [(text, author, (PROBE_ROWS + k, 0)) for k, text in enumerate(texts)]
            )
            self._sizes[author] = HandSize.from_words(probes)
        return self._sizes[author]


def join_words(text: str, pieces: Sequence[GeneratedWord], space: float = 0.0) -> GeneratedWord:
    """Return the pieces of a text as one word; what is read of each is read of the word.

    Args:
        text: The text of the word.
        pieces: Its pieces, from left to right.
        space: Canvas heights between the ink of two of them.
    """
    inks, x = [], 0.0
    for piece in pieces:
        if len(piece.points):
            ink = piece.points + np.array([x - piece.points[:, 0].min(), 0, 0], np.float32)
            inks.append(ink)
            x = float(ink[:, 0].max()) + space
    readings = [piece.reading for piece in pieces]
    return GeneratedWord(
        text,
        np.concatenate([*inks, np.zeros((0, 3), np.float32)]),
        all(piece.finished for piece in pieces),
        sum(piece.nll for piece in pieces),
        None if None in readings else "".join(map(str, readings)),
        Standing(
            tuple(fault for piece in pieces for fault in piece.standing.faults),
            float(np.mean([piece.standing.low for piece in pieces])),
        ),
        versions=max(piece.versions for piece in pieces),
    )


def split_evenly(text: str, max_length: int) -> list[str]:
    """Split a text into as few parts of about one length as possible."""
    n = -(-len(text) // max_length)
    cuts = [len(text) * i // n for i in range(n + 1)]
    return [text[start:end] for start, end in zip(cuts, cuts[1:])]
