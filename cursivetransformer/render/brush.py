"""How a stroke is drawn: the smooth curve through its points, how wide the ink is along it, and when the pen is where.

Pure geometry on arrays in millimetres; knows no page and no file format.

A hand's points are taken at even times, so two that lie far apart were written fast. From that come the width of the ink, which
is more where the pen is slow, and the pace of an animation.
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.ink.curves import FINE, flatten
from cursivetransformer.ink.strokes import ragged_arange

OUTLINE_FINE = 0.03  # the same for an outline, which has many corners
NARROWEST, WIDEST = 0.4, 1.7  # of the pen's width, however fast or slow
TAPER = 0.45  # of the width, that a stroke thins to at its ends with full swell
TAPER_LENGTH = 2.0  # widths of the pen, over which it does
DOT = 1.25  # diameter of a dot, in widths of the pen
ROUND = np.radians(15)  # turn of an outline's corner or end that is drawn as one step
TRAVEL = 4.0  # speed of the lifted pen, in that of the writing one


def usual_step(strokes):
    """The median distance in millimetres between two neighbouring points of all strokes: the pace of the hand; None of dots alone."""
    steps = np.concatenate(
        [np.zeros(0), *(np.hypot(*np.diff(stroke, axis=0).T) for stroke in strokes)]
    )
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None


def widths(stroke, path, pen_width, swell, usual):
    """(k,) width of the ink at each point of a `Path`: slow ink is wide, fast ink thin, and both ends of a stroke taper.

    usual: as `usual_step` has it; swell: 0 gives pen_width everywhere, 1 the width a power of -1/2 of the speed.
    """
    if path.dot or not swell or not usual:
        return np.full(len(path.xy), pen_width * (DOT if path.dot else 1.0))
    steps = np.hypot(*np.diff(stroke, axis=0).T)
    speed = np.maximum(
        np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]]) / usual, 1e-3
    )
    width = np.clip(_steadied(speed ** (-swell / 2)), NARROWEST, WIDEST)
    along = np.append(0, np.cumsum(np.hypot(*np.diff(path.xy, axis=0).T)))
    near_end = np.minimum(along, along[-1] - along) / (TAPER_LENGTH * pen_width)
    taper = 1 - swell * (1 - TAPER) * np.maximum(0, 1 - near_end) ** 2
    return pen_width * np.interp(path.at, np.arange(len(stroke)), width) * taper


def inked(stroke, look, usual, tolerance=FINE):
    """The `Path` of a stroke and its (k,) widths as a look draws them. look: has `pen_width`, `swell`, and `strokes`, which with "line" are even."""
    path = flatten(stroke, tolerance)
    return path, widths(
        stroke, path, look.pen_width, 0.0 if look.strokes == "line" else look.swell, usual
    )


def _steadied(values):
    """A running mean of three, twice: a hand presses no faster than it can."""
    for _ in range(2):
        padded = np.pad(values, 1, mode="edge")
        values = (padded[2:] + padded[1:-1] + padded[:-2]) / 3
    return values


def outline(path, width):
    """A `Path` and its (k,) widths -> (j, 2) corners of a closed shape, to be filled by the nonzero rule, that the pen covers.

    Both sides of the path, one forth, one back, with round corners on the outer side of every turn and round ends.
    """
    keep = np.append(True, np.hypot(*np.diff(path.xy, axis=0).T) > 1e-9)
    xy, half = path.xy[keep], width[keep] / 2
    if len(xy) < 2:
        angles = np.arange(0, 2 * np.pi, ROUND)
        return xy[0] + half[0] * np.stack([np.cos(angles), np.sin(angles)], 1)
    heading = np.unwrap(np.arctan2(*np.diff(xy, axis=0).T[::-1]))
    sides = []
    for side in (-1, 1):  # left of the pen's way, then right of it, as seen on paper
        first, last = heading[:1] + side * np.pi / 2, heading[-1:] + side * np.pi / 2
        before, after = (
            np.concatenate([first, heading + side * np.pi / 2]),
            np.concatenate([heading + side * np.pi / 2, last]),
        )
        # On its outer side a turn is an arc; on the inner one the two directions alone.
        turn = after - before
        steps = (
            np.where(turn * side < 0, np.ceil(np.abs(turn) / ROUND), np.abs(turn) > 1e-9).astype(
                int
            )
            + 1
        )
        of = np.repeat(np.arange(len(xy)), steps)
        angle = before[of] + turn[of] * ragged_arange(steps) / np.maximum(steps[of] - 1, 1)
        sides.append(xy[of] + half[of, None] * np.stack([np.cos(angle), np.sin(angle)], 1))
    end = heading[-1] - np.pi / 2 + np.arange(ROUND, np.pi, ROUND)
    start = heading[0] + np.pi / 2 + np.arange(ROUND, np.pi, ROUND)
    caps = [
        xy[i] + half[i] * np.stack([np.cos(angles), np.sin(angles)], 1)
        for i, angles in ((-1, end), (0, start))
    ]
    return np.concatenate([sides[0], caps[0], sides[1][::-1], caps[1]])


@dataclass
class Timing:
    """When strokes are written: for each its (m,) seconds at its points; `end` of all."""

    strokes: list
    end: float


def timing(words, pace):
    """`Timing` of the strokes of placed words, written at `pace` letters a second: even times from point to point, and from stroke to stroke
    as long as the way takes a pen that is `TRAVEL` times as fast."""
    strokes = [stroke for word in words for stroke in word.strokes]
    letters = sum(len(word.text) for word in words)
    usual = usual_step(strokes) or 1.0
    now, last, times = 0.0, None, []
    for stroke in strokes:
        if last is not None:
            now += 1 + np.hypot(*(stroke[0] - last)) / (TRAVEL * usual)
        times.append(now + np.arange(len(stroke)))
        now, last = now + len(stroke) - 1, stroke[-1]
    unit = letters / pace / now if now else 0.0
    return Timing([unit * when for when in times], unit * now)
