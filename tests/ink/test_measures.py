"""Measures of style, sizes and slants."""

import numpy as np
import pytest

from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.measures import (
    MEASURES,
    distance,
    estimate_x_height,
    heights,
    measure,
    pooled_std,
    resample_evenly,
    slants,
    wasserstein,
)
from cursivetransformer.ink.strokes import join_strokes


def ink(strokes):
    return join_strokes([np.array(stroke, float) for stroke in strokes])


def means(inks, texts):
    return {
        name: np.average(values, weights=weights)
        for name, (values, weights) in measure(inks, texts).items()
        if len(values)
    }


def test_the_measures_are_what_they_say():
    # Up and to the right; then a level stroke, which has no slant.
    leaning = ink([[(0, 0), (0.1, -0.4)], [(0.5, 0), (0.4, 0.0)]])
    m = means([leaning], ["ab"])
    assert m["slant"] == pytest.approx(np.arctan(0.25)) and m["height"] == pytest.approx(
        0.4, abs=1e-6
    )
    assert (
        m["stroke length"] == pytest.approx((np.hypot(0.1, 0.4) + 0.1) / 2) and m["pen lifts"] == 1
    )
    assert m["curvature"] == pytest.approx(0, abs=1e-4)
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = ink([np.column_stack([0.2 * np.cos(turn), 0.2 * np.sin(turn)])])
    assert means([circle], ["o"])["curvature"] == pytest.approx(1 / 0.2, rel=0.05)


def test_a_shear_moves_the_slant_alone(words):
    inks, texts = [word.points for word in words[:40]], [word.text for word in words[:40]]
    sheared = [np.column_stack([p[:, 0] - 0.1 * p[:, 1], p[:, 1:]]) for p in inks]
    moved = distance(measure(sheared, texts), measure(inks, texts))
    assert moved["slant"] > 0.05 and moved["height"] == moved["pen lifts"] == 0
    assert all(
        value == 0 for value in distance(measure(inks, texts), measure(inks, texts)).values()
    )


def test_the_rate_of_points_hardly_counts(real_words):
    inks, texts = [word.points for word in real_words[:60]], [word.text for word in real_words[:60]]
    thinned = distance(measure([downsample(p, 0.3) for p in inks], texts), measure(inks, texts))
    assert max(thinned[name] for name in ("slant", "height", "stroke length", "pen lifts")) < 0.1


def test_wasserstein_is_the_area_between_cumulative_distributions():
    rng = np.random.default_rng(0)
    a, one = rng.normal(size=500), np.ones(500)
    assert wasserstein(a, one, a + 0.7, one) == pytest.approx(0.7)
    assert wasserstein(a, one, a, one) == 0
    assert wasserstein(
        np.array([0.0, 1]), np.array([3.0, 1]), np.array([0.0]), np.array([5.0])
    ) == pytest.approx(0.25)


def test_points_are_spread_evenly_and_a_dot_stays_one():
    spread = resample_evenly(np.array([[0.0, 0], [0.001, 0], [0.1, 0]]))
    assert np.allclose(np.diff(spread[:, 0]), np.diff(spread[:, 0])[0]) and spread[
        -1, 0
    ] == pytest.approx(0.1)
    assert resample_evenly(np.array([[0.3, 0.2], [0.3, 0.2]])).tolist() == [[0.3, 0.2]]


def test_no_ink_has_no_measures_and_no_distance():
    nothing = measure([np.zeros((0, 3))], ["a"])
    dot = measure([np.array([[0.0, -0.1, 0]])], ["."])
    assert list(nothing) == list(MEASURES) and not any(
        len(values) for values, _ in nothing.values()
    )
    assert set(distance(nothing, dot).values()) == {None}


def test_the_spread_within_hands_leaves_out_how_hands_differ():
    values, hands = np.array([1.0, 2, 11, 12, np.nan, 50]), [1, 1, 2, 2, 2, 3]
    assert pooled_std(values, hands) == pytest.approx(np.sqrt(0.5))
    assert pooled_std(values[:1], [1]) is None
    steep = np.array([[0, 0, 1], [0.1, -0.3, 0]], np.float32)
    flat = np.array([[0, 0, 1], [0.3, -0.01, 0]], np.float32)
    leaning = slants([steep, flat, np.zeros((0, 3))])
    assert leaning[0] == pytest.approx(np.arctan(1 / 3), abs=1e-6) and np.isnan(leaning[1:]).all()
    np.testing.assert_allclose(heights([steep, np.zeros((0, 3))]), [0.3, np.nan], rtol=1e-6)


def test_a_word_slants_more_when_it_is_sheared(words):
    inks = [word.points for word in words[:60] if len(word.text) > 2]
    sheared = [
        np.column_stack([points[:, 0] - 0.1 * points[:, 1], points[:, 1:]]) for points in inks
    ]
    gained = np.tan(slants(sheared)) - np.tan(slants(inks))
    # Not 0.1 exactly, since sheared ink is resampled at other points.
    assert 0.07 < gained.mean() < 0.11 and gained.std() < 0.02


def test_the_x_height_is_found_whatever_the_words(real_words):
    """Estimates from low words alone, from tall ones alone, and from all agree within a quarter."""
    short = [word for word in real_words if set(word.text) <= set("aceomnrsuvwxz")]
    tall = [word for word in real_words if set(word.text) & set("bdhklf") and word.text.islower()]
    of_all, of_tall, of_short = (
        estimate_x_height([word.points for word in words], [word.text for word in words])
        for words in (real_words, tall, short)
    )
    assert of_tall == pytest.approx(of_all, rel=0.25)
    assert len(short) > 5
    assert of_short == pytest.approx(of_all, rel=0.25)
    assert estimate_x_height([real_words[0].points], ["..."]) is None


def test_a_low_word_in_quotes_or_parentheses_is_no_low_word():
    """Regression: a low word in quotes counted as low although quotes are tall.

    In a bank with few low words, the estimate was half as large again as the hand's x-height.
    """
    from cursivetransformer.synthesis.fonts import load_fonts
    from cursivetransformer.synthesis.synthesizer import make_hands, write_word

    writer, rng = make_hands(load_fonts("own"), 1)[0], np.random.default_rng(0)
    for form in ('"%s"', "(%s)", "%s!", "'%s,'", "%s."):
        texts = [form % text for text in ("raven", "cosmos", "avenues", "runner", "monsoon")]
        inks = [write_word(writer, text, rng).points for text in texts]
        expected = pytest.approx(writer.parameters.x_height, rel=0.25)
        assert estimate_x_height(inks, texts) == expected, form


def test_the_x_height_of_synthetic_hands_is_what_they_mean_to_write():
    from cursivetransformer.synthesis.fonts import load_fonts
    from cursivetransformer.synthesis.synthesizer import make_hands, write_word

    for writer in make_hands(load_fonts("own"), 8):
        for texts, within in (
            (["some", "near", "van", "we"], 0.25),
            (["some", "near", "van", "Kelly", "high", "bold", "fifty"], 0.25),
            (["bold", "Kelly", "high"], 0.5),
        ):
            inks = [
                write_word(writer, text, np.random.default_rng(i)).points
                for i, text in enumerate(texts)
            ]
            assert estimate_x_height(inks, texts) == pytest.approx(
                writer.parameters.x_height, rel=within
            )
