"""New words from recorded ones: the beginning of one word goes on as the end of another.

Every letter is a recorded one; only the words are new. A hundred words give thousands. Two words
are joined in one of three ways:

    Within a letter that both words contain, where both pens are at the same height and move in the
    same direction, so that the join does not show.
    At a lift of the pen between two characters, if the characters after the cut are of one kind: a
    digit for a digit, a capital for a capital. A mark may also follow a whole word.
    On the ligature, the stroke that leads from one letter to the next, where both pens move alike.
    `assemble.py` uses it for pairs of letters that were never recorded.

The caller says where each letter stands; this module does not depend on a model. Lengths are in
canvas heights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cursivetransformer.bank.word import Word
from cursivetransformer.data.eval_texts import character_class
from cursivetransformer.ink.strokes import arc_lengths

# Letters without a dot or cross. A word may be cut within them.
CUTTABLE_LETTERS = frozenset("abcdeghklmnopqrsuvwyz")
MIN_LENGTH = 2  # characters of a spliced word
MAX_LENGTH = 12  # few recorded words have more
ROUNDS = 3  # in which spliced words are spliced again
WITHIN_LETTER_PROBABILITY = 0.6  # of a cut within a letter, where there can be one
MAX_TRIES = 30  # pairs of words that are tried for one new word

# The cost of a cut is the sum of squared differences between the two pens, in these units.
HEIGHT_UNIT = 0.02  # canvas heights
DIRECTION_UNIT = 0.35  # radians
PHASE_UNIT = 0.25  # letter widths, across the letter
PATH_PHASE_UNIT = 0.08  # of the length of the pen's path through the letter
MAX_COST = 3.0  # of a cut that is good enough

MAX_OVERHANG = 0.4  # letter widths that a stroke may reach across a gap
# A stroke that reaches this fraction of the way from a gap to the next letter's center has written
# part of that letter, such as the stem of an i that is dotted next.
MAX_REACH = 0.75
LIGATURE_RADIUS = 0.35  # letter widths around a border within which a ligature may be cut
BLEND_POINTS = 12  # over which the height of the second word changes back to its own

T = TypeVar("T")
StrokeGroups = tuple[list[np.ndarray], list[np.ndarray]]  # main strokes (n, 3), delayed ones


@dataclass(eq=False)
class AlignedWord:
    """A word with the positions of its characters, and where it can be cut.

    Make one with `from_word`.

    Attributes:
        word: the ink and its text.
        centers: (characters,) the x around which each character stands.
        borders: (characters + 1,) the x between two characters, infinite at both ends.
        letter_width: the mean width of a character.
        stroke_ids: (n,) the stroke that each point belongs to.
        stroke_spans: (strokes, 2) the least and the largest x of each stroke.
        stroke_centers: (strokes,) the mean x of each stroke's points.
        is_delayed: (strokes,) whether each stroke is a dot or cross that was written late.
        is_inner: (n,) whether each point is of a main stroke and not an end of it.
        cut_points: {index of a character: (k,) points at which the word may be cut within it}.
        gaps: how many characters stand before each gap, from 0 to all of them.
    """

    word: Word
    centers: np.ndarray
    borders: np.ndarray
    letter_width: float
    stroke_ids: np.ndarray
    stroke_spans: np.ndarray
    stroke_centers: np.ndarray
    is_delayed: np.ndarray
    is_inner: np.ndarray
    cut_points: dict[int, np.ndarray]
    gaps: list[int]

    @classmethod
    def from_word(cls, word: Word, centers: np.ndarray) -> AlignedWord:
        """Find where a word can be cut, given the x around which each character stands."""
        points = word.points
        stroke_ends = points[:-1, 2] == 0
        stroke_ids = np.append(0, np.cumsum(stroke_ends))
        stroke_xs = np.split(points[:, 0], np.flatnonzero(stroke_ends) + 1)
        spans = np.array([(x.min(), x.max()) for x in stroke_xs])
        stroke_centers = np.array([x.mean() for x in stroke_xs])
        is_delayed = find_delayed_strokes(spans, stroke_centers, centers)
        is_inner = _find_inner_points(points) & ~is_delayed[stroke_ids]
        borders = np.concatenate([[-np.inf], (centers[1:] + centers[:-1]) / 2, [np.inf]])
        aligned = cls(
            word=word,
            centers=centers,
            borders=borders,
            letter_width=np.ptp(points[:, 0]) / len(word.text),
            stroke_ids=stroke_ids,
            stroke_spans=spans,
            stroke_centers=stroke_centers,
            is_delayed=is_delayed,
            is_inner=is_inner,
            cut_points=_find_cut_points(word, borders, is_inner),
            gaps=[],
        )
        aligned.gaps = [k for k in range(len(word.text) + 1) if aligned._is_gap(k)]
        return aligned

    @property
    def text(self) -> str:
        """The word's text."""
        return self.word.text

    @property
    def points(self) -> np.ndarray:
        """The word's points, (n, 3)."""
        return self.word.points

    def _is_gap(self, k: int) -> bool:
        """Return whether the pen was lifted between characters k - 1 and k, or k is an end."""
        if k in (0, len(self.text)):
            return True
        border = self.borders[k]
        overhang = MAX_OVERHANG * self.letter_width
        reach = min(overhang, MAX_REACH * (self.centers[k] - border))
        left = self.stroke_centers < border
        if not left.any() or left.all():
            return False
        left_end = self.stroke_spans[left, 1].max()
        right_start = self.stroke_spans[~left, 0].min()
        return bool(left_end < border + reach and right_start > border - overhang)

    def ligature_points(self, k: int) -> np.ndarray:
        """Return the points (n,) at which the stroke across border k may be cut."""
        distances = abs(self.points[:, 0] - self.borders[k])
        return np.flatnonzero(self.is_inner & (distances < LIGATURE_RADIUS * self.letter_width))

    def select_strokes(self, selected: np.ndarray) -> StrokeGroups:
        """Return the selected strokes, a mask (strokes,): the main ones and the delayed ones."""
        main = np.flatnonzero(selected & ~self.is_delayed)
        delayed = np.flatnonzero(selected & self.is_delayed)
        return (
            [self.points[self.stroke_ids == stroke] for stroke in main],
            [self.points[self.stroke_ids == stroke] for stroke in delayed],
        )

    def before_gap(self, k: int) -> Piece:
        """Return the first k characters, where k is a gap."""
        main, delayed = self.select_strokes(self.stroke_centers < self.borders[k])
        return Piece(main, delayed, self.text[:k], self.centers[:k])

    def after_gap(self, k: int) -> Piece:
        """Return the characters from k on, where k is a gap."""
        main, delayed = self.select_strokes(self.stroke_centers >= self.borders[k])
        return Piece(main, delayed, self.text[k:], self.centers[k:])

    def before_point(self, k: int, last: int) -> Piece:
        """Return the first k characters, cut within a stroke after the point `last`.

        What was written before the cut stays, and the delayed strokes to the left of it.
        """
        is_later = np.arange(len(self.is_delayed)) > self.stroke_ids[last]
        is_left = self.stroke_centers < self.points[last, 0]
        _, delayed = self.select_strokes(is_later & is_left)
        return Piece([self.points[: last + 1]], delayed, self.text[:k], self.centers[:k])

    def after_point(self, k: int, first: int, height_offset: float) -> Piece:
        """Return the characters from k on, cut within a stroke after the point `first`.

        What was written after the cut stays, but for the delayed strokes to the left of it.

        Args:
            k: index of the first character.
            first: index of a point.
            height_offset: is added to y at the cut, and fades over `BLEND_POINTS` points.
        """
        is_later = np.arange(len(self.is_delayed)) > self.stroke_ids[first]
        is_right = self.stroke_centers > self.points[first, 0]
        main, delayed = self.select_strokes(is_later & (~self.is_delayed | is_right))
        is_same_stroke = self.stroke_ids[first + 1 :] == self.stroke_ids[first]
        rest = self.points[first + 1 :][is_same_stroke].copy()
        rest[:, 1] += np.maximum(0, 1 - np.arange(len(rest)) / BLEND_POINTS) * height_offset
        return Piece([rest, *main], delayed, self.text[k:], self.centers[k:])


