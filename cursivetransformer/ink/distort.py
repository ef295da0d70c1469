"""Stronger variation of ink, for the recognizer: what a hand, a device or a sampler may do to a word without changing what it says.

Beside slant, size and rotation (`augment.py`): a wavering line, points missing in places, tremor, strokes joined or broken, words
side by side. Knows no tokens; the generator of random numbers is passed in.
"""

import numpy as np

from cursivetransformer.ink.augment import draw_transforms

SHEAR, SCALE, ROTATION = 0.7, 0.34, 0.1  # full widths, see `augment.transforms`
LARGEST_RATE, RATE_SWING = (
    0.75,
    0.25,
)  # share of points dropped on the whole, and how far a place may differ from it
THINNED_SHARE = 0.85  # of the words; the others keep all points
WAVES, WAVE_NUMBERS, WAVE_STEEPNESS = (
    3,
    (2.0, 20.0),
    0.15,
)  # the line wavers: waves over x, radians per canvas height, and their slope
LIFT = 0.008  # canvas heights: deviation of the baseline
TREMORS = (0.0, 0.001, 0.003)  # canvas heights: deviations of points, one of them drawn for a word
JOIN, BREAK, NEAR = (
    0.1,
    0.005,
    0.08,
)  # chances that a near stroke is joined to the one before, and that ink breaks at a point
GAPS = (0.12, 0.4)  # canvas heights between two words
PAIR_SHARE = 0.4  # chance that a word is followed by another


def distort(points, rng):
    """(n, 3) points -> other points that say the same, their left edge at x = 0."""
    if rng.random() < THINNED_SHARE:
        points = thin(points, rng)
    points = rejoin(points, rng)
    xy = waver(points[:, :2].astype(np.float64), rng, WAVE_STEEPNESS)
    xy = xy @ draw_transforms(rng, 1, SHEAR, SCALE, ROTATION)[0]
    xy += (0, rng.normal(0, LIFT))
    xy += rng.choice(TREMORS) * rng.normal(size=xy.shape)
    xy[:, 0] -= xy[:, 0].min()
    return np.column_stack([xy, points[:, 2]]).astype(np.float32)


def waver(xy, rng, steepness):
    """(n, 2) places -> the same bent along x by `WAVES` waves, each as steep as is drawn, up to the deviation `steepness`."""
    for _ in range(WAVES):
        number = rng.uniform(*WAVE_NUMBERS)
        slopes, phase = rng.normal(0, steepness, 2) * rng.random(), rng.uniform(0, 2 * np.pi, 2)
        xy = xy + slopes / number * np.sin(number * xy[:, :1] + phase)
    return xy


def thin(points, rng):
    """Drop points at a rate that differs from place to place, as a hand's speed does; the ends of strokes stay."""
    at = np.arange(len(points)) / rng.uniform(5, 40) + rng.uniform(0, 2 * np.pi)
    rate = np.clip(rng.uniform(0, LARGEST_RATE) + RATE_SWING * np.sin(at), 0, 0.85)
    kept = np.diff(np.floor(np.cumsum(1 - rate) + rng.random()), prepend=-1) > 0
    ends = points[:, 2] == 0
    return points[kept | ends | np.append(True, ends[:-1])]


def rejoin(points, rng):
    """Join some strokes to the ones before them, where those end near, and break ink at a few points."""
    points = points.copy()
    ends = np.flatnonzero(points[:-1, 2] == 0)
    near = np.hypot(*(points[ends + 1, :2] - points[ends, :2]).T) < NEAR
    points[ends[near & (rng.random(len(ends)) < JOIN)], 2] = 1
    points[rng.random(len(points)) < BREAK * (rng.random() < 0.5), 2] = 0
    return points


def side_by_side(inks, texts, rng):
    """Words -> their ink in one line with gaps between, and their texts with spaces."""
    placed, right = [], 0.0
    for i, points in enumerate(inks):
        moved = points.copy()
        moved[:, 0] += right + (rng.uniform(*GAPS) if i else 0)
        right = moved[:, 0].max()
        placed.append(moved)
    return np.concatenate(placed), " ".join(texts)
