"""Strong variation of ink, to train a recognizer: changes that leave the text the same.

A hand, a recorder or a sampler may cause them. Beside slant, size and rotation (`augment.py`): a
wavering line, points missing in places, tremor, strokes joined or broken, words side by side. The
random number generator is passed in.
"""

from collections.abc import Sequence

import numpy as np

from cursivetransformer.ink.augment import sample_transforms

# Full widths of the ranges of shear, scale and rotation; see `augment.transforms`.
SHEAR = 0.7
SCALE = 0.34
ROTATION = 0.1
# Probability that points of a word are dropped.
THINNING_PROBABILITY = 0.85
# Largest mean fraction of points dropped from a word, and how far a place may differ from the mean.
MAX_MEAN_RATE = 0.75
RATE_AMPLITUDE = 0.25
# Largest fraction of points dropped in one place.
MAX_LOCAL_RATE = 0.85
# Points in one radian of the wave along which the rate varies.
RATE_WAVELENGTHS = (5, 40)
# Waves along x that bend a line.
WAVES = 3
# Their wave numbers: radians per canvas height.
WAVE_NUMBERS = (2.0, 20.0)
# Largest standard deviation of their slopes.
WAVE_STEEPNESS = 0.15
# Canvas heights: standard deviation of the baseline.
BASELINE_STD = 0.008
# Canvas heights: standard deviations of the tremor of points, one of which is sampled for a word.
TREMOR_STDS = (0.0, 0.001, 0.003)
# Probability that a stroke is joined to a near one before it.
JOIN_PROBABILITY = 0.1
# Canvas heights: strokes closer than this may be joined.
MAX_JOIN_DISTANCE = 0.08
# Probability that ink breaks at all, and then at any one point.
BREAKS_PROBABILITY = 0.5
BREAK_PROBABILITY = 0.005
# Canvas heights between two words.
GAPS = (0.12, 0.4)
# Probability that a word is followed by another.
PAIR_PROBABILITY = 0.4


def distort(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distort the points (n, 3) of a word, but keep it legible; its left edge comes to x = 0."""
    if rng.random() < THINNING_PROBABILITY:
        points = thin(points, rng)
    points = rejoin(points, rng)
    xy = waver(points[:, :2].astype(np.float64), rng, WAVE_STEEPNESS)
    xy = xy @ sample_transforms(rng, 1, SHEAR, SCALE, ROTATION)[0]
    xy += (0, rng.normal(0, BASELINE_STD))
    xy += rng.choice(TREMOR_STDS) * rng.normal(size=xy.shape)
    xy[:, 0] -= xy[:, 0].min()
    return np.column_stack([xy, points[:, 2]]).astype(np.float32)


def waver(xy: np.ndarray, rng: np.random.Generator, steepness: float) -> np.ndarray:
    """Bend points (n, 2) along x by `WAVES` sine waves in x and in y.

    The standard deviation of a wave's slopes is itself sampled, from 0 to `steepness`.
    """
    for _ in range(WAVES):
        number = rng.uniform(*WAVE_NUMBERS)
        slopes = rng.normal(0, steepness, 2) * rng.random()
        phases = rng.uniform(0, 2 * np.pi, 2)
        xy = xy + slopes / number * np.sin(number * xy[:, :1] + phases)
    return xy


def thin(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drop points at a rate that varies along the ink, as a hand's speed does; keep stroke ends."""
    n = len(points)
    phase = np.arange(n) / rng.uniform(*RATE_WAVELENGTHS) + rng.uniform(0, 2 * np.pi)
    rate = rng.uniform(0, MAX_MEAN_RATE) + RATE_AMPLITUDE * np.sin(phase)
    rate = np.clip(rate, 0, MAX_LOCAL_RATE)
    # A point is kept where the running sum of kept fractions passes a whole number.
    kept = np.diff(np.floor(np.cumsum(1 - rate) + rng.random()), prepend=-1) > 0
    ends = points[:, 2] == 0
    starts = np.append(True, ends[:-1])
    return points[kept | ends | starts]


def rejoin(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Join some strokes to near ones before them, and break ink at a few points."""
    points = points.copy()
    ends = np.flatnonzero(points[:-1, 2] == 0)
    near = np.hypot(*(points[ends + 1, :2] - points[ends, :2]).T) < MAX_JOIN_DISTANCE
    joined = near & (rng.random(len(ends)) < JOIN_PROBABILITY)
    points[ends[joined], 2] = 1
    chances = rng.random(len(points))
    if rng.random() < BREAKS_PROBABILITY:
        points[chances < BREAK_PROBABILITY, 2] = 0
    return points


def side_by_side(
    inks: Sequence[np.ndarray], texts: Sequence[str], rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """Place words in one line with gaps between; return their ink (n, 3) and their text."""
    placed = []
    right = 0.0
    for i, points in enumerate(inks):
        moved = points.copy()
        moved[:, 0] += right + (rng.uniform(*GAPS) if i else 0)
        right = moved[:, 0].max()
        placed.append(moved)
    return np.concatenate(placed), " ".join(texts)
