"""Variation of ink: dropped points and random transforms."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cursivetransformer.ink.augment import (
    downsample,
    sample_transforms,
    transform,
)
from cursivetransformer.ink.strokes import join_strokes, split_strokes


def test_every_stroke_keeps_its_first_and_last_point(words):
    for word in words[:200]:
        before, after = split_strokes(word.points), split_strokes(downsample(word.points, 0.65))
        assert len(before) == len(after)
        for a, b in zip(before, after):
            np.testing.assert_array_equal(a[[0, -1]], b[[0, -1]])


def test_the_share_that_is_dropped_is_the_rate(real_words):
    before = sum(len(word.points) for word in real_words)
    after = sum(len(downsample(word.points, 0.65)) for word in real_words)
    assert abs(after / before - 0.35) < 0.01


def test_a_dot_survives():
    dot = join_strokes([np.array([[0.3, -0.4]])])
    np.testing.assert_array_equal(downsample(dot, 0.9), dot)


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 0.8), st.floats(0, 0.5))
@settings(max_examples=50)
def test_transforms_are_what_their_widths_say(seed, shear, scale, rotation):
    matrices = sample_transforms(np.random.default_rng(seed), 20, shear, scale, rotation).astype(
        float
    )
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    angle, scale_x = np.arctan2(b, a), np.hypot(a, b)
    assert (np.abs(angle) <= rotation / 2 + 1e-6).all()
    assert (np.abs(scale_x - 1) <= scale / 2 + 1e-6).all()
    # The image of (0, 1), turned back.
    x = c * np.cos(angle) + d * np.sin(angle)
    y = -c * np.sin(angle) + d * np.cos(angle)
    assert (np.abs(y - 1) <= scale / 2 + 1e-6).all()
    assert (np.abs(x / y) <= shear / 2 + 1e-6).all()


def test_same_seed_same_transforms():
    draws = [sample_transforms(np.random.default_rng(3), 5, 0.4, 0.2, 0.04) for _ in range(2)]
    np.testing.assert_array_equal(*draws)


def test_a_transformed_word_starts_at_its_left_edge(made_up_words):
    matrix = sample_transforms(np.random.default_rng(1), 1, 0.4, 0.2, 0.04)[0]
    moved = transform(made_up_words[0].points, matrix)
    assert moved[:, 0].min() == 0
    np.testing.assert_array_equal(moved[:, 2], made_up_words[0].points[:, 2])
