"""Pen kinematics: a smooth curve through control points, and its points at even times.

The speed follows the two-thirds power law: the angular speed of the hand grows with the curvature
to the power 2/3. Its speed along the path therefore falls with the curvature to the power 1/3
(F. Lacquaniti, C. Terzuolo and P. Viviani, "The law relating the kinematic and figural aspects of
drawing movements", Acta Psychologica 54, 1983).

Pure functions; does not depend on letters. Lengths are in x-heights.
"""

import numpy as np

from cursivetransformer.ink.curves import hermite

SEGMENT_SAMPLES = 10  # points of the dense curve for each pair of neighboring control points
MIN_CURVATURE = 0.5  # 1/x-height; the hand moves no faster where the curvature is lower
MIN_SPEED = 0.22  # fraction of the speed on a straight that the hand keeps in a corner
START_SPEED = 0.45  # fraction of the full speed at both ends of a path
ACCELERATION = 2.5  # gain of that fraction per x-height from an end
MIN_STEP = 1e-9  # x-heights; keeps the curvature finite where points repeat
_U = np.arange(SEGMENT_SAMPLES) / SEGMENT_SAMPLES
# Hermite's basis for the two ends and the two tangents of a segment, (SEGMENT_SAMPLES, 4).
_HERMITE = np.stack(
    [2 * _U**3 - 3 * _U**2 + 1, _U**3 - 2 * _U**2 + _U, -2 * _U**3 + 3 * _U**2, _U**3 - _U**2], 1
)


def interpolate_curve(points: np.ndarray, corners: np.ndarray, tension: float = 0.0) -> np.ndarray:
    """Interpolate control points by a centripetal Catmull-Rom spline.

    The spline (E. Catmull and R. Rom, 1974) with centripetal knots (C. Yuksel et al., 2011) makes
    neither loops nor cusps of its own.

    Args:
        points: (n, 2) control points.
        corners: (n,) booleans, true where the direction may jump.
        tension: 0 is round; the segments become straight as it approaches 1.

    Returns:
        (m, 2) dense points of the curve, in order.
    """
    segments = hermite(points, corners, tension)
    dense = np.einsum("sk,nkd->nsd", _HERMITE, segments).reshape(-1, 2)
    return np.concatenate([dense, points[-1:]])


def compute_times(path: np.ndarray, start_slow: bool = True) -> np.ndarray:
    """Compute the times at which the pen passes the points of a path by the two-thirds power law.

    Args:
        path: (m, 2) points, dense.
        start_slow: accelerate at the start of the path and brake at its end.

    Returns:
        (m,) times from 0. One unit is the time for one x-height along a straight line.
    """
    steps = np.diff(path, axis=0)
    lengths = np.maximum(np.hypot(*steps.T), MIN_STEP)
    curvature = _smooth(_curvature(steps, lengths))
    relative_curvature = np.maximum(curvature, MIN_CURVATURE) / MIN_CURVATURE
    speed = np.maximum(relative_curvature ** (-1 / 3), MIN_SPEED)
    if start_slow:  # the pen moves when it touches the paper, but not at full speed
        along = np.cumsum(lengths)
        from_end = np.minimum(along, along[-1] - along + lengths)
        speed = speed * np.clip(START_SPEED + ACCELERATION * from_end, 0, 1)
    return np.concatenate([[0.0], np.cumsum(lengths / speed)])


def _curvature(steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Compute the curvature of each step, (m,): the turns at its two ends by the path's length."""
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    turning = np.abs(np.diff(headings))
    curvature = np.zeros(len(lengths))
    curvature[1:] += turning / (lengths[1:] + lengths[:-1])
    curvature[:-1] += turning / (lengths[1:] + lengths[:-1])
    return curvature


def _smooth(values: np.ndarray) -> np.ndarray:
    """Take the running mean of five: a hand brakes before a turn and speeds up after it."""
    if len(values) < 5:
        return np.full(len(values), values.mean())
    padded = np.pad(values, 2, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    return (total[5:] - total[:-5]) / 5


def sample_path(path: np.ndarray, times: np.ndarray, interval: float) -> np.ndarray:
    """Sample a path at even times, (k, 2), about every `interval`; both ends are always kept."""
    k = max(2, round(times[-1] / interval) + 1)
    at = np.linspace(0, times[-1], k)
    return np.stack([np.interp(at, times, path[:, 0]), np.interp(at, times, path[:, 1])], 1)


def sample_drift(
    rng: np.random.Generator, n: int, std: float, correlation: float = 0.85
) -> np.ndarray:
    """Sample a first-order autoregressive process around 0, (n,).

    Args:
        rng: the source of random numbers.
        n: number of values.
        std: standard deviation of every value.
        correlation: between a value and the next one.
    """
    values = np.empty(n)
    noise = rng.normal(0, std * np.sqrt(1 - correlation * correlation), n)
    value = rng.normal(0, std)
    for i in range(n):
        values[i] = value
        value = correlation * value + noise[i]
    return values
