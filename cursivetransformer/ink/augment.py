"""Random variation of ink: slant, scale, rotation and the rate of points, sampled for each example.

Works on points alone, without texts or tokens. The random number generator is passed in.
"""

from types import ModuleType
from typing import Any

import numpy as np

from cursivetransformer.ink.strokes import kept_counts, kept_indices


def sample_transforms(
    rng: np.random.Generator,
    n: int,
    shear_width: float,
    scale_width: float,
    rotation_width: float,
) -> np.ndarray:
    """Sample matrices (n, 2, 2) float32 for `xy @ matrix`; see `transforms`."""
    uniforms = rng.uniform(-0.5, 0.5, (4, n))
    matrices = transforms(uniforms, shear_width, scale_width, rotation_width, np)
    return matrices.astype(np.float32)


def transforms(
    uniforms: Any,
    shear_width: float,
    scale_width: float,
    rotation_width: float,
    xp: ModuleType,
) -> Any:
    """Return matrices for `xy @ matrix`: a scale, a shear along the baseline, a small rotation.

    The baseline stays where it is except for the rotation.

    Args:
        uniforms: (4, n) numbers uniform in [-0.5, 0.5], an array of `xp`.
        shear_width: full width of the range of the shear (dx per dy), around 0.
        scale_width: full width of the range of the scale in x and of that in y, around 1.
        rotation_width: full width of the range of the rotation in radians, around 0.
        xp: `numpy` or `torch`.

    Returns:
        (n, 2, 2), an array of `xp`.
    """
    scale_x = 1 + scale_width * uniforms[0]
    scale_y = 1 + scale_width * uniforms[1]
    shear = shear_width * uniforms[2]
    angle = rotation_width * uniforms[3]
    cos, sin = xp.cos(angle), xp.sin(angle)
    # The rows are the images of (1, 0) and (0, 1). As y grows downward, x falls with y where ink
    # slants to the right.
    row_x = xp.stack([scale_x * cos, scale_x * sin], 1)
    row_y = xp.stack([scale_y * (-shear * cos - sin), scale_y * (-shear * sin + cos)], 1)
    return xp.stack([row_x, row_y], 1)


def downsample(points: np.ndarray, rate: float) -> np.ndarray:
    """Drop the fraction `rate` of each stroke's points (n, 3) evenly; keep the stroke's ends."""
    ends = np.flatnonzero(points[:, 2] == 0) + 1
    lengths = np.diff(ends, prepend=0)
    kept = kept_counts(lengths, rate)
    return points[np.repeat(ends - lengths, kept) + kept_indices(lengths, kept)]


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a matrix (2, 2) to points (n, 3) and move their left edge to x = 0."""
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ matrix
    moved[:, 0] -= moved[:, 0].min()
    return moved
