"""New words out of recorded ones: the beginning of one goes on as the end of another, so that from a hundred words come thousands.

Every letter is a recorded one; only the words are new. Two words are cut

    within a letter that both have, where both pens are at the same height on their way in the same direction, so that the join does not
    show; or
    between two letters where the pen was lifted, if what stood behind the cut is of one kind in both: a digit for a digit, a capital
    for a capital; a mark may also follow a whole word; or
    on the stroke from one letter to the next, where the pens go alike there, for neighbours that were never recorded (`assemble.py`).

Knows no model; where each letter stands it is told. Lengths are in canvas heights.
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.bank.word import Word
from cursivetransformer.data.eval_texts import kind_of

UNMARKED = frozenset(
    "abcdeghklmnopqrsuvwyz"
)  # letters without a dot or cross, within which a word may be cut
LONGEST = 12  # characters of a spliced word: few recorded ones have more
ROUNDS = 3  # in which spliced words are spliced again
HEIGHT_STEP = 0.02  # between two pens at a cut: what costs as much as ...
TURN = 0.35  # ... so many radians between their ways, or ...
PHASE = 0.25  # ... so much of the letter's width between their places in it, or ...
PATH_PHASE = 0.08  # ... so much of the pen's way through it
MOST_COST = 3.0  # of a cut that is good enough
OVERHANG = 0.4  # letter widths that a stroke may reach over the border to a letter that the pen was lifted before
NOT_WRITTEN = 0.75  # of the way from the border to the middle of that letter, which a stroke goes that has not written it
NEAR = 0.35  # letter widths about a border within which the stroke from one letter to the next may be cut
EASED = 12  # points over which the second word's height comes to be its own
WITHIN = 0.6  # share of cuts that are within a letter, where one can be
TRIES = 30  # pairs of words looked at for a word


@dataclass
class AlignedWord:
    """A `bank_entry.Word` that can be cut. places: (characters,) the x about which each of its characters stands. Found from them:

    borders: (characters + 1,) x between two characters, and past the ends; letters: {index of a character: (k,) points at which it may
    be cut}; gaps: how many characters stand before each gap, 0 and all of them counted in.
    """

    word: Word
    places: np.ndarray

    def __post_init__(self):
        points, text = self.word.points, self.word.text
        self.borders = np.concatenate(
            [[-np.inf], (self.places[1:] + self.places[:-1]) / 2, [np.inf]]
        )
        self.width = np.ptp(points[:, 0]) / len(text)
        self.stroke = np.append(
            0, np.cumsum(points[:-1, 2] == 0)
        )  # (n,) the number of each point's stroke
        parts = np.split(points[:, 0], np.flatnonzero(points[:-1, 2] == 0) + 1)
        self.spans = np.array([(x.min(), x.max()) for x in parts])
        self.middles = np.array([x.mean() for x in parts])
        self.late = late_strokes(self.spans, self.middles, self.places)
        self.inside = (
            (points[:, 2] == 1) & ~self.late[self.stroke] & np.append(False, points[:-1, 2] == 1)
        )  # no end of a stroke
        x, borders = points[:, 0], self.borders
        self.letters = {
            i: np.flatnonzero(self.inside & (x > borders[i]) & (x < borders[i + 1]))
            for i, char in enumerate(text)
            if char in UNMARKED
        }
        self.letters = {i: points for i, points in self.letters.items() if len(points)}
        self.gaps = [k for k in range(len(text) + 1) if self._is_gap(k)]

    def _is_gap(self, k):
        if k in (0, len(self.word.text)):
            return True
        border, room = self.borders[k], OVERHANG * self.width
        left = self.middles < border
        # A stroke that reaches the middle of the letter behind has written that too, as the stem of an i that is dotted next.
        reach = min(room, NOT_WRITTEN * (self.places[k] - border))
        return (
            left.any()
            and not left.all()
            and self.spans[left, 1].max() < border + reach
            and self.spans[~left, 0].min() > border - room
        )

    def ligature(self, k):
        """The points (n,) at which the stroke over the border k may be cut."""
        return np.flatnonzero(
            self.inside & (abs(self.word.points[:, 0] - self.borders[k]) < NEAR * self.width)
        )

    def strokes(self, chosen):
        """The points (n, 3) of each of the strokes `chosen`, a mask, that are not late, and of those that are."""
        return [
            [self.word.points[self.stroke == s] for s in np.flatnonzero(chosen & kind)]
            for kind in (~self.late, self.late)
        ]


def late_strokes(spans, middles, places):
    """(strokes,) booleans: which strokes are of a character before one that is written already, as dots and crosses that come at the end.

    spans: (strokes, 2) the least and largest x of each; middles: (strokes,); places: (characters,) where characters stand, which a stroke
    has written that goes past there.
    """
    late, reached = [], -1
    for (_, end), middle in zip(spans, middles):
        late.append(np.abs(places - middle).argmin() < reached)
        reached = reached if late[-1] else max(reached, np.searchsorted(places, end) - 1)
    return np.array(late)


def splice(lettered, n, rng):
    """Up to `n` new words, a list of `bank_entry.Word`, out of a list of `AlignedWord` of one hand; fewer where few go together."""
    known, made, pool = {one.word.text for one in lettered}, [], list(lettered)
    if len(pool) < 2:
        return []
    for number in range(ROUNDS):
        places, new = _Places(pool), []
        for _ in range((n - len(made)) // (ROUNDS - number)):
            cut = places.within if places.plain and rng.random() < WITHIN else places.between
            for _ in range(TRIES):
                one = cut(rng)
                if one and one.word.text not in known:
                    known.add(one.word.text)
                    new.append(one)
                    break
        made += new
        pool = list(lettered) + made
    return [one.word for one in made]


class _Places:
    """Where the words of a pool can be cut, by what goes together there."""

    def __init__(self, pool):
        self.pool, self.plain, self.letters, self.gaps, self.marks = (
            pool,
            [one for one in pool if one.letters],
            {},
            {},
            [],
        )
        for one in pool:
            for j in one.letters:
                self.letters.setdefault(one.word.text[j], []).append((one, j))
            for m in one.gaps[:-1]:
                self.gaps.setdefault(kind_of(one.word.text[m]), []).append((one, m))
                if m and not one.word.text[m].isalnum():
                    self.marks.append((one, m))

    def within(self, rng):
        """A `AlignedWord` out of two that are drawn and cut within a letter, or None where they do not go together."""
        a = _one_of(rng, self.plain)
        i = _one_of(rng, list(a.letters))
        b, j = _one_of(rng, self.letters[a.word.text[i]])
        return joined_within(a, i, b, j) if a is not b and _fits(i + len(b.word.text) - j) else None

    def between(self, rng):
        """The same of two that are cut where the pen was lifted."""
        a = _one_of(rng, self.pool)
        k = _one_of(rng, a.gaps[1:])
        others = self.gaps.get(kind_of(a.word.text[k]), []) if k < len(a.word.text) else self.marks
        if not others:
            return None
        b, m = _one_of(rng, others)
        return (
            set_side_by_side(a, k, b, m) if a is not b and _fits(k + len(b.word.text) - m) else None
        )


def _one_of(rng, items):
    return items[rng.integers(len(items))]


def _fits(length):
    return 2 <= length <= LONGEST


def joined_within(a, i, b, j):
    """What a's characters up to i and b's from j on make, cut within both characters at the best of their points; None where none is good."""
    return _joined(
        a,
        a.letters[i],
        i + 1,
        b,
        b.letters[j],
        j + 1,
        [
            (_phases(a, i), _phases(b, j), PHASE),
            (_path_phases(a, i), _path_phases(b, j), PATH_PHASE),
        ],
    )


def joined_on_the_way(a, k, b, m):
    """What a's first k characters and b's from m on make, cut on the strokes that lead over both borders; None where they do not go together."""
    at, to = a.ligature(k), b.ligature(m)
    return _joined(
        a,
        at,
        k,
        b,
        to,
        m,
        [
            (
                (a.word.points[at, 0] - a.borders[k]) / a.width,
                (b.word.points[to, 0] - b.borders[m]) / b.width,
                PHASE,
            )
        ],
    )


def _joined(a, at, k, b, to, m, phases):
    """a's first k characters, up to the best of its points `at`, and b's from m on, from the best of `to`; None where none is good.

    phases: (k of at, k of to, step) of what should be alike at the cut, and how much of it costs as much as a `HEIGHT_STEP`.
    """
    p, q = a.word.points, b.word.points
    turn = _ways(p, at)[:, None] - _ways(q, to)
    cost = (p[at, 1][:, None] - q[to, 1]) ** 2 / HEIGHT_STEP**2 + np.angle(
        np.exp(1j * turn)
    ) ** 2 / TURN**2
    for one, other, step in phases:
        cost += (one[:, None] - other) ** 2 / step**2
    if not cost.size or cost.min() > MOST_COST:
        return None
    row, column = np.unravel_index(cost.argmin(), cost.shape)
    last, first = at[row], to[column]
    # What is drawn before the cut stays, and of what is drawn later the marks of the letters before it; likewise behind it.
    main, marks = begun(a, last)
    after = np.arange(len(b.late)) > b.stroke[first]
    q_main, q_marks = b.strokes(after & (~b.late | (b.middles > q[first, 0])))
    rest = q[first + 1 :][b.stroke[first + 1 :] == b.stroke[first]].copy()
    rest[:, 1] += np.maximum(0, 1 - np.arange(len(rest)) / EASED) * (p[last, 1] - q[first, 1])
    return _made(a, k, b, m, [main], [rest, *q_main], marks, q_marks, p[last, 0] - q[first, 0])


def begun(one, last):
    """The points of a `AlignedWord` up to `last`, and the marks that are drawn later over them."""
    _, marks = one.strokes(
        (np.arange(len(one.late)) > one.stroke[last]) & (one.middles < one.word.points[last, 0])
    )
    return one.word.points[: last + 1], marks


def set_side_by_side(a, k, b, m):
    """What a's first k characters and b's from m on make, at the distance that a had there, or b."""
    a_left, b_left = a.middles < a.borders[k], b.middles < b.borders[m]
    right = a.spans[a_left, 1].max()
    if k < len(a.word.text):
        distance = a.spans[~a_left, 0].min() - right
    else:
        distance = b.spans[~b_left, 0].min() - b.spans[b_left, 1].max()
    (p_main, p_marks), (q_main, q_marks) = a.strokes(a_left), b.strokes(~b_left)
    return _made(
        a, k, b, m, p_main, q_main, p_marks, q_marks, right + distance - b.spans[~b_left, 0].min()
    )


def _made(a, k, b, m, p_main, q_main, p_marks, q_marks, moved):
    """The `AlignedWord` of a's first k characters and b's from m on, each a list of parts (n, 3), late marks apart, which come last; moved: how
    far b's go along x."""
    shift = np.array([moved, 0, 0], np.float32)
    parts = [
        *p_main,
        *(part + shift for part in q_main),
        *p_marks,
        *(part + shift for part in q_marks),
    ]
    return made_of(
        parts,
        a.word.text[:k] + b.word.text[m:],
        a.word.author,
        np.concatenate([a.places[:k], b.places[m:] + moved]),
    )


def made_of(parts, text, author, places):
    """The `AlignedWord` of parts (n, 3) in the order in which they are drawn, brought to the left edge."""
    points = np.concatenate(parts).astype(np.float32)
    left = points[:, 0].min()
    points[:, 0] -= left
    points[-1, 2] = 0
    return AlignedWord(Word(text, author, points, {"spliced": True}), places - left)


def _ways(points, at):
    """(k,) directions of the pen at points within strokes, radians."""
    step = points[at + 1, :2] - points[at - 1, :2]
    return np.arctan2(step[:, 1], step[:, 0])


def _phases(one, i):
    """How far within character i each point lies at which it may be cut, by x: 0 at its left border, 1 at its right one."""
    x = one.word.points[:, 0]
    left, right = np.clip(one.borders[i : i + 2], x.min(), x.max())
    return (x[one.letters[i]] - left) / max(right - left, 1e-6)


def _path_phases(one, i):
    """The same along the way of the pen, which tells the first arch of an m from the second."""
    at = one.letters[i]
    way = np.append(0, np.cumsum(np.hypot(*np.diff(one.word.points[at, :2], axis=0).T)))
    return way / max(way[-1], 1e-6)
