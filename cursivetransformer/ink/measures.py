"""How ink looks, as distributions of five measures, and how far two hands are apart. Knows no text but its length.

    slant           radians to the right of upright, of every steep segment of ink, weighted by its length
    height          of each word's ink above the baseline, canvas heights
    stroke length   along the ink of each stroke, canvas heights
    curvature       turning in radians for each canvas height of ink, of each word
    pen lifts       strokes for each character of each word

All are taken from ink with its points spread evenly, so that the rate of points does not count.
"""

import string

import numpy as np

from cursivetransformer.ink.strokes import split_strokes

SPACING = 0.012  # canvas heights between two points: finer than what is dropped when ink is thinned would show the dropping
STEEP = 0.5  # |dx / dy| of a segment that tells the slant: about 27 degrees around the upright
TALL, CROSSED, DOTTED, LOW = (
    2.0,
    1.75,
    1.5,
    1.0,
)  # x-heights that a character reaches above the baseline in most hands
TALLNESS = {
    **dict.fromkeys(
        string.ascii_uppercase + string.digits + "bdfhkl" + "\"'()[]{}!?&%#$@/\\|*^", TALL
    ),
    "t": CROSSED,
    "i": DOTTED,
    "j": DOTTED,
    **dict.fromkeys("acegmnopqrsuvwxyz", LOW),
}
A_FEW = 3  # words without tall letters that are enough to tell the x-height by
MEASURES = ("slant", "height", "stroke length", "curvature", "pen lifts")


def measure(inks, texts):
    """Inks (n, 3) with their texts -> {measure: (values, weights)}; inks without points are left out."""
    values, weights = ({name: [] for name in MEASURES} for _ in range(2))
    for points, text in zip(inks, texts):
        if not len(points):
            continue
        strokes = [respaced(stroke) for stroke in split_strokes(points)]
        steps = [np.diff(stroke, axis=0) for stroke in strokes]
        lengths = [np.hypot(*step.T) for step in steps]
        step, length = np.concatenate(steps), np.concatenate(lengths)
        steep = np.abs(step[:, 0]) < STEEP * np.abs(step[:, 1])
        if steep.any():
            # y grows downward; a segment counts the same drawn up or down.
            _add(
                values, weights, "slant", np.arctan(-step[steep, 0] / step[steep, 1]), length[steep]
            )
        turned = sum(np.abs(_turns(step)).sum() for step in steps)
        ink = max(length.sum(), SPACING)
        for name, value in (
            ("height", [-points[:, 1].min()]),
            ("stroke length", [length.sum() for length in lengths]),
            ("curvature", [turned / ink]),
            ("pen lifts", [len(strokes) / len(text)]),
        ):
            _add(values, weights, name, np.array(value), np.ones(len(value)))
    return {
        name: (np.concatenate(values[name] or [[]]), np.concatenate(weights[name] or [[]]))
        for name in MEASURES
    }


def x_height(inks, texts):
    """How high a hand writes a letter like x, in canvas heights: the median over inks of their height above the baseline, by what
    their tallest character should have; of words without tall letters alone, if there are a few. None where no character tells."""
    sizes = {}
    for points, text in zip(inks, texts):
        tall = tallest(text)
        if tall and len(points) and points[:, 1].min() < 0:
            sizes.setdefault(tall, []).append(-points[:, 1].min() / tall)
    low = sizes.get(LOW, [])
    chosen = low if len(low) >= A_FEW else sum(sizes.values(), [])
    return float(np.median(chosen)) if chosen else None


def tallest(text):
    """How high the tallest character of a text reaches in most hands, in x-heights; None where no character tells."""
    return max((TALLNESS[char] for char in text if char in TALLNESS), default=None)


def slants(inks):
    """(n,) the slant of each ink to the right, in radians, NaN of one that is nowhere steep: that of the shear which leaves its ink
    least spread along x for each step along y, a least-squares fit of dx to dy over points at even distances. It grows as ink is
    sheared, which the mean angle of the steep pieces does not, since others become steep."""
    found = []
    for points in inks:
        steps = [np.diff(respaced(stroke), axis=0) for stroke in split_strokes(points)]
        dx, dy = np.concatenate([*steps, np.zeros((0, 2))]).T
        found.append(np.arctan(-(dx @ dy) / (dy @ dy)) if (dy * dy).sum() > SPACING**2 else np.nan)
    return np.array(found)


def hand_slant(inks):
    """The slant to the right of a hand, dx per dy: the middle of its inks'; 0 where none tells."""
    found = slants(inks)
    return float(np.tan(np.nanmedian(found))) if np.isfinite(found).any() else 0.0


def heights(inks):
    """(n,) how far each ink reaches from its top to its bottom, canvas heights, NaN of none."""
    return np.array(
        [
            np.ptp(points[:, 1]) if len(points) and np.ptp(points[:, 1]) else np.nan
            for points in inks
        ]
    )


def spread_within(values, hands):
    """The standard deviation of values within their hands, each hand's mean taken off, NaN left out; None of less than two in any hand."""
    squares, free = 0.0, 0
    for hand in set(hands):
        own = values[np.equal(hands, hand) & np.isfinite(values)]
        if len(own) > 1:
            squares, free = squares + ((own - own.mean()) ** 2).sum(), free + len(own) - 1
    return float(np.sqrt(squares / free)) if free else None


def distance(one, other):
    """{measure: distance} of two results of `measure`: the 1-Wasserstein distance, in standard deviations of the second.

    None where one of them has no values.
    """
    return {
        name: wasserstein(*one[name], *other[name]) / max(_deviation(*other[name]), 1e-9)
        if len(one[name][0]) and len(other[name][0])
        else None
        for name in MEASURES
    }


def wasserstein(a, a_weights, b, b_weights):
    """1-Wasserstein distance of two weighted samples of numbers: the area between their cumulative distributions."""
    at = np.sort(np.concatenate([a, b]))
    shares = []
    for values, weights in ((a, a_weights), (b, b_weights)):
        order = np.argsort(values)
        cumulative = np.append(0, np.cumsum(weights[order])) / weights.sum()
        shares.append(cumulative[np.searchsorted(values[order], at[:-1], side="right")])
    return float(np.abs(shares[0] - shares[1]) @ np.diff(at))


def respaced(stroke):
    """(n, 2) -> (m, 2) points on the same line, SPACING apart or a little less; a dot stays one point."""
    along = np.append(0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T)))
    if along[-1] == 0:
        return stroke[:1]
    at = np.linspace(0, along[-1], int(np.ceil(along[-1] / SPACING)) + 1)
    return np.column_stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)])


def _turns(step):
    """(n, 2) steps -> (n - 1,) angles between each and the next, in (-pi, pi]."""
    a, b = step[:-1], step[1:]
    return np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(1))


def _add(values, weights, name, value, weight):
    values[name].append(value)
    weights[name].append(weight)


def _deviation(values, weights):
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
