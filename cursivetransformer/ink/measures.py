"""How ink looks: distributions of five measures, the distance of two hands, sizes and slants.

    slant           radians to the right of upright, of every steep segment of ink, weighted by its
                    length
    height          of each word's ink above the baseline, canvas heights
    stroke length   along the ink of each stroke, canvas heights
    curvature       turning in radians for each canvas height of ink, of each word
    pen lifts       strokes for each character of each word

All except the height are taken from ink resampled evenly, so that the rate of points does not
count. Of a text, only its length and the heights of its characters matter.
"""

import string
from collections.abc import Iterable, Sequence

import numpy as np

from cursivetransformer.ink.strokes import arc_lengths, split_strokes

MEASURES = ("slant", "height", "stroke length", "curvature", "pen lifts")
# Canvas heights between two points of resampled ink. With a larger spacing, a lower rate of points
# would show.
SPACING = 0.012
# Largest |dx / dy| of a segment that counts toward the slant: about 27 degrees from upright.
STEEP = 0.5
# Heights above the baseline that characters reach in most hands, in x-heights.
TALL = 2.0
CROSSED = 1.75
DOTTED = 1.5
LOW = 1.0
TALL_CHARACTERS = string.ascii_uppercase + string.digits + "bdfhkl" + "\"'()[]{}!?&%#$@/\\|*^"
NOMINAL_HEIGHTS = {
    **dict.fromkeys(TALL_CHARACTERS, TALL),
    "t": CROSSED,
    "i": DOTTED,
    "j": DOTTED,
    **dict.fromkeys("acegmnopqrsuvwxyz", LOW),
}
# x-height in canvas heights, between the guide lines of the recorder, for a hand without a measure.
CANVAS_X_HEIGHT = 1 / 3
# Words of low letters alone that suffice to measure the x-height.
MIN_LOW_WORDS = 3

# Values (n,) with their weights (n,).
Sample = tuple[np.ndarray, np.ndarray]


def measure(inks: Sequence[np.ndarray], texts: Sequence[str]) -> dict[str, Sample]:
    """Measure inks, arrays (n, 3), of the given texts; skip inks without points.

    Returns:
        The values of each of `MEASURES` with their weights.
    """
    words = [_measure_word(points, text) for points, text in zip(inks, texts) if len(points)]
    return {name: _concatenate([word[name] for word in words]) for name in MEASURES}


def _measure_word(points: np.ndarray, text: str) -> dict[str, Sample]:
    strokes = [resample_evenly(stroke) for stroke in split_strokes(points)]
    steps = [np.diff(stroke, axis=0) for stroke in strokes]
    lengths = [np.hypot(*step.T) for step in steps]
    turning = sum(np.abs(_signed_turns(step)).sum() for step in steps)
    total_length = max(np.concatenate(lengths).sum(), SPACING)
    return {
        "slant": _steep_slants(np.concatenate(steps), np.concatenate(lengths)),
        "height": _unweighted([-points[:, 1].min()]),
        "stroke length": _unweighted([length.sum() for length in lengths]),
        "curvature": _unweighted([turning / total_length]),
        "pen lifts": _unweighted([len(strokes) / len(text)]),
    }


def _steep_slants(steps: np.ndarray, lengths: np.ndarray) -> Sample:
    """Return the slants of the steep ones of steps (n, 2), weighted by their lengths (n,)."""
    steep = np.abs(steps[:, 0]) < STEEP * np.abs(steps[:, 1])
    # y grows downward; a segment counts the same drawn up or down.
    return np.arctan(-steps[steep, 0] / steps[steep, 1]), lengths[steep]


def _signed_turns(steps: np.ndarray) -> np.ndarray:
    """Return the angle from each of steps (n, 2) to the next, (n - 1,) in (-pi, pi]."""
    a, b = steps[:-1], steps[1:]
    return np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(1))


def _unweighted(values: list[float]) -> Sample:
    return np.array(values), np.ones(len(values))


def _concatenate(samples: list[Sample]) -> Sample:
    if not samples:
        return np.zeros(0), np.zeros(0)
    values, weights = zip(*samples)
    return np.concatenate(values), np.concatenate(weights)


def resample_evenly(stroke: np.ndarray) -> np.ndarray:
    """Resample a stroke (n, 2) to points (m, 2) at most `SPACING` apart; a dot is one point."""
    along = arc_lengths(stroke)
    length = along[-1]
    if length == 0:
        return stroke[:1]
    at = np.linspace(0, length, int(np.ceil(length / SPACING)) + 1)
    return np.column_stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)])


