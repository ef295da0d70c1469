"""Given texts from recorded letters: each word is put together from pieces of recorded words.

The pieces are as long as possible, so that a model that learns a hand sees the letters next to the
letters it will write them with. The next piece joins the word so far in one of three ways: within a
letter that both contain; else where the pen was lifted; else on the stroke between two letters, for
a pair of letters that was never recorded.

The cuts and joins are those of `splice.py`. Does not depend on a model.
"""

from collections.abc import Iterable

import numpy as np

from cursivetransformer.bank.word import Word
from cursivetransformer.synthesis.splice import (
    AlignedWord,
    join_at_lift,
    join_on_ligature,
    join_within_letter,
)

MAX_STARTS = 3  # pieces that are tried as the beginning of a word
MAX_TRIES = 8  # pieces that are tried for each way to go on

Position = tuple[AlignedWord, int]  # a word and the index of one of its characters


def assemble(
    words: Iterable[AlignedWord], texts: Iterable[str], rng: np.random.Generator
) -> list[Word]:
    """Assemble the texts from words of one hand; texts that cannot be assembled are left out."""
    assembler = _Assembler(words)
    assembled = [assembler.assemble(text, rng) for text in texts]
    return [aligned.word for aligned in assembled if aligned is not None]


class _Assembler:
    """Assembles texts from recorded words.

    Attributes:
        pairs: where the second letter of each pair stands, for pairs whose first letter can be cut.
        after_gap: where each character stands after a gap.
        after_letter: where each letter stands after another one without a gap.
        before_gap: where each character stands before a gap.
    """

    def __init__(self, words: Iterable[AlignedWord]) -> None:
        self.pairs: dict[str, list[Position]] = {}
        self.after_gap: dict[str, list[Position]] = {}
        self.after_letter: dict[str, list[Position]] = {}
        self.before_gap: dict[str, list[Position]] = {}
        for aligned in words:
            self._add(aligned)

    def _add(self, aligned: AlignedWord) -> None:
        text = aligned.text
        for k, char in enumerate(text):
            pair = text[k - 1 : k + 1]
            if k - 1 in aligned.cut_points:
                self.pairs.setdefault(pair, []).append((aligned, k))
            if k in aligned.gaps:
                self.after_gap.setdefault(char, []).append((aligned, k))
            elif pair.isalpha():
                self.after_letter.setdefault(char, []).append((aligned, k))
            if k + 1 in aligned.gaps:
                self.before_gap.setdefault(char, []).append((aligned, k))

    def assemble(self, text: str, rng: np.random.Generator) -> AlignedWord | None:
        """Assemble a text; None where no pieces go together."""
        starts = _sample_positions(self.after_gap.get(text[0], []), text, 0, rng)
        for source, k in starts[:MAX_STARTS]:
            start = source.after_gap(k).build_word(source.word.author)
            assembled = self._complete(start, text, rng)
            if assembled is not None:
                return assembled
        return None

    def _complete(
        self, start: AlignedWord, text: str, rng: np.random.Generator
    ) -> AlignedWord | None:
        """Complete a text from a word that begins like it; None where no pieces go together."""
        aligned = start
        k = _match_length(aligned, 0, text, 0)
        while k < len(text):
            extended = self._extend(aligned, k, text, rng)
            if extended is None:
                return None
            aligned = extended
            k += _match_length(aligned, k, text, k)
        return self._end(aligned, k, rng)

    def _extend(
        self, aligned: AlignedWord, k: int, text: str, rng: np.random.Generator
    ) -> AlignedWord | None:
        """Replace what follows the first k characters by a piece that begins with text[k].

        Returns:
            The first k characters of `aligned`, then the piece; None where no piece joins them.
        """
        if k - 1 in aligned.cut_points:
            pairs = self.pairs.get(text[k - 1 : k + 1], [])
            for source, m in _sample_positions(pairs, text, k, rng):
                extended = join_within_letter(aligned, k - 1, source, m - 1)
                if extended is not None:
                    return extended
        head: AlignedWord | None = aligned
        if not text[k].isalnum():  # a mark follows a whole word
            head = self._end(aligned, k, rng)
        elif not aligned.text[k : k + 1].isalnum():
            # Nothing or a mark follows here, which does not show where a letter would stand.
            return None
        if head is None:
            return None
        extended = self._extend_at_lift(head, k, text, rng)
        if extended is None:
            extended = self._extend_on_ligature(head, k, text, rng)
        return extended

    def _extend_at_lift(
        self, head: AlignedWord, k: int, text: str, rng: np.random.Generator
    ) -> AlignedWord | None:
        if k not in head.gaps:
            return None
        for source, m in _sample_positions(self.after_gap.get(text[k], []), text, k, rng):
            # One of the two words must show how far apart the characters stand.
            if m or k < len(head.text):
                return join_at_lift(head, k, source, m)
        return None

    def _extend_on_ligature(
        self, head: AlignedWord, k: int, text: str, rng: np.random.Generator
    ) -> AlignedWord | None:
        for source, m in _sample_positions(self.after_letter.get(text[k], []), text, k, rng):
            extended = join_on_ligature(head, k, source, m)
            if extended is not None:
                return extended
        return None

    def _end(self, aligned: AlignedWord, k: int, rng: np.random.Generator) -> AlignedWord | None:
        """Cut a word after k characters, its last one written as at the end of a word.

        A last character that was never recorded before a gap is cut off behind it.

        Returns:
            The word of k characters; None where it can end neither way.
        """
        endings = self.before_gap.get(aligned.text[k - 1], [])
        if k in aligned.gaps or not endings:
            return _truncate(aligned, k)
        for i in rng.permutation(len(endings))[:MAX_TRIES]:
            source, m = endings[i]
            ended = _replace_tail(aligned, k - 1, source, m)
            if ended is not None:
                return _truncate(ended, k)
        return None


