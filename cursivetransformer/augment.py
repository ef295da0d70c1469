"""Variation of ink: slant, scale, rotation and the rate of points, drawn once for each example.

Knows no words and no tokens. The generator of random numbers is passed in.
"""

import numpy as np

from cursivetransformer.strokes import kept_counts, kept_indices


def draw_rates(rng, n, mean, width):
    """(n,) shares of points to drop, uniform in mean +- width / 2."""
    return rng.uniform(mean - width / 2, mean + width / 2, n)


def draw_transforms(rng, n, shear_width, scale_width, rotation_width):
    """(n, 2, 2) float32 matrices for `xy @ matrix`: scale, then shear along the baseline, then a small rotation.

    Each width is the full width of a uniform range: scale in x and in y around 1, shear (dx per dy) and rotation
    (radians) around 0. The baseline stays where it is but for the rotation.
    """
    scale_x, scale_y = 1 + scale_width * rng.uniform(-0.5, 0.5, (2, n))
    shear = shear_width * rng.uniform(-0.5, 0.5, n)
    angle = rotation_width * rng.uniform(-0.5, 0.5, n)
    cos, sin = np.cos(angle), np.sin(angle)
    # Rows are the images of (1, 0) and (0, 1); y grows downward, so a slant to the right has x fall with y.
    row_x = scale_x[:, None] * np.stack([cos, sin], axis=1)
    row_y = scale_y[:, None] * np.stack([-shear * cos - sin, -shear * sin + cos], axis=1)
    return np.stack([row_x, row_y], axis=1).astype(np.float32)


def downsample(points, rate):
    """(n, 3) points -> fewer points: the share `rate` of each stroke is dropped, evenly, but never its ends."""
    ends = np.flatnonzero(points[:, 2] == 0) + 1
    lengths = np.diff(ends, prepend=0)
    kept = kept_counts(lengths, rate)
    return points[np.repeat(ends - lengths, kept) + kept_indices(lengths, kept)]


def transform(points, matrix):
    """(n, 3) points -> the same under a (2, 2) matrix of `draw_transforms`, moved so that the left edge is x = 0."""
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ matrix
    moved[:, 0] -= moved[:, 0].min()
    return moved