def distance(sample: dict[str, Sample], reference: dict[str, Sample]) -> dict[str, float | None]:
    """Return the distance of two results of `measure`, for each measure.

    It is the 1-Wasserstein distance in standard deviations of the reference, or None where one of
    the two has no values.
    """
    return {name: _distance(sample[name], reference[name]) for name in MEASURES}


def _distance(sample: Sample, reference: Sample) -> float | None:
    if not len(sample[0]) or not len(reference[0]):
        return None
    return wasserstein(*sample, *reference) / max(_weighted_std(*reference), 1e-9)


def wasserstein(
    a: np.ndarray, a_weights: np.ndarray, b: np.ndarray, b_weights: np.ndarray
) -> float:
    """Return the 1-Wasserstein distance of two weighted samples, values (n,) and weights (n,).

    It is the area between their cumulative distributions.
    """
    at = np.sort(np.concatenate([a, b]))
    difference = _cumulative(a, a_weights, at[:-1]) - _cumulative(b, b_weights, at[:-1])
    return float(np.abs(difference) @ np.diff(at))


def _cumulative(values: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Evaluate the cumulative distribution of a weighted sample at (m,) numbers."""
    order = np.argsort(values)
    cumulative = np.append(0, np.cumsum(weights[order])) / weights.sum()
    return cumulative[np.searchsorted(values[order], at, side="right")]


def _weighted_std(values: np.ndarray, weights: np.ndarray) -> float:
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def nominal_height(text: str) -> float | None:
    """Return the height that the tallest character of a text reaches in most hands, in x-heights.

    None where the text holds no character of `NOMINAL_HEIGHTS`.
    """
    return max((NOMINAL_HEIGHTS[char] for char in text if char in NOMINAL_HEIGHTS), default=None)


def estimate_x_height(inks: Sequence[np.ndarray], texts: Sequence[str]) -> float | None:
    """Estimate the x-height of a hand in canvas heights from its words, inks (n, 3).

    It is the median of the words' heights above the baseline, each divided by the nominal height of
    its text. If there are `MIN_LOW_WORDS` words of low letters alone, only these count. None where
    no word has a nominal height.
    """
    estimates: dict[float, list[float]] = {}
    for points, text in zip(inks, texts):
        nominal = nominal_height(text)
        if nominal and len(points) and points[:, 1].min() < 0:
            estimates.setdefault(nominal, []).append(-points[:, 1].min() / nominal)
    low = estimates.get(LOW, [])
    if len(low) >= MIN_LOW_WORDS:
        return float(np.median(low))
    every = [estimate for group in estimates.values() for estimate in group]
    return float(np.median(every)) if every else None


def slants(inks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the slant of each ink (n, 3) to the right in radians, (len(inks),), NaN if not steep.

    It is the shear that leaves the least dx for each dy, a least-squares fit of dx to dy over
    evenly resampled ink. It grows as ink is sheared. The mean angle of the steep segments does not,
    since other segments become steep.
    """
    return np.array([_slant(points) for points in inks])


def _slant(points: np.ndarray) -> float:
    steps = [np.diff(resample_evenly(stroke), axis=0) for stroke in split_strokes(points)]
    dx, dy = np.concatenate([*steps, np.zeros((0, 2))]).T
    if (dy * dy).sum() <= SPACING**2:
        return np.nan
    return np.arctan(-(dx @ dy) / (dy @ dy))


def hand_slant(inks: Iterable[np.ndarray]) -> float:
    """Return the slant of a hand to the right, dx per dy: its inks' median, 0 if none is steep."""
    angles = slants(inks)
    return float(np.tan(np.nanmedian(angles))) if np.isfinite(angles).any() else 0.0


def heights(inks: Iterable[np.ndarray]) -> np.ndarray:
    """Return each ink's extent from top to bottom in canvas heights, (len(inks),), NaN if flat."""
    return np.array([_height(points) for points in inks])


def _height(points: np.ndarray) -> float:
    return (np.ptp(points[:, 1]) if len(points) else 0.0) or np.nan


def pooled_std(values: np.ndarray, hands: Sequence[int] | np.ndarray) -> float | None:
    """Return the pooled standard deviation of values within hands.

    Args:
        values: (n,); NaN are left out.
        hands: (n,) the hand of each value.

    Returns:
        The deviation, or None if no hand has two values.
    """
    squares = 0.0
    degrees_of_freedom = 0
    for hand in set(hands):
        group = values[np.equal(hands, hand) & np.isfinite(values)]
        if len(group) > 1:
            squares += ((group - group.mean()) ** 2).sum()
            degrees_of_freedom += len(group) - 1
    return float(np.sqrt(squares / degrees_of_freedom)) if degrees_of_freedom else None
