"""Smooth curves through the points of a stroke: splines, Bezier curves, flattening, SVG path data.

Pure geometry. Ink is smoothed and resampled here too.
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.ink.strokes import join_strokes, ragged_arange, split_strokes

# A point where ink turns by more than this is not smoothed.
MAX_SMOOTHED_TURN = np.radians(70)
# A point where ink turns by more than this is a corner of the curve.
MAX_CURVE_TURN = np.radians(100)
# Millimeters by which a flattened curve may miss the true one.
FINE = 0.02
# Distance by which `resample` may miss the curve, in the unit of its points.
RESAMPLING_TOLERANCE = 1e-4
# Millimeters: the length of a dot's line. Some programs leave out lines of no length or round caps.
SVG_DOT = 0.1


def _turns(stroke: np.ndarray) -> np.ndarray:
    """Return the angle in [0, pi] at each inner point of a stroke (m, 2), (m - 2,)."""
    steps = np.diff(stroke, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    return np.abs((np.diff(headings) + np.pi) % (2 * np.pi) - np.pi)


def _distinct(stroke: np.ndarray) -> np.ndarray:
    """Return a mask (m,) of the points of a stroke (m, 2) that differ from the point before."""
    return np.append(True, np.diff(stroke, axis=0).any(axis=1))


def smooth(points: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Smooth ink (n, 3): take out its wavering, keep its bends.

    Each point moves toward the parabola that fits best to it and the two points on either side
    (A. Savitzky and M. Golay, "Smoothing and differentiation of data by simplified least squares
    procedures", 1964). The two points at either end of a stroke stay. So do a point with a sharp
    turn and its neighbors.

    Args:
        points: (n, 3) ink.
        strength: the fraction of the way to the parabola that a point moves.
    """
    if not strength:
        return points
    strokes = [_smooth_stroke(stroke, strength) for stroke in split_strokes(points)]
    return join_strokes(strokes) if strokes else points


def _smooth_stroke(stroke: np.ndarray, strength: float) -> np.ndarray:
    if len(stroke) < 5:
        return stroke
    sharp = np.pad(_turns(stroke) > MAX_SMOOTHED_TURN, 1)
    free = ~(sharp[1:-3] | sharp[2:-2] | sharp[3:-1])
    near = stroke[1:-3] + stroke[3:-1]
    far = stroke[:-4] + stroke[4:]
    fitted = (12 * near + 17 * stroke[2:-2] - 3 * far) / 35
    smoothed = stroke.copy()
    smoothed[2:-2] += strength * free[:, None] * (fitted - stroke[2:-2])
    return smoothed


def hermite(points: np.ndarray, corner: np.ndarray, tension: float = 0.0) -> np.ndarray:
    """Return a centripetal Catmull-Rom spline through points as cubic Hermite segments.

    Such a spline neither overshoots nor loops between the points (C. Yuksel et al.,
    "Parameterization and applications of Catmull-Rom curves", Computer-Aided Design 43, 2011).

    Args:
        points: (n, 2).
        corner: (n,) booleans, where the direction may jump.
        tension: 0 is round; toward 1 the segments become straight.

    Returns:
        (n - 1, 4, 2): each segment's start, tangent there, end, and tangent there.
    """
    steps = np.diff(points, axis=0)
    knots = np.sqrt(np.maximum(np.hypot(*steps.T), 1e-6))[:, None]  # centripetal knot spacing
    slopes = steps / knots
    leave = np.concatenate([slopes, slopes[-1:]])
    arrive = np.concatenate([slopes[:1], slopes])
    inner = (slopes[:-1] * knots[1:] + slopes[1:] * knots[:-1]) / (knots[1:] + knots[:-1])
    inner = inner * (1 - tension)
    is_smooth = ~corner[1:-1, None]
    leave[1:-1] = np.where(is_smooth, inner, leave[1:-1])
    arrive[1:-1] = np.where(is_smooth, inner, arrive[1:-1])
    return np.stack([points[:-1], leave[:-1] * knots, points[1:], arrive[1:] * knots], 1)


