"""Smooth curves through points: splines, Bezier curves, flattening, smoothing and resampling. Pure geometry."""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.ink.strokes import join_strokes, ragged_arange, split_strokes

SHARP = np.radians(70)  # a turn by more than this between two steps is not smoothed
SHARPEST = np.radians(
    100
)  # a turn by more than this between two steps is a corner, which a curve keeps
FINE = 0.02  # millimetres that a flattened curve may miss the true one by
SVG_DOT = 0.1  # millimetres: length of a dot's line, since some programs leave out lines of none, or round caps


def hermite(points, corner, tension=0.0):
    """(n - 1, 4, 2): of each piece of `curve` its beginning, the tangent there, its end, and the tangent there."""
    steps = np.diff(points, axis=0)
    knots = np.sqrt(np.maximum(np.hypot(*steps.T), 1e-6))[:, None]
    slopes = steps / knots
    leave, arrive = np.concatenate([slopes, slopes[-1:]]), np.concatenate([slopes[:1], slopes])
    smooth = (
        (slopes[:-1] * knots[1:] + slopes[1:] * knots[:-1])
        / (knots[1:] + knots[:-1])
        * (1 - tension)
    )
    within = ~corner[1:-1, None]
    leave[1:-1] = np.where(within, smooth, leave[1:-1])
    arrive[1:-1] = np.where(within, smooth, arrive[1:-1])
    return np.stack([points[:-1], leave[:-1] * knots, points[1:], arrive[1:] * knots], 1)


def smoothed(points, share=1.0):
    """(n, 3) points -> the same, each moved by that share onto the parabola through itself and the two points before and behind it that
    fits best (A. Savitzky and M. Golay, "Smoothing and differentiation of data by simplified least squares procedures", 1964), which
    takes out what wavers and keeps bends. The two points at either end of a stroke stay, and those at a sharp turn and beside it."""
    if not share:
        return points
    strokes = []
    for stroke in split_strokes(points):
        if len(stroke) >= 5:
            sharp = np.pad(_turns(stroke) > SHARP, 1)
            free = ~(sharp[1:-3] | sharp[2:-2] | sharp[3:-1])
            fitted = (
                12 * (stroke[1:-3] + stroke[3:-1])
                + 17 * stroke[2:-2]
                - 3 * (stroke[:-4] + stroke[4:])
            ) / 35
            stroke = stroke.copy()
            stroke[2:-2] += share * free[:, None] * (fitted - stroke[2:-2])
        strokes.append(stroke)
    return join_strokes(strokes) if strokes else points


def _turns(stroke):
    """(m - 2,) angles in [0, pi] between each step and the next."""
    steps = np.diff(stroke, axis=0)
    return np.abs((np.diff(np.arctan2(steps[:, 1], steps[:, 0])) + np.pi) % (2 * np.pi) - np.pi)


def beziers(stroke):
    """(m, 2) points -> (m - 1, 4, 2) control points of cubic Bezier curves through them, smooth but for real corners.

    They are centripetal Catmull-Rom splines (C. Yuksel et al., "Parameterization and applications of Catmull-Rom curves",
    Computer-Aided Design 43, 2011), which neither overshoot nor loop between the points. Repeated points are taken as one.
    """
    stroke = stroke[np.append(True, np.diff(stroke, axis=0).any(axis=1))]
    if len(stroke) < 2:
        return np.zeros((0, 4, 2))
    start, leave, end, arrive = hermite(
        stroke, np.pad(_turns(stroke) > SHARPEST, 1, constant_values=True)
    ).transpose(1, 0, 2)
    return np.stack([start, start + leave / 3, end - arrive / 3, end], 1)


@dataclass
class Path:
    """A flattened curve. xy: (k, 2); at: (k,) where each point stands among the stroke's points, so that times and widths
    can be told; 2.5 is in the middle between the third and the fourth. dot: the stroke is one."""

    xy: np.ndarray
    at: np.ndarray
    dot: bool = False


def flatten(stroke, tolerance=FINE):
    """(m, 2) points -> the smooth curve through them as a `Path` of straight pieces, nowhere farther from it than tolerance.

    The number of pieces of each curve is Wang's bound (G. Wang, 1984; R. Goldman, "Pyramid Algorithms", 2002): for a cubic
    sqrt(6 / 8 M / tolerance) with M the longest second difference of its control points.
    """
    kept = np.flatnonzero(np.append(True, np.diff(stroke, axis=0).any(axis=1)))
    curves = beziers(stroke)
    if not len(curves):
        return Path(stroke[:1], np.zeros(1), dot=True)
    bend = np.hypot(*np.moveaxis(np.diff(curves, n=2, axis=1), -1, 0)).max(axis=1)
    pieces = np.maximum(1, np.ceil(np.sqrt(0.75 * bend / tolerance))).astype(int)
    of = np.repeat(np.arange(len(curves)), pieces)
    t = (ragged_arange(pieces) / pieces[of])[:, None]
    a, b, c, d = curves[of].transpose(1, 0, 2)
    xy = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    at = kept[of] + t[:, 0] * np.diff(kept)[of]
    return Path(np.concatenate([xy, stroke[kept[-1:]]]), np.append(at, kept[-1]))


def resampled(points, factor):
    """(n, 3) points -> the same ink with `factor` times as many, on its smooth curve and at even times, strokes' ends kept."""
    strokes = []
    for stroke in split_strokes(points):
        path = flatten(stroke, tolerance=1e-4)
        at = np.linspace(0, len(stroke) - 1, (len(stroke) - 1) * factor + 1)
        strokes.append(
            np.stack([np.interp(at, path.at, path.xy[:, axis]) for axis in (0, 1)], 1)
            if not path.dot
            else stroke
        )
    return join_strokes(strokes)


def path_data(stroke):
    """(m, 2) points -> the path data of the smooth curve through them; a dot is a very short line."""
    pieces = beziers(stroke)
    if not len(pieces):
        return f"M{stroke[0, 0] - SVG_DOT / 2:.2f},{stroke[0, 1]:.2f}h{SVG_DOT}"
    rounded = np.rint(pieces * 100).astype(
        int
    )  # hundredths, so that what is relative adds up to what is meant
    steps = (rounded[:, 1:] - rounded[:, :1]).reshape(-1, 6).tolist()
    x, y = rounded[0, 0] / 100
    return f"M{x:.2f},{y:.2f}c" + " ".join(",".join(map(hundredth, row)) for row in steps)


def hundredth(n):
    """-123 -> "-1.23", 50 -> ".5"."""
    return (
        f"{n / 100:.2f}".rstrip("0").rstrip(".").replace("0.", ".", 1)
        if -100 < n < 100 and n
        else f"{n / 100:g}"
    )
