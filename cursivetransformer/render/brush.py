"""How ink looks along a stroke: how wide it is, which outline it fills, and when the pen is where.

Pure geometry on arrays in millimeters. Does not depend on pages or file formats.

A hand's points are recorded at even times, so two points that lie far apart were written fast. Slow
ink is wide and fast ink is thin; an animation follows the same times. No two strokes of a pen are
quite alike, so their widths vary a little at random.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.curves import FINE, Path, flatten
from cursivetransformer.ink.strokes import arc_lengths, ragged_arange
from cursivetransformer.layout.page import PlacedWord

OUTLINE_FINE = 0.03  # millimeters that an outline, which has many corners, may miss its curve by
MIN_WIDTH, MAX_WIDTH = 0.4, 1.7  # in pen widths, at any speed
TAPER = 0.45  # in pen widths: how thin a stroke gets at its ends with full swell
TAPER_LENGTH = 2.0  # in pen widths: how far from an end the taper reaches
DOT = 1.25  # in pen widths: diameter of a dot
INK_STREAM = 2  # tells these random numbers apart from others of the same seed
# Wavelengths in pen widths by which a stroke is uneven: pressure, flow of the ink, grain of paper.
WAVES = np.array([31.0, 13.0, 5.0])
WAVING, WHOLE = 2.0, 0.6  # share of the waves, and of a stroke as a whole, in its unevenness
END_LENGTH = 1.5  # in pen widths: how far the unevenness of an end reaches
ROUND = np.radians(15)  # step of the arcs that round an outline's corners and ends
TRAVEL = 4.0  # speed of the lifted pen, in that of the writing pen

Ink = tuple[Path, np.ndarray]  # a flattened curve, and its (k,) widths in millimeters


def usual_step(strokes: Sequence[np.ndarray]) -> float | None:
    """Return the median distance between neighboring points in millimeters, or None for dots."""
    steps = np.concatenate(
        [np.zeros(0), *(np.hypot(*np.diff(stroke, axis=0).T) for stroke in strokes)]
    )
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None


def widths(
    stroke: np.ndarray, path: Path, pen_width: float, swell: float, usual: float | None
) -> np.ndarray:
    """Return the width of the ink at each point of a path, (k,) in millimeters.

    Args:
        stroke: (m, 2) points as they were recorded.
        path: the flattened curve through them.
        pen_width: width at the usual speed, in millimeters.
        swell: 0 draws an even line; with 1 the width is the speed to the power of -1/2.
        usual: distance between points at the usual speed, as `usual_step` returns it.
    """
    if path.dot or not swell or not usual:
        return np.full(len(path.xy), pen_width * (DOT if path.dot else 1.0))
    steps = np.hypot(*np.diff(stroke, axis=0).T)
    means = np.concatenate([steps[:1], (steps[1:] + steps[:-1]) / 2, steps[-1:]])
    speed = np.maximum(means / usual, 1e-3)
    width = np.clip(_smooth(speed ** (-swell / 2)), MIN_WIDTH, MAX_WIDTH)
    along = arc_lengths(path.xy)
    to_end = np.minimum(along, along[-1] - along) / (TAPER_LENGTH * pen_width)
    taper = 1 - swell * (1 - TAPER) * np.maximum(0, 1 - to_end) ** 2
    return pen_width * np.interp(path.at, np.arange(len(stroke)), width) * taper


def word_inks(
    words: Sequence[PlacedWord], style: SampleConfig, tolerance: float = FINE
) -> Iterator[list[Ink]]:
    """Yield for each word of a page its strokes' flattened curves with their (k,) widths.

    Of `style` the settings `pen_width`, `swell`, `ink_jitter`, `seed` and `strokes` count; "line"
    strokes are even. The widths of a word do not depend on how many strokes other words have.
    """
    usual = usual_step([stroke for word in words for stroke in word.strokes])
    even = style.strokes == "line"
    swell, jitter = (0.0, 0.0) if even else (style.swell, style.ink_jitter)
    for number, word in enumerate(words):
        rng = np.random.default_rng([style.seed, INK_STREAM, number])
        inks = []
        for stroke in word.strokes:
            path = flatten(stroke, tolerance)
            width = widths(stroke, path, style.pen_width, swell, usual)
            if jitter:
                width = width * np.exp(jitter * unevenness(path, style.pen_width, rng))
            inks.append((path, width))
        yield inks


def unevenness(path: Path, pen_width: float, rng: np.random.Generator) -> np.ndarray:
    """Return random deviations of about 1 along a path, (k,).

    A stroke has a deviation of its own; so have its start and its end; and slow and quick waves run
    along it. The number of random numbers does not depend on the path.
    """
    whole, start, end = rng.standard_normal(3)
    phases = rng.uniform(0, 2 * np.pi, len(WAVES))
    along = arc_lengths(path.xy) / pen_width
    waves = np.sin(2 * np.pi * along[:, None] / WAVES + phases).mean(axis=1)
    ends = start * np.exp(-along / END_LENGTH) + end * np.exp((along - along[-1]) / END_LENGTH)
    return WHOLE * whole + WAVING * waves + ends


def is_dot(stroke: np.ndarray) -> bool:
    """Return whether a stroke (m, 2) has no length."""
    return not np.ptp(stroke, axis=0).any()


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return a running mean of three, taken twice: a hand cannot change its pressure abruptly."""
    for _ in range(2):
        padded = np.pad(values, 1, mode="edge")
        values = (padded[2:] + padded[1:-1] + padded[:-2]) / 3
    return values


