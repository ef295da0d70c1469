"""Strong variation of ink for recognizers."""

import numpy as np

from cursivetransformer.ink import distort as distorting
from cursivetransformer.ink.distort import distort, rejoin, side_by_side, thin
from cursivetransformer.ink.strokes import split_strokes


def test_distorted_ink_is_ink_and_the_same_seed_the_same(words):
    for i, word in enumerate(words[:40]):
        points = distort(word.points, np.random.default_rng(i))
        assert (
            points.shape[1] == 3
            and np.isfinite(points).all()
            and points[:, 0].min() == 0
            and points[-1, 2] == 0
        )
        assert np.array_equal(points, distort(word.points, np.random.default_rng(i)))
        # It is still the same word.
        assert np.abs(points[:, :2]).max() < 2 * np.abs(word.points[:, :2]).max() + 0.5
    assert not np.array_equal(
        distort(words[0].points, np.random.default_rng(0)),
        distort(words[0].points, np.random.default_rng(1)),
    )


def test_thinning_keeps_the_ends_of_strokes_and_differs_from_place_to_place(words):
    rng, shares = np.random.default_rng(0), []
    for word in words[:40]:
        thinned = thin(word.points, rng)
        for before, after in zip(split_strokes(word.points), split_strokes(thinned), strict=True):
            assert np.array_equal(before[[0, -1]], after[[0, -1]])
        shares.append(len(thinned) / len(word.points))
    assert min(shares) < 0.5 and max(shares) > 0.8


def test_only_near_strokes_are_joined_and_a_few_broken(words, monkeypatch):
    monkeypatch.setattr(distorting, "BREAK_PROBABILITY", 0)
    monkeypatch.setattr(distorting, "JOIN_PROBABILITY", 1)
    points = next(word.points for word in words if (word.points[:, 2] == 0).sum() > 2)
    ends = np.flatnonzero(points[:-1, 2] == 0)
    far = ends[
        np.hypot(*(points[ends + 1, :2] - points[ends, :2]).T) >= distorting.MAX_JOIN_DISTANCE
    ]
    np.testing.assert_array_equal(
        np.flatnonzero(rejoin(points, np.random.default_rng(0))[:-1, 2] == 0), far
    )
    monkeypatch.setattr(distorting, "JOIN_PROBABILITY", 0)
    monkeypatch.setattr(distorting, "BREAK_PROBABILITY", 1)
    broken = [(rejoin(points, np.random.default_rng(seed))[:, 2] == 0).mean() for seed in range(20)]
    assert max(broken) == 1 and min(broken) == (points[:, 2] == 0).mean()


def test_words_stand_side_by_side_with_a_gap_and_a_space(words):
    two = [words[0].points, words[1].points]
    points, text = side_by_side(two, [words[0].text, words[1].text], np.random.default_rng(0))
    first, second = points[: len(two[0])], points[len(two[0]) :]
    assert np.array_equal(first, two[0]) and text == f"{words[0].text} {words[1].text}"
    gap = second[:, 0].min() - first[:, 0].max()
    assert distorting.GAPS[0] <= gap + 1e-6 and gap <= distorting.GAPS[1]
    assert np.array_equal(two[0], words[0].points)  # the words themselves are not moved
