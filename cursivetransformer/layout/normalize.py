"""Even out the slant and size of words, which a model samples anew for every word. No torch.

The slant and the height of a word have three causes: its letters, the hand, and chance. Only chance
should be taken out. A Bayesian linear regression on the letters predicts the measure; the residual
is split between chance and what the regression does not know well enough
(C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cursivetransformer.ink import measures

# Standard deviation of the prior of a weight: how much words of one letter each differ in slant
# (dx per dy) or in log height.
LETTER_STD = 0.12
# Standard deviation of slant and of log height between versions of a word; generated words have
# 0.02 to 0.06.
NOISE_STD = 0.03
# A word that deviates more in slant or log height is misdrawn, and stays as it is.
MAX_DEVIATION = 0.3

TALLNESSES = sorted({0.0, *measures.NOMINAL_HEIGHTS.values()})
N_CHARACTER_BINS = 128
N_FEATURES = N_CHARACTER_BINS + len(TALLNESSES)


@dataclass
class HandStatistics:
    """What the words of a hand have in common.

    x_height: in canvas heights; slant, size: predict a word's slant (dx per dy) and the logarithm
    of its height above the baseline.
    """

    x_height: float
    slant: "_LetterRegression"
    size: "_LetterRegression"

    @classmethod
    def from_words(cls, inks: Sequence[np.ndarray], texts: Sequence[str]) -> "HandStatistics":
        """Measure the hand that wrote the inks (n, 3)."""
        return cls(
            measures.estimate_x_height(inks, texts) or measures.CANVAS_X_HEIGHT,
            _LetterRegression.fit(_slants(inks), texts),
            _LetterRegression.fit(_log_heights(inks), texts),
        )

    def normalize(
        self, points: np.ndarray, text: str, slant: float = 0.5, size: float = 0.5
    ) -> np.ndarray:
        """Return a word's points (n, 3) nearer to the hand, with the left edge at x = 0.

        Args:
            points: The ink of the word.
            text: Its text.
            slant: Fraction of the deviation in slant to take out.
            size: Fraction of the deviation in log height to take out.
        """
        points = points.copy()
        if not len(points):
            return points
        growth = size * self.size.deviation(text, _log_heights([points])[0])
        points[:, 1] *= np.exp(-growth)
        shear = slant * self.slant.deviation(text, _slants([points])[0])
        points[:, 0] += shear * points[:, 1]  # y grows downward
        points[:, 0] -= points[:, 0].min()
        return points


@dataclass
class _LetterRegression:
    """Bayesian linear regression of a measure of words on their letters.

    Weights have the prior N(0, LETTER_STD^2), and a measure has the noise N(0, NOISE_STD^2).

    mean: offset of the measure; weights (F,), covariance (F, F): of the posterior, Bishop's
    equations 3.53 and 3.54.
    """

    mean: float
    weights: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, texts: Sequence[str]) -> "_LetterRegression":
        """Fit the measured values (W,) of words with these texts; NaN is left out."""
        known = np.isfinite(values)
        features = np.array([_features(text) for text in texts])[known]
        features = features.reshape(-1, N_FEATURES)
        values = values[known]
        mean = float(np.median(values)) if len(values) else 0.0
        prior = np.eye(N_FEATURES) / LETTER_STD**2
        covariance = np.linalg.inv(prior + features.T @ features / NOISE_STD**2)
        weights = covariance @ features.T @ (values - mean) / NOISE_STD**2
        return cls(mean, weights, covariance)

    def deviation(self, text: str, value: float) -> float:
        """Return the expected noise in a word's value; 0 if the value is NaN or out of bounds.

        The residual's variance is that of the noise plus that of the prediction (Bishop's equation
        3.59), and the noise has its proportional part in the residual.
        """
        features = _features(text)
        residual = value - self.mean - features @ self.weights
        noise = NOISE_STD**2 / (NOISE_STD**2 + features @ self.covariance @ features)
        return noise * residual if abs(residual) <= MAX_DEVIATION else 0.0


def _features(text: str) -> np.ndarray:
    """Return the features of a text, (N_FEATURES,).

    They are the fraction of each letter, where letters beyond ASCII share bins, and the height of
    the tallest letter as a one-hot code.
    """
    features = np.zeros(N_FEATURES)
    for char in text:
        features[ord(char) % N_CHARACTER_BINS] += 1 / len(text)
    features[N_CHARACTER_BINS + TALLNESSES.index(measures.nominal_height(text) or 0.0)] = 1
    return features


def _slants(inks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the slant (dx per dy) of each ink, NaN where it has none."""
    return np.tan(measures.slants(inks))


def _log_heights(inks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the log height of each ink above the baseline, NaN where it has none."""
    tops = [-points[:, 1].min() if len(points) else 0.0 for points in inks]
    return np.array([np.log(top) if top > 0 else np.nan for top in tops])
