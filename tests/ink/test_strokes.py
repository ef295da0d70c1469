"""Conversions of points, strokes and offsets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cursivetransformer.ink.strokes import (
    join_strokes,
    kept_counts,
    kept_indices,
    offsets_to_points,
    offsets_to_polar,
    points_to_offsets,
    polar_to_offsets,
    ragged_arange,
    split_strokes,
)

coordinates = st.floats(-5, 5, width=32)
strokes = st.lists(
    st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=30), min_size=1, max_size=6
)


def as_points(drawn):
    return join_strokes([np.array(stroke, np.float32).reshape(-1, 2) for stroke in drawn])


@given(strokes)
def test_points_to_offsets_and_back(drawn):
    points = as_points(drawn)
    again = offsets_to_points(points_to_offsets(points))
    np.testing.assert_allclose(again, points, atol=1e-4)
    np.testing.assert_array_equal(again[:, 2], points[:, 2])


@given(strokes)
def test_offsets_to_polar_and_back(drawn):
    offsets = points_to_offsets(as_points(drawn))
    polar = offsets_to_polar(offsets)
    assert (polar[:, 0] >= 0).all() and np.isfinite(polar).all()
    np.testing.assert_allclose(polar_to_offsets(polar), offsets, atol=1e-5)


@given(strokes)
def test_strokes_split_and_join(drawn):
    points = as_points(drawn)
    parts = split_strokes(points)
    assert [len(part) for part in parts] == [len(stroke) for stroke in drawn]
    np.testing.assert_array_equal(join_strokes(parts), points)


@given(st.lists(st.integers(0, 9)))
def test_ragged_arange_counts_each_part_from_zero(counts):
    expected = [i for n in counts for i in range(n)]
    assert ragged_arange(np.array(counts, int)).tolist() == expected


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.floats(0, 0.99))
def test_downsampling_keeps_both_ends_and_about_the_share(lengths, rate):
    lengths = np.array(lengths)
    kept = kept_counts(lengths, rate)
    assert (kept >= np.minimum(lengths, 2)).all() and (kept <= lengths).all()
    assert (
        np.abs(kept - 1 - np.maximum((lengths - 1) * (1 - rate), lengths > 1)) <= 0.5 + 1e-9
    ).all()
    for part, n in zip(np.split(kept_indices(lengths, kept), np.cumsum(kept)[:-1]), lengths):
        assert part[0] == 0 and part[-1] == n - 1
        assert (np.diff(part) > 0).all()
