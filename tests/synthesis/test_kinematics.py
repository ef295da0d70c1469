"""Curves and the speed of the pen on them."""

import numpy as np
import pytest

from cursivetransformer.synthesis.kinematics import (
    SEGMENT_SAMPLES,
    compute_times,
    interpolate_curve,
    sample_drift,
    sample_path,
)


def test_a_curve_passes_its_control_points_smoothly_but_for_corners():
    points = np.array([[0, 0], [1, 1], [2, 0], [3, 1], [4, 0.0]])
    corner = np.array([False, True, False, False, False])
    path = interpolate_curve(points, corner)
    np.testing.assert_allclose(path[::SEGMENT_SAMPLES], points, atol=1e-12)
    heading = np.arctan2(*np.diff(path, axis=0).T[::-1])
    turns = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
    at_points = turns[SEGMENT_SAMPLES - 1 :: SEGMENT_SAMPLES]
    assert at_points[0] > np.pi / 4 and at_points[1:].max() < np.pi / 6
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(interpolate_curve(points, corner, tension=0.8), path, atol=0.01)


def test_the_hand_is_as_much_slower_on_a_circle_as_the_power_law_says():
    """Speed goes with the radius to the power 1/3 (Lacquaniti, Terzuolo and Viviani 1983)."""
    t = np.linspace(0, 2 * np.pi, 400)
    speeds = []
    for radius in (0.5, 1.0):
        path = radius * np.column_stack([np.cos(t), np.sin(t)])
        when = compute_times(path, start_slow=False)
        assert (np.diff(when) > 0).all()
        speeds.append(2 * np.pi * radius / when[-1])
    assert speeds[1] / speeds[0] == pytest.approx(2 ** (1 / 3), rel=0.02)


def test_a_corner_gathers_points_and_both_ends_are_kept():
    path = interpolate_curve(np.array([[0, 0], [0.5, 2], [1, 0.0]]), np.array([False, True, False]))
    points = sample_path(path, compute_times(path), 0.05)
    np.testing.assert_allclose(points[[0, -1]], path[[0, -1]])
    steps = np.hypot(*np.diff(points, axis=0).T)
    corner = np.argmax(points[:, 1])
    assert steps[corner - 1 : corner + 1].max() < 0.7 * np.median(steps)
    assert len(sample_path(path, compute_times(path), 100.0)) == 2


def test_drift_has_the_deviation_that_is_asked_for_and_remembers():
    values = sample_drift(np.random.default_rng(0), 20_000, 0.3)
    assert values.std() == pytest.approx(0.3, rel=0.06) and abs(values.mean()) < 0.03
    assert np.corrcoef(values[1:], values[:-1])[0, 1] > 0.8
