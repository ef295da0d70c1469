"""Pictures of ink: python -m pytest tests/test_ink_image.py"""

import numpy as np
import pytest

from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import join_strokes, split_strokes
from cursivetransformer.recognition.features import (
    BEGINS,
    CHANNELS,
    ENDS,
    MARGIN,
    ROWS,
    FeatureGrid,
    columns,
    is_readable,
    picture,
)

FRAME = FeatureGrid(0.01, 0.01, -0.3)


def line(angle, n=2, length=0.1):
    """A line of `n` points in the direction of `angle` (radians, y downward)."""
    along = np.linspace(0, length, n)[:, None]
    return join_strokes([along * (np.cos(angle), np.sin(angle)) + (0.0, -0.1)])


@pytest.mark.parametrize("eighth", range(8))
def test_each_direction_has_its_channel(eighth):
    drawn = picture([line(eighth * np.pi / 4)], FRAME)[0, :8].sum((1, 2))
    assert drawn[eighth] == pytest.approx(10, rel=1e-3)  # pixels of a line of 0.1
    assert drawn.sum() == pytest.approx(10, rel=1e-3)


def test_a_direction_between_two_is_shared():
    drawn = picture([line(np.pi / 16)], FRAME)[0, :8].sum((1, 2))
    assert drawn[0] == pytest.approx(7.5, rel=1e-3) and drawn[1] == pytest.approx(2.5, rel=1e-3)


def test_the_rate_of_points_and_the_order_of_strokes_do_not_matter(words):
    np.testing.assert_allclose(
        picture([line(0.3, 2)], FRAME), picture([line(0.3, 15)], FRAME), atol=0.06
    )
    points = next(word.points for word in words if len(split_strokes(word.points)) > 2)
    shuffled = join_strokes(split_strokes(points)[::-1])
    np.testing.assert_allclose(picture([points], FRAME), picture([shuffled], FRAME), atol=1e-5)
    whole, thinned = (picture([p], FRAME)[0, :8].sum() for p in (points, downsample(points, 0.5)))
    assert thinned == pytest.approx(whole, rel=0.15)


def test_a_picture_does_not_depend_on_its_neighbours(words):
    inks = [word.points for word in words[:6]] + [np.zeros((0, 3), np.float32)]
    together = picture(inks, FRAME)
    for i, points in enumerate(inks):
        alone = picture([points], FRAME)[0]
        np.testing.assert_allclose(together[i, :, :, : alone.shape[-1]], alone, atol=1e-6)
        assert not together[i, :, :, alone.shape[-1] :].any()


def test_strokes_begin_and_end_where_the_pen_comes_down_and_goes_up():
    points = join_strokes([np.array([[0.0, 0], [0.1, 0]]), np.array([[0.05, -0.2]])])
    drawn = picture([points], FRAME)[0]
    begins, ends = np.zeros((2, *drawn.shape[1:]))
    begins[30, MARGIN] = ends[30, MARGIN + 10] = begins[10, MARGIN + 5] = ends[10, MARGIN + 5] = (
        1  # the last two are the dot
    )
    np.testing.assert_allclose(drawn[[BEGINS, ENDS]], [begins, ends], atol=1e-3)


def test_ink_outside_the_frame_lies_at_its_edge_and_none_is_no_picture():
    tall = join_strokes([np.array([[0.0, -5.0], [0.05, 5.0]])])
    drawn = picture([tall], FRAME)
    assert drawn.shape == (1, CHANNELS, ROWS, columns(tall, FRAME)) and np.isfinite(drawn).all()
    assert drawn[0, BEGINS, 0].any() and drawn[0, ENDS, ROWS - 1].any()
    assert not picture([np.zeros((0, 3))], FRAME).any()


def test_ink_that_is_no_writing_is_told_before_it_takes_memory():
    zigzag = np.ones((50_000, 3), np.float32)
    zigzag[::2, :2] = -99
    for points in (
        np.zeros((0, 3)),
        np.array([[0, 0, 1], [3e38, 0, 0], [-3e38, 0, 0]], np.float32),
        np.array([[0, -1e30, 1], [0.1, 1e30, 0]]),
        zigzag,
    ):
        assert not is_readable(points, FRAME)
    assert is_readable(np.array([[5.0, 5.0, 0]]), FRAME)


def test_the_frame_suits_the_hand(words):
    frame = FeatureGrid.around(words)
    rows = (np.concatenate([word.points[:, 1] for word in words]) - frame.top) / frame.row
    assert ((rows >= 0) & (rows <= ROWS)).mean() > 0.995
    letters = sum(len(word.text) for word in words)
    assert sum(
        np.ptp(word.points[:, 0]) for word in words
    ) / frame.column / letters == pytest.approx(12, rel=0.01)
