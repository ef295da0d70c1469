"""Pen geometry on arrays: points, offsets, polar offsets, and positions in ragged arrays.

Pure functions, without files or random numbers. All ink here is `float32` of shape (n, 3):

    points   (x, y, pen)       pen 1: ink goes on from here; pen 0: the pen is lifted here
    offsets  (dx, dy, pen)     the step from the point before; the first one starts at the origin
    polar    (r, theta, pen)   the same in polar form, theta in (-pi, pi]

A stroke ends at the point with pen 0, which still belongs to it: ink runs between two neighboring
points unless the first of them has pen 0. A dot is a stroke of one point. y grows downward; the
unit is the height of the recording canvas; the origin of a word is its left edge on the baseline.

>>> points = np.array([[0, 0, 1], [1, 0, 0], [1, -1, 0]], np.float32)  # a line and a dot
>>> points_to_offsets(points).tolist()
[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
"""

from collections.abc import Sequence

import numpy as np


def points_to_offsets(points: np.ndarray) -> np.ndarray:
    """Convert points (n, 3) to offsets (n, 3)."""
    offsets = points.copy()
    offsets[1:, :2] = np.diff(points[:, :2], axis=0)
    return offsets


def offsets_to_points(offsets: np.ndarray) -> np.ndarray:
    """Convert offsets (n, 3) to points (n, 3); sum in float64, so that long ink does not drift."""
    points = offsets.copy()
    points[:, :2] = np.cumsum(offsets[:, :2], axis=0, dtype=np.float64)
    return points


def offsets_to_polar(offsets: np.ndarray) -> np.ndarray:
    """Convert offsets (n, 3) to polar (n, 3); a zero offset has theta 0."""
    dx, dy, pen = offsets.T
    # A root, not hypot, whose last bit differs between libraries. Stacking rows and transposing
    # keeps each column contiguous, for speed.
    return np.stack([np.sqrt(dx * dx + dy * dy), np.arctan2(dy, dx), pen]).T


def polar_to_offsets(polar: np.ndarray) -> np.ndarray:
    """Convert polar (n, 3) to offsets (n, 3)."""
    r, theta, pen = polar.T
    return np.stack([r * np.cos(theta), r * np.sin(theta), pen]).T


def resize(points: np.ndarray, factor: float) -> np.ndarray:
    """Scale the ink of points (n, 3) by `factor`."""
    return points * np.array([factor, factor, 1], np.float32)


def split_strokes(points: np.ndarray) -> list[np.ndarray]:
    """Split points (n, 3) into strokes, arrays (m, 2)."""
    ends = np.flatnonzero(points[:, 2] == 0) + 1
    return [stroke for stroke in np.split(points[:, :2], ends) if len(stroke)]


def arc_lengths(stroke: np.ndarray) -> np.ndarray:
    """Return the length of a stroke (m, 2) up to each of its points, (m,)."""
    return np.append(0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T)))


def join_strokes(strokes: Sequence[np.ndarray]) -> np.ndarray:
    """Join strokes, arrays (m, 2), into points (n, 3): the inverse of `split_strokes`."""
    lengths = [len(stroke) for stroke in strokes]
    rows = [np.column_stack([stroke, np.ones(len(stroke))]) for stroke in strokes]
    points = np.concatenate(rows).astype(np.float32)
    points[np.cumsum(lengths) - 1, 2] = 0
    return points


def split_at_gaps(points: np.ndarray, n_gaps: int, min_ratio: float = 1.5) -> list[np.ndarray]:
    """Split the points (n, 3) of a line at its widest gaps, from left to right.

    A gap is room without ink from the top to the bottom. A stroke belongs to the side that its
    middle is on, so that a dot that was written late goes to its letter.

    Args:
        points: the ink, several words of it.
        n_gaps: how many gaps to split at.
        min_ratio: how much wider each of these gaps is at least than any other.

    Returns:
        `n_gaps + 1` arrays (m, 3), or `points` alone where so many gaps do not stand out.
    """
    strokes = split_strokes(points)
    order = sorted(strokes, key=lambda stroke: stroke[:, 0].min())
    ends = np.maximum.accumulate([stroke[:, 0].max() for stroke in order])
    starts = np.array([stroke[:, 0].min() for stroke in order])
    gaps = np.maximum(starts[1:] - ends[:-1], 0)
    widest = np.sort(gaps)[::-1]
    rest = widest[n_gaps] if len(gaps) > n_gaps else 0.0
    if len(gaps) < n_gaps or widest[n_gaps - 1] <= max(min_ratio * rest, 0):
        return [points]
    at = np.sort(np.argsort(gaps)[-n_gaps:])
    cuts = (starts[at + 1] + ends[at]) / 2
    middles = np.array([(stroke[:, 0].min() + stroke[:, 0].max()) / 2 for stroke in strokes])
    sides = np.searchsorted(cuts, middles)
    return [
        join_strokes([stroke for stroke, side in zip(strokes, sides) if side == part])
        for part in range(n_gaps + 1)
    ]


def ragged_arange(counts: np.ndarray) -> np.ndarray:
    """Return 0, ..., counts[0] - 1, 0, ..., counts[1] - 1, ... as one array (sum(counts),)."""
    ends = np.cumsum(counts)
    total = ends[-1] if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)


def kept_counts(lengths: np.ndarray, rate: np.ndarray | float) -> np.ndarray:
    """Return how many points each stroke keeps when a fraction of them is dropped, (s,) integers.

    Both ends of a stroke are always kept.

    Args:
        lengths: (s,) number of points of each stroke.
        rate: the fraction to drop, in [0, 1): one number, or (s,) one for each stroke.
    """
    kept = np.rint((lengths - 1) * (1 - rate)).astype(np.int64) + 1
    return np.maximum(kept, np.minimum(lengths, 2))


def kept_indices(lengths: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return which points of each stroke stay, evenly spread from its first to its last.

    Args:
        lengths: (s,) number of points of each stroke.
        kept: (s,) number of points that each keeps.

    Returns:
        (sum(kept),) indices, each counted from the first point of its stroke.
    """
    step = (lengths - 1) / np.maximum(kept - 1, 1)
    return np.rint(ragged_arange(kept) * np.repeat(step, kept)).astype(np.int64)