@dataclass(eq=False)
class Piece:
    """Some consecutive characters of a word, with their ink.

    Attributes:
        main: strokes (n, 3), in the order in which they were written.
        delayed: dots and crosses (n, 3), which are written after all main strokes.
        text: the characters.
        centers: (characters,) the x around which each character stands.
    """

    main: list[np.ndarray]
    delayed: list[np.ndarray]
    text: str
    centers: np.ndarray

    def build_word(self, author: str) -> AlignedWord:
        """Make a word of the piece, with its left edge at x = 0."""
        points = np.concatenate([*self.main, *self.delayed]).astype(np.float32)
        left = points[:, 0].min()
        points[:, 0] -= left
        points[-1, 2] = 0
        word = Word(self.text, author, points, {"spliced": True})
        return AlignedWord.from_word(word, self.centers - left)

    def join(self, right: Piece, shift: float) -> Piece:
        """Append another piece, moved by `shift` along x."""
        offset = np.array([shift, 0, 0], np.float32)
        return Piece(
            [*self.main, *(stroke + offset for stroke in right.main)],
            [*self.delayed, *(stroke + offset for stroke in right.delayed)],
            self.text + right.text,
            np.concatenate([self.centers, right.centers + shift]),
        )


def _find_inner_points(points: np.ndarray) -> np.ndarray:
    """Return which points (n,) are neither the first nor the last one of their stroke."""
    pen_down = points[:, 2] == 1
    return pen_down & np.append(False, pen_down[:-1])