def beziers(stroke: np.ndarray) -> np.ndarray:
    """Return cubic Bezier curves through a stroke, smooth except at corners; see `hermite`.

    Repeated points count once.

    Args:
        stroke: (m, 2).

    Returns:
        (k - 1, 4, 2) control points of the curves between the k distinct points.
    """
    stroke = stroke[_distinct(stroke)]
    if len(stroke) < 2:
        return np.zeros((0, 4, 2))
    corner = np.pad(_turns(stroke) > MAX_CURVE_TURN, 1, constant_values=True)
    start, leave, end, arrive = hermite(stroke, corner).transpose(1, 0, 2)
    return np.stack([start, start + leave / 3, end - arrive / 3, end], 1)


@dataclass
class Path:
    """A flattened curve.

    Attributes:
        xy: (k, 2) points.
        at: (k,) position of each point among the stroke's points, by which times and widths are
            interpolated; 2.5 is halfway between the third and the fourth.
        dot: whether the stroke is a dot.
    """

    xy: np.ndarray
    at: np.ndarray
    dot: bool = False


def flatten(stroke: np.ndarray, tolerance: float = FINE) -> Path:
    """Approximate the smooth curve through a stroke (m, 2) by straight pieces, within a tolerance.

    The number of pieces of each cubic is Wang's bound (G. Wang, 1984; R. Goldman, "Pyramid
    Algorithms", 2002): sqrt(6 / 8 M / tolerance), with M the longest second difference of its
    control points.
    """
    distinct = np.flatnonzero(_distinct(stroke))
    curves = beziers(stroke)
    if not len(curves):
        return Path(stroke[:1], np.zeros(1), dot=True)
    bend = np.hypot(*np.moveaxis(np.diff(curves, n=2, axis=1), -1, 0)).max(axis=1)
    pieces = np.maximum(1, np.ceil(np.sqrt(0.75 * bend / tolerance))).astype(int)
    curve = np.repeat(np.arange(len(curves)), pieces)  # the curve of each point
    t = (ragged_arange(pieces) / pieces[curve])[:, None]
    a, b, c, d = curves[curve].transpose(1, 0, 2)
    xy = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    at = distinct[curve] + t[:, 0] * np.diff(distinct)[curve]
    last = distinct[-1]
    return Path(np.concatenate([xy, stroke[[last]]]), np.append(at, last))


def resample(points: np.ndarray, factor: int) -> np.ndarray:
    """Resample ink (n, 3) on its smooth curve, with `factor` points for each step between points.

    The new points are evenly spaced in time. A stroke's ends stay; a dot stays as it is.
    """
    return join_strokes([_resample_stroke(stroke, factor) for stroke in split_strokes(points)])


def _resample_stroke(stroke: np.ndarray, factor: int) -> np.ndarray:
    path = flatten(stroke, RESAMPLING_TOLERANCE)
    if path.dot:
        return stroke
    at = np.linspace(0, len(stroke) - 1, (len(stroke) - 1) * factor + 1)
    return np.stack([np.interp(at, path.at, path.xy[:, axis]) for axis in (0, 1)], 1)


def path_data(stroke: np.ndarray) -> str:
    """Return SVG path data of the smooth curve through a stroke (m, 2); a dot is a short line."""
    pieces = beziers(stroke)
    if not len(pieces):
        return f"M{stroke[0, 0] - SVG_DOT / 2:.2f},{stroke[0, 1]:.2f}h{SVG_DOT}"
    # Round absolute coordinates to hundredths first, so that relative ones do not sum up errors.
    rounded = np.rint(pieces * 100).astype(int)
    steps = (rounded[:, 1:] - rounded[:, :1]).reshape(-1, 6).tolist()
    x, y = rounded[0, 0] / 100
    return f"M{x:.2f},{y:.2f}c" + " ".join(",".join(map(hundredth, row)) for row in steps)


def hundredth(n: int) -> str:
    """Format `n` hundredths as short as can be: -123 is "-1.23", 50 is ".5"."""
    if n and -100 < n < 100:
        return f"{n / 100:.2f}".rstrip("0").rstrip(".").replace("0.", ".", 1)
    return f"{n / 100:g}"
