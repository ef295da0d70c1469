"""Widths, outlines and times of strokes."""

import numpy as np
import pytest

from cursivetransformer.ink import curves
from cursivetransformer.ink.strokes import join_strokes
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.render import brush
from tests.made_up_page import settings

CIRCLE = 10 * np.stack([np.cos(np.linspace(0, 5, 14)), np.sin(np.linspace(0, 5, 14))], 1)


def test_slow_ink_is_wide_and_fast_ink_thin():
    x = np.cumsum(np.concatenate([np.full(20, 0.2), np.full(20, 1.0)]))
    stroke = np.stack([x, 0 * x], 1)
    path, usual = curves.flatten(stroke), brush.usual_step([stroke])
    width = brush.widths(stroke, path, 0.5, 0.6, usual)
    slow, fast = (np.interp(where, path.xy[:, 0], width) for where in (2, 15))
    assert (
        slow > 1.3 * fast
        and width.max() <= 0.5 * brush.MAX_WIDTH
        and width.min() > 0.5 * brush.MIN_WIDTH * brush.TAPER
    )
    assert width[0] < slow and width[-1] < fast, "the ends taper"
    assert set(brush.widths(stroke, path, 0.5, 0.0, usual)) == {0.5}
    assert brush.widths(stroke[:1], curves.flatten(stroke[:1]), 0.5, 0.5, usual).tolist() == [
        0.5 * brush.DOT
    ]
    assert brush.usual_step([stroke[:1]]) is None


def inks_of(words, **style):
    return list(brush.word_inks(words, settings(strokes="outline", **style)))


def test_no_two_strokes_are_quite_alike_and_the_same_seed_draws_the_same():
    line = np.stack([np.linspace(0, 20, 60), np.zeros(60)], 1)
    words = [word("a", line), word("b", line, line)]
    width = [width for inks in inks_of(words, swell=0.0, ink_jitter=0.08) for _, width in inks]
    assert all(0.02 < np.log(one / 0.3).std() < 0.16 for one in width), "along a stroke"
    assert all(np.abs(np.diff(one)).max() < 0.15 * 0.3 for one in width), "without steps"
    assert 0 < np.abs(width[1] / width[2] - 1).max() < 0.8, "from stroke to stroke"
    ends = np.log([one[[0, -1]] / np.median(one) for one in width])
    assert np.abs(ends).max() > 0.05, "where a stroke starts and ends"
    again, other = (inks_of(words, swell=0.0, ink_jitter=0.08, seed=seed) for seed in (0, 1))
    assert np.array_equal(again[1][1][1], width[2]) and not np.array_equal(other[1][1][1], width[2])
    # Another word's strokes change nothing, so a word written again leaves the others alone.
    more = inks_of([word("a", line, line), words[1]], swell=0.0, ink_jitter=0.08)
    assert np.array_equal(more[1][1][1], width[2])


def test_a_machine_s_lines_and_ink_without_jitter_are_even():
    words = [word("a", CIRCLE, CIRCLE[:1])]
    for style in (dict(strokes="line"), dict(strokes="outline", swell=0.0, ink_jitter=0.0)):
        ((circle, dot),) = brush.word_inks(words, settings(pen_width=0.4, **style))
        assert set(circle[1]) == {0.4} and dot[1].tolist() == [0.4 * brush.DOT]


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
    corners = brush.outline(path, np.full(len(path.xy), 0.8))
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
    times = brush.timing([first, second], pace=3.0)
    assert times.end == pytest.approx(6 / 3)
    assert [len(when) for when in times.strokes] == [14, 3, 14]
    flat = np.concatenate(times.strokes)
    assert (np.diff(flat) > 0).all() and flat[0] == 0
    steps = [np.diff(when) for when in times.strokes]
    np.testing.assert_allclose(np.concatenate(steps), steps[0][0])
    assert times.strokes[2][0] - times.strokes[1][-1] > steps[0][0], (
        "a lifted pen takes its time too"
    )
    assert brush.timing([word(".", np.array([[1.0, 1.0]]))], 4.0).end == 0
