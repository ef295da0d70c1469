"""Curves through the points of strokes: Bezier curves, smoothing, flattening, resampling."""

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from cursivetransformer.ink import curves
from cursivetransformer.ink.strokes import join_strokes, split_strokes

CIRCLE = 10 * np.stack([np.cos(np.linspace(0, 5, 14)), np.sin(np.linspace(0, 5, 14))], 1)
STROKES = arrays.arrays(
    np.float64,
    strategies.tuples(strategies.integers(1, 12), strategies.just(2)),
    elements=strategies.floats(-50, 50).map(lambda value: round(value, 2)),
)


@hypothesis.given(STROKES)
def test_curves_go_through_the_points(stroke):
    pieces = curves.beziers(stroke)
    distinct = stroke[np.append(True, np.diff(stroke, axis=0).any(axis=1))]
    assert len(pieces) == len(distinct) - 1
    if len(pieces):
        np.testing.assert_allclose(
            np.concatenate([pieces[:, 0], pieces[-1:, 3]]), distinct, atol=1e-9
        )


def test_curves_have_no_corners_but_real_ones():
    pieces = curves.beziers(CIRCLE)
    into, out = pieces[:-1, 3] - pieces[:-1, 2], pieces[1:, 1] - pieces[1:, 0]
    cosines = (into * out).sum(1) / np.hypot(*into.T) / np.hypot(*out.T)
    assert cosines.min() > 0.9999
    dense = curves.flatten(CIRCLE, 0.001).xy
    assert np.abs(np.hypot(*dense.T) - 10).max() < 0.15, "the polygon itself is off by 0.18"
    sharp = curves.beziers(np.array([[0, 0], [5, 0], [0, 1.0]]))
    # Both pieces of a corner are straight.
    for curve in sharp:
        chord = curve[3] - curve[0]
        assert np.abs(np.cross(np.append(chord, 0), np.append(curve[1] - curve[0], 0))[2]) < 1e-9


def test_what_wavers_is_smoothed_and_what_bends_or_turns_is_not():
    angles, rng = np.linspace(0, 9, 40), np.random.default_rng(0)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    wavering = circle + rng.normal(0, 0.03, circle.shape)
    smooth = split_strokes(curves.smooth(join_strokes([wavering])))[0]
    error = [np.sqrt(((stroke - circle)[2:-2] ** 2).mean()) for stroke in (wavering, smooth)]
    assert error[1] < 0.8 * error[0]
    assert np.abs(split_strokes(curves.smooth(join_strokes([circle])))[0] - circle).max() < 0.001
    zigzag = np.array([[0, 0], [1, 2], [2, 0], [3, 2], [4, 0], [5, 2.0], [6, 0]])
    for stroke in (zigzag, circle[:4]):
        np.testing.assert_allclose(
            split_strokes(curves.smooth(join_strokes([stroke])))[0], stroke, atol=1e-6
        )
    np.testing.assert_array_equal(
        smooth[[0, 1, -2, -1]], wavering[[0, 1, -2, -1]].astype(np.float32)
    )
    assert len(curves.smooth(np.zeros((0, 3), np.float32))) == 0


@hypothesis.given(STROKES)
def test_flat_pieces_stay_near_the_curve(stroke):
    path, fine = curves.flatten(stroke, 0.05), curves.flatten(stroke, 0.0005)
    assert (np.diff(path.at) >= 0).all() and path.at[0] == 0
    np.testing.assert_array_equal(path.xy[0], stroke[0])
    np.testing.assert_array_equal(path.xy[-1], stroke[-1])
    if len(path.xy) > 1:
        a, b = path.xy[:-1], path.xy[1:]
        for point in fine.xy[:: max(1, len(fine.xy) // 50)]:
            t = np.clip(
                ((point - a) * (b - a)).sum(1) / np.maximum(((b - a) ** 2).sum(1), 1e-12), 0, 1
            )[:, None]
            assert np.hypot(*(a + t * (b - a) - point).T).min() < 0.052


@hypothesis.given(strategies.lists(STROKES, min_size=1, max_size=4), strategies.integers(1, 4))
def test_resampled_ink_is_the_same_ink(strokes, factor):
    points = join_strokes(strokes)
    more = curves.resample(points, factor)
    assert np.array_equal(
        [len(s) for s in split_strokes(more)],
        [
            (len(s) - 1) * factor + 1 if np.diff(s, axis=0).any() else len(s)
            for s in split_strokes(points)
        ],
    )
    for old, new in zip(split_strokes(points), split_strokes(more)):
        if np.diff(old, axis=0).any(axis=1).all():  # where the pen rests, time is spread
            np.testing.assert_allclose(new[::factor], old, atol=1e-3)
