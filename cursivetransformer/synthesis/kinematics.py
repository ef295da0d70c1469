"""How a pen moves: a smooth curve through control points, and the points that a recorder takes of it at even times.

The speed follows the two-thirds power law: the hand's angular speed grows with the curvature to the power 2/3, which makes its
speed along the path fall with the curvature to the power 1/3 (F. Lacquaniti, C. Terzuolo and P. Viviani, "The law relating the
kinematic and figural aspects of drawing movements", Acta Psychologica 54, 1983). Pure functions; knows no letters.
"""

import numpy as np

from cursivetransformer.ink.curves import hermite

SEGMENT_SAMPLES = 10  # of the curve between two control points, before points are taken by time
STRAIGHTEST = 0.5  # curvature, in 1/x-height, below which a hand moves no faster
SLOWEST = 0.22  # speed, as a share of that on a straight, that a hand keeps in a corner
_U = np.arange(SEGMENT_SAMPLES) / SEGMENT_SAMPLES
# Hermite's basis for the two ends and the two tangents of a segment, (SEGMENT_SAMPLES, 4).
_HERMITE = np.stack(
    [2 * _U**3 - 3 * _U**2 + 1, _U**3 - 2 * _U**2 + _U, -2 * _U**3 + 3 * _U**2, _U**3 - _U**2], 1
)


def curve(points, corner, tension=0.0):
    """A curve through control points (n, 2): (m, 2) points, dense and in order.

    A Catmull-Rom spline with centripetal knots (E. Catmull and R. Rom, 1974; C. Yuksel et al., 2011), which makes neither loops
    nor cusps by itself. corner: (n,) booleans, where the direction may jump. tension: 0 is round; towards 1 the pieces become straight.
    """
    dense = np.einsum("sk,nkd->nsd", _HERMITE, hermite(points, corner, tension)).reshape(-1, 2)
    return np.concatenate([dense, points[-1:]])


def times(path, start_slow=True):
    """(m,) times at which a hand passes the (m, 2) points of a path; a straight x-height takes one unit. Two-thirds power law."""
    steps = np.diff(path, axis=0)
    lengths = np.maximum(np.hypot(*steps.T), 1e-9)
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    turning = np.abs(np.diff(headings))
    curvature = np.zeros(len(lengths))
    curvature[1:] += turning / (lengths[1:] + lengths[:-1])
    curvature[:-1] += turning / (lengths[1:] + lengths[:-1])
    curvature = _smooth(curvature)
    speed = np.maximum((np.maximum(curvature, STRAIGHTEST) / STRAIGHTEST) ** (-1 / 3), SLOWEST)
    if start_slow:  # the hand sets down and lifts in motion, but not at full speed
        along = np.cumsum(lengths)
        speed = speed * np.clip(0.45 + 2.5 * np.minimum(along, along[-1] - along + lengths), 0, 1)
    return np.concatenate([[0.0], np.cumsum(lengths / speed)])


def _smooth(values):
    """A running mean of five: a hand brakes before a turn and speeds up after it."""
    if len(values) < 5:
        return np.full(len(values), values.mean())
    padded = np.pad(values, 2, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    return (total[5:] - total[:-5]) / 5


def sample(path, when, interval):
    """The points of a path that a recorder takes every `interval` of time, both ends always: (k, 2), k at least 2."""
    k = max(2, round(when[-1] / interval) + 1)
    at = np.linspace(0, when[-1], k)
    return np.stack([np.interp(at, when, path[:, 0]), np.interp(at, when, path[:, 1])], 1)


def drift(rng, n, amount, memory=0.85):
    """(n,) values around 0 with standard deviation `amount`, each near the one before: a first-order autoregressive process."""
    values = np.empty(n)
    noise = rng.normal(0, amount * np.sqrt(1 - memory * memory), n)
    value = rng.normal(0, amount)
    for i in range(n):
        values[i] = value
        value = memory * value + noise[i]
    return values
