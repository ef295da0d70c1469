"""New words out of recorded ones: two words that share a letter are cut within it, and the beginning of one goes on as the end of the other.

So every letter is a recorded one, with a neighbour that it had, but the words are new: from a hundred come thousands. A cut goes through
places where both pens are at the same height, on their way in the same direction, so that the join does not show. Knows no model; where
each letter stands it is told. Lengths are in canvas heights.
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.bank_entry import Word

PLAIN = frozenset("abcdeghklmnopqrsuvwyz")  # letters without a dot or cross, within which a word may be cut
LONGEST = 12            # characters of a spliced word: as most that are recorded
HEIGHT_STEP = 0.02      # of two pens at a cut: what costs as much as ...
TURN = 0.35             # ... so many radians between their ways, or ...
PHASE = 0.25            # ... so much of the letter between their places in it
MOST_COST = 3.0         # of a cut that is good enough
BACKWARD = 0.5          # letter widths that a stroke starts behind what is written before it counts as a late dot or cross
EASED = 12              # points over which the second word's height comes to be its own
TRIES = 60              # pairs of words looked at for each word that is wanted


@dataclass
class Lettered:
    """A `bank_entry.Word` and the x of the borders of its characters (characters + 1,)."""

    word: Word
    borders: np.ndarray

    @classmethod
    def of(cls, word, places):
        """With borders half-way between the places (characters,) of its characters."""
        inner = (places[1:] + places[:-1]) / 2
        return cls(word, np.concatenate([[-np.inf], inner, [np.inf]]))


def splice(lettered, n, rng):
    """Up to `n` new words, a list of `bank_entry.Word`, from a list of `Lettered` of one hand; fewer where few share letters."""
    cuts = [_cuts(one) for one in lettered]
    where = {}
    for i, one in enumerate(cuts):
        for place, candidates in one.items():
            if len(candidates):
                where.setdefault(lettered[i].word.text[place], []).append((i, place))
    letters = sorted(char for char, places in where.items() if len({i for i, _ in places}) > 1)
    made, known = [], {one.word.text for one in lettered}
    if not letters:
        return made
    chances = np.array([len(where[char]) for char in letters], float) ** 0.5
    for _ in range(TRIES * n):
        if len(made) == n:
            break
        places = where[letters[rng.choice(len(letters), p=chances / chances.sum())]]
        (a, i), (b, j) = (places[k] for k in rng.integers(len(places), size=2))
        text = lettered[a].word.text[:i + 1] + lettered[b].word.text[j + 1:]
        if a == b or text in known or not 2 <= len(text) <= LONGEST:
            continue
        points = _joined(lettered[a], cuts[a][i], lettered[b], cuts[b][j], i, j)
        if points is not None:
            known.add(text)
            made.append(Word(text, lettered[a].word.author, points, {"spliced": True}))
    return made


def _cuts(one):
    """{index of a character: (k,) points at which the word may be cut within it}."""
    points, text, found = one.word.points, one.word.text, {}
    late = late_strokes(points, _letter_width(one))[_stroke_of(points)]
    inside = (points[:, 2] == 1) & ~late
    inside[1:] &= points[:-1, 2] == 1  # neither end of a stroke
    inside[0] = False
    for i, char in enumerate(text):
        if char in PLAIN and 0 < i + 1 < len(text) + 1:
            x = points[:, 0]
            found[i] = np.flatnonzero(inside & (x > one.borders[i]) & (x < one.borders[i + 1]))
    return found


def _letter_width(one):
    return np.ptp(one.word.points[:, 0]) / len(one.word.text)


def _stroke_of(points):
    """(n,) the number of the stroke that each point belongs to."""
    return np.append(0, np.cumsum(points[:-1, 2] == 0))


def late_strokes(points, letter_width):
    """(strokes,) booleans: which strokes go back to an earlier letter, as the dots and crosses of a word do that was written on."""
    ends = np.flatnonzero(points[:, 2] == 0) + 1
    late, right = [], -np.inf
    for stroke in np.split(points[:, 0], ends[:-1]):
        late.append(stroke.mean() < right - BACKWARD * letter_width)
        right = max(right, stroke.max()) if not late[-1] else right
    return np.array(late)


def _joined(a, a_cuts, b, b_cuts, i, j):
    """The points of a's beginning and b's end, cut at the best of their candidates; None where none is good."""
    p, q = a.word.points, b.word.points
    cost = (p[a_cuts, 1][:, None] - q[b_cuts, 1]) ** 2 / HEIGHT_STEP**2
    turn = _ways(p, a_cuts)[:, None] - _ways(q, b_cuts)
    cost += (np.angle(np.exp(1j * turn)) / TURN) ** 2
    cost += (_phases(a, a_cuts, i)[:, None] - _phases(b, b_cuts, j)) ** 2 / PHASE**2
    if not cost.size or cost.min() > MOST_COST:
        return None
    row, column = np.unravel_index(cost.argmin(), cost.shape)
    k, m = a_cuts[row], b_cuts[column]
    of_p, of_q = _stroke_of(p), _stroke_of(q)
    p_late, q_late = late_strokes(p, _letter_width(a)), late_strokes(q, _letter_width(b))
    centre = lambda points, strokes, s: points[strokes == s, 0].mean()
    # What was added later to the letters that stay, on both sides of the cut.
    p_marks = [p[of_p == s] for s in range(of_p[k] + 1, len(p_late)) if p_late[s] and centre(p, of_p, s) < p[k, 0]]
    rest = q[m + 1:].copy()
    rest_of = of_q[m + 1:]
    ease = np.maximum(0, 1 - np.arange(len(rest)) / EASED) * (rest_of == of_q[m])
    rest[:, 0] += p[k, 0] - q[m, 0]
    rest[:, 1] += ease * (p[k, 1] - q[m, 1])
    kept = [s for s in range(of_q[m], len(q_late)) if s == of_q[m] or not q_late[s] or centre(q, of_q, s) > q[m, 0]]
    main = [rest[rest_of == s] for s in kept if not q_late[s] or s == of_q[m]]
    q_marks = [rest[rest_of == s] for s in kept if q_late[s] and s != of_q[m]]
    points = np.concatenate([p[:k + 1], *main, *p_marks, *q_marks])
    points[:, 0] -= points[:, 0].min()
    return points.astype(np.float32)


def _ways(points, at):
    """(k,) directions of the pen at points within strokes, radians."""
    step = points[at + 1, :2] - points[at - 1, :2]
    return np.arctan2(step[:, 1], step[:, 0])


def _phases(one, at, i):
    """(k,) how far within character i each point lies, by x: 0 at its left border, 1 at its right one."""
    left, right = (np.clip(x, one.word.points[:, 0].min(), one.word.points[:, 0].max()) for x in one.borders[i:i + 2])
    return (one.word.points[at, 0] - left) / max(right - left, 1e-6)
