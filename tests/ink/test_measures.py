"""Measures of style: python -m pytest tests/test_style.py"""

import numpy as np
import pytest

from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.measures import (
    MEASURES,
    distance,
    heights,
    measure,
    respaced,
    slants,
    spread_within,
    wasserstein,
    x_height,
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
    leaning = ink(
        [[(0, 0), (0.1, -0.4)], [(0.5, 0), (0.4, 0.0)]]
    )  # up and to the right; then a level stroke, which has no slant
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
    spread = respaced(np.array([[0.0, 0], [0.001, 0], [0.1, 0]]))
    assert np.allclose(np.diff(spread[:, 0]), np.diff(spread[:, 0])[0]) and spread[
        -1, 0
    ] == pytest.approx(0.1)
    assert respaced(np.array([[0.3, 0.2], [0.3, 0.2]])).tolist() == [[0.3, 0.2]]


def test_no_ink_has_no_measures_and_no_distance():
    nothing = measure([np.zeros((0, 3))], ["a"])
    dot = measure([np.array([[0.0, -0.1, 0]])], ["."])
    assert list(nothing) == list(MEASURES) and not any(
        len(values) for values, _ in nothing.values()
    )
    assert set(distance(nothing, dot).values()) == {None}


def test_the_spread_within_hands_leaves_out_how_hands_differ():
    values, hands = np.array([1.0, 2, 11, 12, np.nan, 50]), [1, 1, 2, 2, 2, 3]
    assert spread_within(values, hands) == pytest.approx(np.sqrt(0.5))
    assert spread_within(values[:1], [1]) is None
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
    assert (
        0.07 < gained.mean() < 0.11 and gained.std() < 0.02
    )  # not just so much, since points at even distances are others then


def test_the_x_height_is_found_whatever_the_words(real_words):
    """Of short letters alone, of tall ones alone, and of all: within a quarter of one another."""
    words = real_words
    short = [word for word in words if set(word.text) <= set("aceomnrsuvwxz")]
    tall = [word for word in words if set(word.text) & set("bdhklf") and word.text.islower()]
    sizes = [
        x_height([word.points for word in some], [word.text for word in some])
        for some in (words, tall)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.25)
    assert len(short) > 5
    assert x_height(
        [word.points for word in short], [word.text for word in short]
    ) == pytest.approx(sizes[0], rel=0.25)
    assert x_height([words[0].points], ["..."]) is None


def test_a_low_word_in_quotes_or_parentheses_is_no_low_word():
    """Regression: words like "sun" with its quotes counted as low ones, as high as their quotes, and where a bank had few low words its hand
    was taken for half as large again as it is."""
    from cursivetransformer.synthesis.fonts import load_fonts
    from cursivetransformer.synthesis.synthesizer import make_hands, write_word

    writer, rng = make_hands(load_fonts("own"), 1)[0], np.random.default_rng(0)
    for form in ('"%s"', "(%s)", "%s!", "'%s,'", "%s."):
        texts = [form % text for text in ("raven", "cosmos", "avenues", "runner", "monsoon")]
        assert x_height(
            [write_word(writer, text, rng).points for text in texts], texts
        ) == pytest.approx(writer.parameters.x_height, rel=0.25), form


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
            assert x_height(inks, texts) == pytest.approx(writer.parameters.x_height, rel=within)
