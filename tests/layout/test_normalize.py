"""Normalization of slant and size."""

import numpy as np
import pytest

from cursivetransformer.ink import measures
from cursivetransformer.ink.measures import CANVAS_X_HEIGHT
from cursivetransformer.layout.normalize import HandStatistics

TEXTS = ["one", "sum", "bold", "van", "tall", "row", "new", "hill", "x", "Moon"]
# Slants of letters that differ from the hand's.
LETTER_SLANTS = {"h": 0.15, "l": 0.1, "w": -0.1, "x": -0.2}


def written(rng, copies=12, noise=0.04):
    """Return inks and texts of words of steep lines.

    Their slant is that of the hand, of their letters, and of chance; their height that of their
    letters and of chance.
    """
    inks, texts = [], TEXTS * copies
    for text in texts:
        slant = 0.2 + np.mean([LETTER_SLANTS.get(char, 0) for char in text]) + rng.normal(0, noise)
        y = (
            -0.15
            * measures.nominal_height(text)
            * np.exp(rng.normal(0, noise))
            * np.tile(np.abs(np.linspace(-1, 1, 21)), len(text))
        )
        x = np.linspace(0, 0.1 * len(text), len(y)) - slant * y
        inks.append(
            np.column_stack([x - x.min(), y, np.arange(len(y)) < len(y) - 1]).astype(np.float32)
        )
    return inks, texts


def spreads(inks, texts):
    """Return the spread of slant and log height within texts, and each text's mean slant."""
    values = np.array(
        [np.tan(measures.slants(inks)), np.log([-points[:, 1].min() for points in inks])]
    )
    values = values.reshape(2, -1, len(TEXTS))
    return np.sqrt(values.var(axis=1).mean(axis=1)), values[0].mean(axis=0)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_what_chance_made_is_taken_out_by_that_share_and_what_letters_made_stays(fraction):
    inks, texts = written(np.random.default_rng(0))
    hand = HandStatistics.from_words(inks, texts)
    more = written(np.random.default_rng(1))[0]  # other words of that hand
    for some in (inks, more):
        normalized = [
            hand.normalize(points, text, fraction, fraction) for points, text in zip(some, texts)
        ]
        (before, slants), (after, evened_slants) = spreads(some, texts), spreads(normalized, texts)
        np.testing.assert_allclose(after / before, 1 - fraction, atol=0.15)
        np.testing.assert_allclose(evened_slants, slants, atol=0.03)
        assert np.ptp(slants) > 0.2
        assert all(points[:, 0].min() == pytest.approx(0, abs=1e-6) for points in normalized)
        assert fraction or all(np.array_equal(a, b) for a, b in zip(some, normalized))


def test_of_few_words_little_is_known_and_little_is_changed():
    inks, texts = written(np.random.default_rng(0), copies=1)
    hand = HandStatistics.from_words(inks, texts)
    changes = [
        np.abs(hand.normalize(points, text, 1, 1)[:, 1] - points[:, 1]).max()
        / np.abs(points[:, 1]).max()
        for points, text in zip(inks, texts)
    ]
    assert 0 < np.median(changes) < 0.03
    (_, slants), (_, normalized) = (
        spreads(inks, texts),
        spreads([hand.normalize(points, text, 1, 1) for points, text in zip(inks, texts)], texts),
    )
    assert np.abs(normalized - slants).max() < 0.12 and np.ptp(normalized) > 0.15


def test_what_is_another_thing_than_uneven_is_left_alone():
    inks, texts = written(np.random.default_rng(0))
    hand = HandStatistics.from_words(inks, texts)
    comma = np.array([[0, 0, 1], [-0.02 + 0.02, 0.05, 0]], np.float32)
    np.testing.assert_allclose(hand.normalize(comma, ",", 1, 1), comma, atol=0.02)
    # A fifth as high: misdrawn, and not to be enlarged.
    lying = inks[0] * np.array([1, 0.2, 1], np.float32)
    assert -hand.normalize(lying, texts[0], 0, 1)[:, 1].min() == pytest.approx(-lying[:, 1].min())
    nothing = np.zeros((0, 3), np.float32)
    assert len(hand.normalize(nothing, "x")) == 0


def test_a_hand_of_dots_has_a_size_too():
    dots = [np.array([[0, -0.1, 0]], np.float32)] * 3
    hand = HandStatistics.from_words(dots, ["."] * 3)
    assert hand.x_height == CANVAS_X_HEIGHT and np.isfinite(hand.normalize(dots[0], ".")).all()


def test_real_ink_written_on_the_slant_now_and_then_is_evened(real_words):
    words = [word for word in real_words[:400] if len(word.text) > 3]
    rng = np.random.default_rng(0)
    shears = rng.normal(0, 0.08, len(words))
    inks, texts = [], [word.text for word in words]
    for word, shear in zip(words, shears):
        points = word.points.copy()
        points[:, 0] -= shear * points[:, 1]
        inks.append(points)
    hand = HandStatistics.from_words(inks, texts)
    normalized = [hand.normalize(points, text, 1, 0) for points, text in zip(inks, texts)]
    taken = np.tan(measures.slants(inks)) - np.tan(measures.slants(normalized))
    assert np.corrcoef(taken, shears)[0, 1] > 0.75 and np.polyfit(shears, taken, 1)[0] > 0.4
