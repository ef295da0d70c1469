"""Write words several times and keep the version that reads best. Does not depend on a page.

A word is written once. If the recognizer misreads it or is unsure, or if its letters stand off the
line or fall apart for its hand, the other versions are sampled, in one batch with those of other
words, and the one that reads closest to the text is kept: with the fewest characters wrong, then
the best standing, then the most surely read. Among versions that are surely read, the model's
likeliest is kept.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cursivetransformer.bank.authors import author_name
from cursivetransformer.config.args import shown
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.stance import Stance, Standing
from cursivetransformer.models.base import Model
from cursivetransformer.recognition.error_rate import edit_distance
from cursivetransformer.recognition.recognizer import Reading, Recognizer
from cursivetransformer.sampling.generate import (
    GeneratedWord,
    generate_rows,
    group_texts,
)
from cursivetransformer.utils.errors import UserError

# A word is surely read below this nll of its text in nats, a probability of 95%. With a higher
# limit another recognizer misreads more of the kept words.
SURE_NLL = 0.05
# Versions of a word that is read but stands badly: where a few do not stand better, the hand's
# letters stand like this beside each other, and more do not help.
MAX_FAULTY_VERSIONS = 4


@dataclass(frozen=True)
class Row:
    """A row of words to write. stream: (row, version of the rewriting), for its random numbers."""

    texts: list[str]
    author: int
    stream: tuple[int, int]


@dataclass(frozen=True)
class Candidate:
    """A version of a word, how it reads, and how it stands in its hand."""

    word: GeneratedWord
    reading: Reading
    standing: Standing = Standing()

    @property
    def badness(self) -> tuple[int, int, bool, int, float]:
        """Distance of the reading from the text: length, edits, a missing end, faults, doubt.

        A number with a digit too many is another number, so the length of what holds digits comes
        first.
        """
        text, reading = self.word.text, self.reading.text
        length_error = abs(len(text) - len(reading)) if any(map(str.isdigit, text)) else 0
        doubt = max(self.reading.nll, SURE_NLL)
        unfinished = not self.word.finished
        return (
            length_error,
            edit_distance(text, reading),
            unfinished,
            len(self.standing.faults),
            doubt,
        )

    @property
    def legible(self) -> bool:
        """Whether the recognizer reads the text, and surely."""
        as_text = self.reading.text == self.word.text and self.word.finished
        return as_text and self.reading.nll <= SURE_NLL

    @property
    def sure(self) -> bool:
        """Whether the word is legible, and nothing is at fault."""
        return self.legible and not self.standing.faults

    def judged(self, stance: Stance | None) -> "Candidate":
        """Return the candidate with how it stands in a hand."""
        centers = self.reading.centers
        if stance is None or centers is None:
            return self
        standing = stance.judge(self.word.points, self.word.text, centers)
        return replace(self, standing=standing)


@dataclass
class Reranker:
    """Writes rows of words, each word in the best of several versions."""

    model: Model
    tokenizer: Tokenizer
    recognizer: Recognizer | None
    max_versions: int
    options: dict[str, Any]
    _stances: dict[int, Stance | None] = field(default_factory=dict, init=False)

    def stance(self, author: int) -> Stance | None:
        """Return how an author's hand stands, as the recognizer learned it; None if it did not."""
        if self.recognizer is None:
            return None
        if author not in self._stances:
            name = author_name(author, self.model.config.authors)
            values = self.recognizer.config.stances.get(name)
            self._stances[author] = Stance.from_dict(values) if values else None
        return self._stances[author]

    def write_texts(
        self,
        texts: list[str],
        authors: int | Sequence[int] | np.ndarray = 0,
        group: int = 1,
        first_row: int = 0,
        rewrite: dict[int, int] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[GeneratedWord]:
        """Write texts, `group` of them in a row; the arguments are as in `generate_best_of_n`."""
        if not texts:
            return []
        row_authors = np.broadcast_to(authors, len(texts))[::group]
        rows = [
            Row(row, int(author), (first_row + i, 0))
            for i, (row, author) in enumerate(zip(group_texts(texts, group), row_authors))
        ]
        words = self.write(rows, progress)
        if rewrite:
            _rewrite_words(self, rows, words, rewrite)
        return words[: len(texts)]

    def write(
        self, rows: list[Row], progress: Callable[[int], object] | None = None
    ) -> list[GeneratedWord]:
        """Return the best version of every word of the rows."""
        words = self._generate(rows, [0] * len(rows), progress)
        if self.recognizer is None:
            return words
        authors = [row.author for row in rows for _ in row.texts]
        firsts = read_candidates(self.recognizer, words)
        candidates = [[first.judged(self.stance(author))] for first, author in zip(firsts, authors)]
        self._add_versions(self.recognizer, rows, candidates)
        return [best_word(versions) for versions in candidates]

    def _add_versions(
        self, recognizer: Recognizer, rows: list[Row], candidates: list[list[Candidate]]
    ) -> None:
        """Append the other versions of the words whose first one is not surely read."""
        unsure = {i for i, (first,) in enumerate(candidates) if not first.sure}
        if not unsure:
            return
        group = len(rows[0].texts)
        wanted: dict[int, int] = {}  # versions by row
        for i in sorted(unsure):
            n = self.max_versions
            if candidates[i][0].legible:
                n = min(n, MAX_FAULTY_VERSIONS)
            wanted[i // group] = max(n, wanted.get(i // group, 0))
        again = [(row, version) for row, n in wanted.items() for version in range(1, n)]
        words = self._generate([rows[row] for row, _ in again], [version for _, version in again])
        indices = [row * group + column for row, _ in again for column in range(group)]
        for i, candidate in zip(indices, read_candidates(recognizer, words)):
            if i in unsure:
                stance = self.stance(rows[i // group].author)
                candidates[i].append(candidate.judged(stance))

    def _generate(
        self,
        rows: list[Row],
        versions: list[int],
        progress: Callable[[int], object] | None = None,
    ) -> list[GeneratedWord]:
        """Return all words of the rows, each row in the version given."""
        written = generate_rows(
            self.model,
            self.tokenizer,
            [row.texts for row in rows],
            [(*row.stream, version) for row, version in zip(rows, versions)],
            [row.author for row in rows],
            progress=progress,
            **self.options,
        )
        return [word for row in written for word in row]


def read_candidates(recognizer: Recognizer, words: Sequence[GeneratedWord]) -> list[Candidate]:
    """Read each word."""
    inks, texts = [word.points for word in words], [word.text for word in words]
    return [Candidate(*examined) for examined in zip(words, recognizer.examine(inks, texts))]


def best_word(candidates: Sequence[Candidate]) -> GeneratedWord:
    """Return the word of the best candidate with its reading and the number of versions."""
    best = min(candidates, key=lambda candidate: (*candidate.badness, candidate.word.nll))
    versions = sum(candidate.word.versions for candidate in candidates)
    return replace(best.word, reading=best.reading.text, standing=best.standing, versions=versions)


def generate_best_of_n(
    model: Model,
    tokenizer: Tokenizer,
    texts: list[str],
    recognizer: Recognizer | None = None,
    max_versions: int = 1,
    rewrite: dict[int, int] | None = None,
    group: int = 1,
    progress: Callable[[int], object] | None = None,
    authors: int | Sequence[int] | np.ndarray = 0,
    first_row: int = 0,
    **options: Any,
) -> list[GeneratedWord]:
    """Write each of `texts`, and keep the best of several versions of a word not surely read.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        texts: The words.
        recognizer: Judges the versions; None takes every word as it comes.
        max_versions: Versions of a word that is not surely read.
        rewrite: {index: version from 1} of words to write anew; all other ink stays the same.
        group: Words in a row, a number that the model was trained on.
        progress: Called with the number of words finished since its last call.
        authors: Author index of all texts or of each; the first text of a row decides for it.
        first_row: Rows of the same text written before, so that these have other random numbers.
        options: `primer`, `seed` and the sampling options of `generate.generate_rows`.
    """
    reranker = Reranker(model, tokenizer, recognizer, max_versions, options)
    return reranker.write_texts(texts, authors, group, first_row, rewrite, progress)


def _rewrite_words(
    reranker: Reranker, rows: list[Row], words: list[GeneratedWord], rewrite: dict[int, int]
) -> None:
    """Replace in `words` the words of {index: version} by those of rewritten rows."""
    group = len(rows[0].texts)
    again = sorted({(index // group, version) for index, version in rewrite.items()})
    rewritten = reranker.write(
        [replace(rows[row], stream=(rows[row].stream[0], version)) for row, version in again]
    )
    for index, version in rewrite.items():
        place = again.index((index // group, version)) * group + index % group
        words[index] = replace(rewritten[place], replaces=words[index])


def parse_rewrite(text: str, n_words: int) -> dict[int, int]:
    """Parse the value of --rewrite, like "2,4:3", into {index from 0: version}.

    Raises:
        UserError: It is not such a list, or a number is beyond the words of the text.
    """
    rewrite = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        number, _, version = part.partition(":")
        version = version or "1"
        digits = re.fullmatch(r"[0-9]{1,9}", number) and re.fullmatch(r"[0-9]{1,9}", version)
        if not digits or int(version) < 1:
            raise UserError(f"--rewrite takes numbers of words like 2,4 or 2:3, not {shown(part)}")
        if not 1 <= int(number) <= n_words:
            raise UserError(f"--rewrite {number}: the text has words 1 to {n_words}")
        rewrite[int(number) - 1] = int(version)
    return rewrite
