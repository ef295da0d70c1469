"""Variation of ink: slant, scale, rotation and the rate of points, drawn once for each example.

Knows no words and no tokens. The generator of random numbers is passed in.
"""

import numpy as np

from cursivetransformer.ink.strokes import kept_counts, kept_indices


def draw_rates(rng, n, mean, width):
    """(n,) shares of points to drop, uniform in mean +- width / 2."""
    return rng.uniform(mean - width / 2, mean + width / 2, n)


def draw_transforms(rng, n, shear_width, scale_width, rotation_width):
    """(n, 2, 2) float32 matrices for `xy @ matrix`, their scale, shear and rotation drawn; see `transforms`."""
    return transforms(
        rng.uniform(-0.5, 0.5, (4, n)), shear_width, scale_width, rotation_width, np
    ).astype(np.float32)


def transforms(drawn, shear_width, scale_width, rotation_width, xp):
    """(n, 2, 2) matrices for `xy @ matrix`: scale, then shear along the baseline, then a small rotation.

    drawn: (4, n) numbers uniform in [-0.5, 0.5). Each width is the full width of a uniform range: scale in x and in y
    around 1, shear (dx per dy) and rotation (radians) around 0. The baseline stays where it is but for the rotation.
    xp: `numpy` or `torch`, whichever `drawn` is of.
    """
    scale_x, scale_y = 1 + scale_width * drawn[0], 1 + scale_width * drawn[1]
    shear, angle = shear_width * drawn[2], rotation_width * drawn[3]
    cos, sin = xp.cos(angle), xp.sin(angle)
    # Rows are the images of (1, 0) and (0, 1); y grows downward, so a slant to the right has x fall with y.
    row_x = xp.stack([scale_x * cos, scale_x * sin], 1)
    row_y = xp.stack([scale_y * (-shear * cos - sin), scale_y * (-shear * sin + cos)], 1)
    return xp.stack([row_x, row_y], 1)


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
