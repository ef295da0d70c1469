"""Curves, widths, outlines and times."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from cursivetransformer.ink import curves
from cursivetransformer.ink.strokes import join_strokes, split_strokes
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.render import brush as pen

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
    smooth = split_strokes(curves.smoothed(join_strokes([wavering])))[0]
    error = [np.sqrt(((stroke - circle)[2:-2] ** 2).mean()) for stroke in (wavering, smooth)]
    assert error[1] < 0.8 * error[0]
    assert np.abs(split_strokes(curves.smoothed(join_strokes([circle])))[0] - circle).max() < 0.001
    zigzag = np.array([[0, 0], [1, 2], [2, 0], [3, 2], [4, 0], [5, 2.0], [6, 0]])
    for stroke in (zigzag, circle[:4]):
        np.testing.assert_allclose(
            split_strokes(curves.smoothed(join_strokes([stroke])))[0], stroke, atol=1e-6
        )
    np.testing.assert_array_equal(
        smooth[[0, 1, -2, -1]], wavering[[0, 1, -2, -1]].astype(np.float32)
    )
    assert len(curves.smoothed(np.zeros((0, 3), np.float32))) == 0


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


def test_slow_ink_is_wide_and_fast_ink_thin():
    x = np.cumsum(np.concatenate([np.full(20, 0.2), np.full(20, 1.0)]))
    stroke = np.stack([x, 0 * x], 1)
    path, usual = curves.flatten(stroke), pen.usual_step([stroke])
    width = pen.widths(stroke, path, 0.5, 0.6, usual)
    slow, fast = (np.interp(where, path.xy[:, 0], width) for where in (2, 15))
    assert (
        slow > 1.3 * fast
        and width.max() <= 0.5 * pen.MAX_WIDTH
        and width.min() > 0.5 * pen.MIN_WIDTH * pen.TAPER
    )
    assert width[0] < slow and width[-1] < fast, "the ends taper"
    assert set(pen.widths(stroke, path, 0.5, 0.0, usual)) == {0.5}
    assert pen.widths(stroke[:1], curves.flatten(stroke[:1]), 0.5, 0.5, usual).tolist() == [
        0.5 * pen.DOT
    ]
    assert pen.usual_step([stroke[:1]]) is None


def winding(corners, points):
    """(n,) how often a closed shape goes around each of (n, 2) points."""
    rays = corners[None] - points[:, None]
    angles = np.arctan2(rays[..., 1], rays[..., 0])
    turns = (np.diff(angles, axis=1, append=angles[:, :1]) + np.pi) % (2 * np.pi) - np.pi
    return np.rint(turns.sum(1) / (2 * np.pi)).astype(int)


@pytest.mark.parametrize(
    "stroke",
    [
        np.array([[0, 0], [5, 0], [10, 1.0]]),
        np.array([[0, 0], [5, 0], [0.2, 0.1], [3, 3.0]]),
        CIRCLE,
        CIRCLE[::-1] * 0.05,
        np.array([[1, 1.0]]),
        np.array([[0, 0], [2, 0], [0, 0], [2, 0.0]]),
    ],
)
def test_an_outline_covers_what_the_pen_does_and_nothing_else(stroke):
    path = curves.flatten(stroke, 0.005)
    corners = pen.outline(path, np.full(len(path.xy), 0.8))
    grid = np.stack(
        np.meshgrid(
            np.linspace(
                *stroke[:, 0][[stroke[:, 0].argmin(), stroke[:, 0].argmax()]] + (-1, 1), 60
            ),
            np.linspace(
                *stroke[:, 1][[stroke[:, 1].argmin(), stroke[:, 1].argmax()]] + (-1, 1), 60
            ),
        ),
        -1,
    ).reshape(-1, 2)
    a, b = path.xy[:-1], path.xy[1:]
    if len(a):
        t = np.clip(
            ((grid[:, None] - a) * (b - a)).sum(2) / np.maximum(((b - a) ** 2).sum(1), 1e-12), 0, 1
        )[..., None]
        distance = np.linalg.norm(a + t * (b - a) - grid[:, None], axis=2).min(1)
    else:
        distance = np.hypot(*(grid - path.xy[0]).T)
    inside = winding(np.concatenate([corners, corners[:1]]), grid) != 0
    assert inside[distance < 0.37].all() and not inside[distance > 0.41].any()


def word(text, *strokes, x=0.0):
    return PlacedWord(text, join_strokes(strokes), x=x)


def test_time_passes_as_a_hand_takes_it():
    first, second = word("ab", CIRCLE, CIRCLE[:3]), word("cdef", CIRCLE * 1.01, x=30.0)
    times = pen.timing([first, second], pace=3.0)
    assert times.end == pytest.approx(6 / 3)
    assert [len(when) for when in times.strokes] == [14, 3, 14]
    flat = np.concatenate(times.strokes)
    assert (np.diff(flat) > 0).all() and flat[0] == 0
    steps = [np.diff(when) for when in times.strokes]
    np.testing.assert_allclose(np.concatenate(steps), steps[0][0])
    assert times.strokes[2][0] - times.strokes[1][-1] > steps[0][0], (
        "a lifted pen takes its time too"
    )
    assert pen.timing([word(".", np.array([[1.0, 1.0]]))], 4.0).end == 0


@hypothesis.given(strategies.lists(STROKES, min_size=1, max_size=4), strategies.integers(1, 4))
def test_resampled_ink_is_the_same_ink(strokes, factor):
    points = join_strokes(strokes)
    more = curves.resampled(points, factor)
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