def _sample_positions(
    positions: list[Position], text: str, k: int, rng: np.random.Generator
) -> list[Position]:
    """Sample up to `MAX_TRIES` positions without replacement.

    The probability of a position is proportional to the number of characters from there on that
    equal those of `text` from k on.
    """
    if not positions:
        return []
    lengths = np.array([_match_length(aligned, m, text, k) for aligned, m in positions], float)
    sampled = rng.choice(
        len(positions),
        size=min(MAX_TRIES, len(positions)),
        replace=False,
        p=lengths / lengths.sum(),
    )
    return [positions[i] for i in sampled]


def _replace_tail(aligned: AlignedWord, k: int, source: AlignedWord, m: int) -> AlignedWord | None:
    """Replace a word from its character k on by a source from m on, the same letter; or None."""
    if k in aligned.cut_points and m in source.cut_points:
        replaced = join_within_letter(aligned, k, source, m)
        if replaced is not None:
            return replaced
    return join_on_ligature(aligned, k, source, m) if k and m else None


def _match_length(aligned: AlignedWord, m: int, text: str, k: int) -> int:
    """Count the characters from m on in a word that equal those from k on in a text."""
    n = 0
    for char, wanted in zip(aligned.text[m:], text[k:]):
        if char != wanted:
            break
        n += 1
    return n


def _truncate(aligned: AlignedWord, k: int) -> AlignedWord | None:
    """Keep the first k characters; None where they cannot be cut, as a stop under a quote."""
    text = aligned.text
    if k == len(text):
        return aligned
    if not text[k - 1].isalnum() and not text[k].isalnum():
        return None
    if k in aligned.gaps:
        piece = aligned.before_gap(k)
    else:
        candidates = aligned.ligature_points(k)
        if not len(candidates):
            return None
        distances = abs(aligned.points[candidates, 0] - aligned.borders[k])
        piece = aligned.before_point(k, candidates[distances.argmin()])
        piece.main[0] = piece.main[0].copy()
        piece.main[0][-1, 2] = 0
    return piece.build_word(aligned.word.author)
