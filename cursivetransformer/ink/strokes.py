"""Pen geometry on arrays: points, offsets, polar offsets, and positions in ragged arrays.

Pure functions, no files, no random numbers, no vocabulary. All ink here is `float32` of shape (n, 3):

    points   (x, y, pen)       pen 1: ink goes on from here; pen 0: the pen is lifted here
    offsets  (dx, dy, pen)     what is added to the point before; the first is added to the origin
    polar    (r, theta, pen)   the same in polar form, theta in (-pi, pi]

A stroke ends at the point with pen 0, which still belongs to it: ink runs between two neighbouring points unless
the first of them has pen 0. A dot is a stroke of one point. y grows downward; the unit is the height of the
recording canvas; the origin of a word is its left edge on the baseline.

>>> points = np.array([[0, 0, 1], [1, 0, 0], [1, -1, 0]], np.float32)   # a line, then a dot above its end
>>> points_to_offsets(points).tolist()
[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
"""

import numpy as np


def points_to_offsets(points):
    """(n, 3) points -> (n, 3) offsets; the first offset starts at the origin."""
    offsets = points.copy()
    offsets[1:, :2] = np.diff(points[:, :2], axis=0)
    return offsets


def offsets_to_points(offsets):
    """(n, 3) offsets -> (n, 3) points, summed in float64 so that long ink does not drift."""
    points = offsets.copy()
    points[:, :2] = np.cumsum(offsets[:, :2], axis=0, dtype=np.float64)
    return points


def offsets_to_polar(offsets):
    """(n, 3) offsets -> (n, 3) polar; a zero offset has theta 0."""
    dx, dy, pen = offsets.T
    # A root, not hypot, whose last bit differs from library to library. Columns lie together, for speed.
    return np.stack([np.sqrt(dx * dx + dy * dy), np.arctan2(dy, dx), pen]).T


def polar_to_offsets(polar):
    """(n, 3) polar -> (n, 3) offsets."""
    r, theta, pen = polar.T
    return np.stack([r * np.cos(theta), r * np.sin(theta), pen]).T


def resized(points, factor):
    """(n, 3) points -> the same ink, `factor` times as large."""
    return points * np.array([factor, factor, 1], np.float32)


def split_strokes(points):
    """(n, 3) points -> a list of arrays (m, 2), one for each stroke."""
    ends = np.flatnonzero(points[:, 2] == 0) + 1
    return [stroke for stroke in np.split(points[:, :2], ends) if len(stroke)]


def join_strokes(strokes):
    """A list of arrays (m, 2) -> (n, 3) points: the opposite of `split_strokes`."""
    points = np.concatenate([np.column_stack([s, np.ones(len(s))]) for s in strokes]).astype(
        np.float32
    )
    points[np.cumsum([len(s) for s in strokes]) - 1, 2] = 0
    return points


def ragged_arange(counts):
    """0, 1, ..., counts[0]-1, 0, 1, ..., counts[1]-1, ... as one array of sum(counts) integers."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def kept_counts(lengths, rate):
    """How many points each stroke keeps when the share `rate` of its points is dropped: both ends always.

    lengths: (s,) points of each stroke; rate: (s,) or one number in [0, 1). Returns (s,) integers.
    """
    kept = np.rint((lengths - 1) * (1 - rate)).astype(np.int64) + 1
    return np.maximum(kept, np.minimum(lengths, 2))


def kept_indices(lengths, kept):
    """Which points of each stroke stay, evenly spread from its first to its last.

    lengths, kept: (s,) integers. Returns (sum(kept),) indices, each within its own stroke.
    """
    step = (lengths - 1) / np.maximum(kept - 1, 1)
    return np.rint(ragged_arange(kept) * np.repeat(step, kept)).astype(np.int64)