def outline(path: Path, width: np.ndarray) -> np.ndarray:
    """Return the outline of a path with (k,) widths, (j, 2) corners of a closed shape.

    The shape is filled by the nonzero rule. It runs along one side of the path and back along the
    other, with arcs on the outer side of every turn and round ends.
    """
    keep = np.append(True, np.hypot(*np.diff(path.xy, axis=0).T) > 1e-9)
    xy, half = path.xy[keep], width[keep] / 2
    if len(xy) < 2:
        angles = np.arange(0, 2 * np.pi, ROUND)
        return xy[0] + half[0] * _directions(angles)
    heading = np.unwrap(np.arctan2(*np.diff(xy, axis=0).T[::-1]))
    left, right = (_side(xy, half, heading, side) for side in (-1, 1))
    end_angles = heading[-1] - np.pi / 2 + np.arange(ROUND, np.pi, ROUND)
    start_angles = heading[0] + np.pi / 2 + np.arange(ROUND, np.pi, ROUND)
    end = xy[-1] + half[-1] * _directions(end_angles)
    start = xy[0] + half[0] * _directions(start_angles)
    return np.concatenate([left, end, right[::-1], start])


def _side(xy: np.ndarray, half: np.ndarray, heading: np.ndarray, side: int) -> np.ndarray:
    """Return the points of one side of an outline.

    side: -1 left of the pen's way, 1 right of it.
    """
    normal = heading + side * np.pi / 2
    before = np.concatenate([normal[:1], normal])
    after = np.concatenate([normal, normal[-1:]])
    # An arc on the outer side of a turn; on the inner side the two directions alone.
    turn = after - before
    arc_steps = np.ceil(np.abs(turn) / ROUND)
    steps = np.where(turn * side < 0, arc_steps, np.abs(turn) > 1e-9).astype(int) + 1
    corner = np.repeat(np.arange(len(xy)), steps)
    angle = before[corner] + turn[corner] * ragged_arange(steps) / np.maximum(steps[corner] - 1, 1)
    return xy[corner] + half[corner, None] * _directions(angle)


def _directions(angles: np.ndarray) -> np.ndarray:
    """Return unit vectors, (n, 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], 1)


@dataclass
class Timing:
    """When strokes are written.

    strokes: for each stroke its (m,) seconds, one for each point; end: seconds until the last
    stroke ends.
    """

    strokes: list[np.ndarray]
    end: float


def timing(words: Sequence[PlacedWord], pace: float) -> Timing:
    """Time the strokes of placed words, written at `pace` letters per second.

    The time from point to point is even. Between two strokes the lifted pen moves `TRAVEL` times as
    fast.
    """
    strokes = [stroke for word in words for stroke in word.strokes]
    letters = sum(len(word.text) for word in words)
    usual = usual_step(strokes) or 1.0
    now, times = 0.0, []
    last: np.ndarray | None = None
    for stroke in strokes:
        if last is not None:
            now += 1 + np.hypot(*(stroke[0] - last)) / (TRAVEL * usual)
        times.append(now + np.arange(len(stroke)))
        now, last = now + len(stroke) - 1, stroke[-1]
    unit = letters / pace / now if now else 0.0
    return Timing([unit * time for time in times], unit * now)
