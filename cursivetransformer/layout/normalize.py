"""Evens words out: slant and size, which a model draws for every word anew, brought nearer to those of the hand. No torch.

A word's slant and height come from its letters, from the hand, and from the moment. Only the last should be taken out, so it is first
estimated how much of a word's deviation its letters explain: a Bayesian linear regression on them, with what it does not
explain shared out between the moment and letters not known well enough (C. Bishop, "Pattern Recognition and Machine Learning",
2006, section 3.3).
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.ink import measures as style

CANVAS_X_HEIGHT = (
    1 / 3
)  # canvas heights: between the guide lines of the recorder, where a hand's own x-height is not known
LETTERS_DEVIATION = 0.12  # of slant (dx per dy), or of log height, between words of one letter each: what is expected before any is seen
MOMENT_DEVIATION = 0.03  # of slant and of log height between two versions of a word; generated ones have 0.02 to 0.06
LARGEST_CHANGE = 0.3  # of slant and log height: what asks for more is another thing than unevenness


@dataclass
class HandStatistics:
    """What words of a hand have in common. x_height: canvas heights; slant, size: what its letters make of a word's slant (dx per dy) and
    of the logarithm of its height above the baseline."""

    x_height: float
    slant: object
    size: object

    @classmethod
    def of(cls, inks, texts):
        """The hand that wrote inks (n, 3)."""
        return cls(
            style.x_height(inks, texts) or CANVAS_X_HEIGHT,
            _Letters.of(_slants(inks), texts),
            _Letters.of(_log_heights(inks), texts),
        )

    def normalized(self, points, text, slant=0.5, size=0.5):
        """The points (n, 3) of a word with those shares of its deviation from the hand taken out; the left edge stays x = 0."""
        points = points.copy()
        if len(points):
            taller = size * self.size.deviation(text, _log_heights([points])[0])
            points[:, 1] *= np.exp(-taller)
            leaning = slant * self.slant.deviation(text, _slants([points])[0])
            points[:, 0] += leaning * points[:, 1]  # y grows downward
            points[:, 0] -= points[:, 0].min()
        return points


@dataclass
class _Letters:
    """How a measure of words depends on their letters. mean: of all words; weights: (features,); covariance: of them."""

    mean: float
    weights: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, values, texts):
        known = np.isfinite(values)
        features = np.array([_features(text) for text in texts])[known]
        values = values[known]
        mean = float(np.median(values)) if len(values) else 0.0
        prior = np.eye(N_FEATURES) / LETTERS_DEVIATION**2
        features = features.reshape(-1, N_FEATURES)
        covariance = np.linalg.inv(prior + features.T @ features / MOMENT_DEVIATION**2)
        return cls(
            mean, covariance @ features.T @ (values - mean) / MOMENT_DEVIATION**2, covariance
        )

    def deviation(self, text, value):
        """How much of a word's value the moment has most likely made; 0 where there is none, or it is out of all measure."""
        features = _features(text)
        unexplained = value - self.mean - features @ self.weights
        share = MOMENT_DEVIATION**2 / (MOMENT_DEVIATION**2 + features @ self.covariance @ features)
        return share * unexplained if abs(unexplained) <= LARGEST_CHANGE else 0.0


TALLNESSES = sorted({0.0, *style.TALLNESS.values()})
N_FEATURES = 128 + len(TALLNESSES)


def _features(text):
    """(N_FEATURES,) the share of each letter in a text, beyond ASCII several to a number, and how tall its tallest is."""
    features = np.zeros(N_FEATURES)
    for char in text:
        features[ord(char) % 128] += 1 / len(text)
    features[128 + TALLNESSES.index(style.tallest(text) or 0.0)] = 1
    return features


def _slants(inks):
    return np.tan(style.slants(inks))


def _log_heights(inks):
    tops = [-points[:, 1].min() if len(points) else 0.0 for points in inks]
    return np.array([np.log(top) if top > 0 else np.nan for top in tops])
