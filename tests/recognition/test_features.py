"""Directional feature images of ink."""

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
    count_columns,
    is_readable,
    rasterize,
)

GRID = FeatureGrid(0.01, 0.01, -0.3)


def line(angle, n=2, length=0.1):
    """A line of `n` points in the direction of `angle` (radians, y downward)."""
    along = np.linspace(0, length, n)[:, None]
    return join_strokes([along * (np.cos(angle), np.sin(angle)) + (0.0, -0.1)])


@pytest.mark.parametrize("eighth", range(8))
def test_each_direction_has_its_channel(eighth):
    ink = rasterize([line(eighth * np.pi / 4)], GRID)[0, :8].sum((1, 2))
    assert ink[eighth] == pytest.approx(10, rel=1e-3)  # pixels of a line of 0.1
    assert ink.sum() == pytest.approx(10, rel=1e-3)


def test_a_direction_between_two_is_shared():
    ink = rasterize([line(np.pi / 16)], GRID)[0, :8].sum((1, 2))
    assert ink[0] == pytest.approx(7.5, rel=1e-3) and ink[1] == pytest.approx(2.5, rel=1e-3)


def test_the_rate_of_points_and_the_order_of_strokes_do_not_matter(words):
    np.testing.assert_allclose(
        rasterize([line(0.3, 2)], GRID), rasterize([line(0.3, 15)], GRID), atol=0.06
    )
    points = next(word.points for word in words if len(split_strokes(word.points)) > 2)
    shuffled = join_strokes(split_strokes(points)[::-1])
    np.testing.assert_allclose(rasterize([points], GRID), rasterize([shuffled], GRID), atol=1e-5)
    whole, thinned = (rasterize([p], GRID)[0, :8].sum() for p in (points, downsample(points, 0.5)))
    assert thinned == pytest.approx(whole, rel=0.15)


def test_an_image_does_not_depend_on_its_neighbors(words):
    inks = [word.points for word in words[:6]] + [np.zeros((0, 3), np.float32)]
    together = rasterize(inks, GRID)
    for i, points in enumerate(inks):
        alone = rasterize([points], GRID)[0]
        np.testing.assert_allclose(together[i, :, :, : alone.shape[-1]], alone, atol=1e-6)
        assert not together[i, :, :, alone.shape[-1] :].any()


def test_strokes_begin_and_end_where_the_pen_comes_down_and_goes_up():
    points = join_strokes([np.array([[0.0, 0], [0.1, 0]]), np.array([[0.05, -0.2]])])
    image = rasterize([points], GRID)[0]
    begins, ends = np.zeros((2, *image.shape[1:]))
    # The last two are the dot.
    begins[30, MARGIN] = ends[30, MARGIN + 10] = begins[10, MARGIN + 5] = ends[10, MARGIN + 5] = 1
    np.testing.assert_allclose(image[[BEGINS, ENDS]], [begins, ends], atol=1e-3)


def test_ink_outside_the_grid_lies_at_its_edge_and_no_ink_is_a_blank_image():
    tall = join_strokes([np.array([[0.0, -5.0], [0.05, 5.0]])])
    image = rasterize([tall], GRID)
    assert image.shape == (1, CHANNELS, ROWS, count_columns(tall, GRID))
    assert np.isfinite(image).all()
    assert image[0, BEGINS, 0].any() and image[0, ENDS, ROWS - 1].any()
    assert not rasterize([np.zeros((0, 3))], GRID).any()


def test_ink_that_is_no_writing_is_told_before_it_takes_memory():
    zigzag = np.ones((50_000, 3), np.float32)
    zigzag[::2, :2] = -99
    for points in (
        np.zeros((0, 3)),
        np.array([[0, 0, 1], [3e38, 0, 0], [-3e38, 0, 0]], np.float32),
        np.array([[0, -1e30, 1], [0.1, 1e30, 0]]),
        zigzag,
    ):
        assert not is_readable(points, GRID)
    assert is_readable(np.array([[5.0, 5.0, 0]]), GRID)


def test_the_grid_suits_the_hand(words):
    grid = FeatureGrid.from_words(words)
    rows = (np.concatenate([word.points[:, 1] for word in words]) - grid.top) / grid.row
    assert ((rows >= 0) & (rows <= ROWS)).mean() > 0.995
    letters = sum(len(word.text) for word in words)
    columns = sum(np.ptp(word.points[:, 0]) for word in words) / grid.column
    assert columns / letters == pytest.approx(12, rel=0.01)