def _find_cut_points(
    word: Word, borders: np.ndarray, is_inner: np.ndarray
) -> dict[int, np.ndarray]:
    """Find `AlignedWord.cut_points`."""
    x = word.points[:, 0]
    cut_points = {}
    for i, char in enumerate(word.text):
        if char in CUTTABLE_LETTERS:
            is_within = (x > borders[i]) & (x < borders[i + 1])
            found = np.flatnonzero(is_inner & is_within)
            if len(found):
                cut_points[i] = found
    return cut_points


def find_delayed_strokes(
    stroke_spans: np.ndarray, stroke_centers: np.ndarray, centers: np.ndarray
) -> np.ndarray:
    """Find the strokes of characters that the pen had left before, such as dots at a word's end.

    A main stroke has reached each character whose center is at most the stroke's right end. A
    stroke is delayed if it is nearest to a character before the last one that was reached.

    Args:
        stroke_spans: (strokes, 2) the least and the largest x of each stroke.
        stroke_centers: (strokes,) the mean x of each stroke.
        centers: (characters,) the x around which each character stands.

    Returns:
        (strokes,) booleans.
    """
    delayed = []
    reached = -1  # index of the last character that was reached
    for (_, end), stroke_center in zip(stroke_spans, stroke_centers):
        nearest = np.abs(centers - stroke_center).argmin()
        is_delayed = nearest < reached
        delayed.append(is_delayed)
        if not is_delayed:
            reached = max(reached, int(np.searchsorted(centers, end)) - 1)
    return np.array(delayed)


def splice(words: Sequence[AlignedWord], n: int, rng: np.random.Generator) -> list[Word]:
    """Make up to `n` new words from words of one hand; fewer where few go together."""
    if len(words) < 2:
        return []
    known_texts = {aligned.text for aligned in words}
    pool = list(words)
    spliced: list[AlignedWord] = []
    for round_number in range(ROUNDS):
        cuts = _CutIndex(pool)
        new = []
        for _ in range((n - len(spliced)) // (ROUNDS - round_number)):
            aligned = _make_new_word(cuts, known_texts, rng)
            if aligned is not None:
                known_texts.add(aligned.text)
                new.append(aligned)
        spliced += new
        pool = [*words, *spliced]
    return [aligned.word for aligned in spliced]


def _make_new_word(
    cuts: _CutIndex, known_texts: set[str], rng: np.random.Generator
) -> AlignedWord | None:
    """Splice two words to a text that is not known yet; None if no try gives one."""
    within_letter = bool(cuts.cuttable) and rng.random() < WITHIN_LETTER_PROBABILITY
    for _ in range(MAX_TRIES):
        aligned = cuts.splice_within_letter(rng) if within_letter else cuts.splice_at_lift(rng)
        if aligned is not None and aligned.text not in known_texts:
            return aligned
    return None


class _CutIndex:
    """Where the words of a pool can be cut, by what may stand after the cut."""

    def __init__(self, pool: list[AlignedWord]) -> None:
        self.pool = pool
        self.cuttable = [aligned for aligned in pool if aligned.cut_points]
        # Words and indices of a character: by the letter, by the kind after a gap, marks at an end.
        self.by_letter: dict[str, list[tuple[AlignedWord, int]]] = {}
        self.by_kind: dict[str, list[tuple[AlignedWord, int]]] = {}
        self.marks: list[tuple[AlignedWord, int]] = []
        for aligned in pool:
            for i in aligned.cut_points:
                self.by_letter.setdefault(aligned.text[i], []).append((aligned, i))
            for k in aligned.gaps[:-1]:
                char = aligned.text[k]
                self.by_kind.setdefault(character_class(char), []).append((aligned, k))
                if k and not char.isalnum():
                    self.marks.append((aligned, k))

    def splice_within_letter(self, rng: np.random.Generator) -> AlignedWord | None:
        """Join two words within a letter, both sampled; None where they do not go together."""
        left = _choose(rng, self.cuttable)
        i = _choose(rng, list(left.cut_points))
        right, j = _choose(rng, self.by_letter[left.text[i]])
        if left is right or not _is_valid_length(i + len(right.text) - j):
            return None
        return join_within_letter(left, i, right, j)

    def splice_at_lift(self, rng: np.random.Generator) -> AlignedWord | None:
        """Join two words where the pen was lifted; None where they do not go together."""
        left = _choose(rng, self.pool)
        k = _choose(rng, left.gaps[1:])
        at_end = k == len(left.text)
        candidates = self.marks if at_end else self.by_kind.get(character_class(left.text[k]), [])
        if not candidates:
            return None
        right, m = _choose(rng, candidates)
        if left is right or not _is_valid_length(k + len(right.text) - m):
            return None
        return join_at_lift(left, k, right, m)


def _choose(rng: np.random.Generator, items: Sequence[T]) -> T:
    return items[int(rng.integers(len(items)))]


def _is_valid_length(length: int) -> bool:
    return MIN_LENGTH <= length <= MAX_LENGTH


@dataclass(eq=False)
class _CutCandidates:
    """Points at which a word may be cut.

    Attributes:
        aligned: the word.
        k: number of characters that count as before the cut.
        points: (n,) indices of points.
        phases: measures (n,) of where each point lies, which should be alike in both words.
    """

    aligned: AlignedWord
    k: int
    points: np.ndarray
    phases: list[np.ndarray]


def join_within_letter(left: AlignedWord, i: int, right: AlignedWord, j: int) -> AlignedWord | None:
    """Join the characters up to i of one word and those from j on of another, the same letter.

    Both words are cut within that letter. Its beginning comes from the left word, its end from the
    right one.

    Returns:
        The new word, or None where no pair of points is good enough.
    """
    return _join_at_best_cut(
        _letter_candidates(left, i), _letter_candidates(right, j), (PHASE_UNIT, PATH_PHASE_UNIT)
    )


def _letter_candidates(aligned: AlignedWord, i: int) -> _CutCandidates:
    phases = [_x_phases(aligned, i), _path_phases(aligned, i)]
    return _CutCandidates(aligned, i + 1, aligned.cut_points[i], phases)


def join_on_ligature(left: AlignedWord, k: int, right: AlignedWord, m: int) -> AlignedWord | None:
    """Join the first k characters of one word and those from m on of another, within a ligature.

    Both words are cut on the stroke that crosses the border between the two letters.

    Returns:
        The new word, or None where no pair of points is good enough.
    """
    return _join_at_best_cut(
        _ligature_candidates(left, k), _ligature_candidates(right, m), (PHASE_UNIT,)
    )


def _ligature_candidates(aligned: AlignedWord, k: int) -> _CutCandidates:
    points = aligned.ligature_points(k)
    phases = (aligned.points[points, 0] - aligned.borders[k]) / aligned.letter_width
    return _CutCandidates(aligned, k, points, [phases])


def _join_at_best_cut(
    left: _CutCandidates, right: _CutCandidates, phase_units: Sequence[float]
) -> AlignedWord | None:
    """Join two words at the pair of points with the lowest cost; None where none is good enough."""
    cost = _cut_costs(left, right, phase_units)
    if not cost.size or cost.min() > MAX_COST:
        return None
    row, column = np.unravel_index(cost.argmin(), cost.shape)
    last = left.points[row]
    first = right.points[column]
    x, y = left.aligned.points[last, :2] - right.aligned.points[first, :2]
    head = left.aligned.before_point(left.k, last)
    tail = right.aligned.after_point(right.k, first, height_offset=y)
    return head.join(tail, shift=x).build_word(left.aligned.word.author)


def _cut_costs(
    left: _CutCandidates, right: _CutCandidates, phase_units: Sequence[float]
) -> np.ndarray:
    """Compute the cost of each pair of points, (points of left, points of right)."""
    left_y = left.aligned.points[left.points, 1]
    right_y = right.aligned.points[right.points, 1]
    left_direction = _pen_directions(left.aligned.points, left.points)
    right_direction = _pen_directions(right.aligned.points, right.points)
    turn = np.angle(np.exp(1j * (left_direction[:, None] - right_direction)))
    cost = (left_y[:, None] - right_y) ** 2 / HEIGHT_UNIT**2 + turn**2 / DIRECTION_UNIT**2
    for left_phase, right_phase, unit in zip(left.phases, right.phases, phase_units):
        cost += (left_phase[:, None] - right_phase) ** 2 / unit**2
    return cost


def join_at_lift(left: AlignedWord, k: int, right: AlignedWord, m: int) -> AlignedWord:
    """Join the first k characters of one word and those from m on of another, at lifts of the pen.

    The distance between them is the one at the left word's gap, or at the right word's gap if the
    left word ends at k.
    """
    is_left = left.stroke_centers < left.borders[k]
    is_right = right.stroke_centers >= right.borders[m]
    left_end = left.stroke_spans[is_left, 1].max()
    right_start = right.stroke_spans[is_right, 0].min()
    if k < len(left.text):
        distance = left.stroke_spans[~is_left, 0].min() - left_end
    else:
        distance = right_start - right.stroke_spans[~is_right, 1].max()
    shift = left_end + distance - right_start
    return left.before_gap(k).join(right.after_gap(m), shift).build_word(left.word.author)


def _pen_directions(points: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the pen's direction at points within strokes, (k,) radians."""
    step = points[indices + 1, :2] - points[indices - 1, :2]
    return np.arctan2(step[:, 1], step[:, 0])


def _x_phases(aligned: AlignedWord, i: int) -> np.ndarray:
    """Return where each cut point of character i lies by x, from 0 (left border) to 1 (right)."""
    x = aligned.points[:, 0]
    left, right = np.clip(aligned.borders[i : i + 2], x.min(), x.max())
    return (x[aligned.cut_points[i]] - left) / max(right - left, 1e-6)


def _path_phases(aligned: AlignedWord, i: int) -> np.ndarray:
    """Return where each cut point of character i lies along the pen's path, from 0 to 1.

    This distinguishes the first arch of an m from the second.
    """
    path = arc_lengths(aligned.points[aligned.cut_points[i], :2])
    return path / max(path[-1], 1e-6)
