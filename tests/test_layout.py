"""Layout: python -m pytest tests/test_layout.py"""

import subprocess
import sys

import numpy as np
import pytest

from cursivetransformer.layout import LINE_PITCH, WORD_SPACE, X_HEIGHT, lay_out


def bar(width, height=0.2):
    """A word that is one slanting line from the baseline."""
    return np.array([[0, 0, 1], [width, -height, 0]], np.float32)


def test_words_stand_side_by_side_on_one_baseline():
    page = lay_out([[bar(1), bar(2), bar(1)]], line_width=100, x_height=4)
    starts, ends = np.array([stroke[0] for stroke in page.strokes]), np.array([stroke[-1] for stroke in page.strokes])
    assert np.ptp(starts[:, 1]) < 1e-6
    np.testing.assert_allclose(ends[:, 0] - starts[:, 0], np.array([1, 2, 1]) * 4 / X_HEIGHT, rtol=1e-5)
    np.testing.assert_allclose(starts[1:, 0] - ends[:-1, 0], WORD_SPACE * 4, rtol=1e-5)


def test_lines_wrap_and_given_line_breaks_are_kept():
    page = lay_out([[bar(1)] * 3, [], [bar(1)]], line_width=30, x_height=4)  # a bar is 12 mm wide
    rows = np.round((np.array([stroke[0, 1] for stroke in page.strokes]) - page.strokes[0][0, 1]) / (LINE_PITCH * 4), 6)
    assert rows.tolist() == [0, 0, 1, 3]


@pytest.mark.parametrize("widths", [[1], [40], [40, 1, 40]])
def test_all_ink_is_on_the_page_even_where_a_word_is_wider_than_a_line(widths):
    page = lay_out([[bar(width, 3) for width in widths]], line_width=30, x_height=4)
    ink = np.concatenate(page.strokes)
    assert (ink >= 0).all() and (ink <= (page.width, page.height)).all()
    assert len(page.strokes) == len(widths)


def test_a_word_without_ink_takes_no_room():
    page = lay_out([[np.zeros((0, 3), np.float32), bar(1)]], 100, 4)
    assert len(page.strokes) == 1


def test_layout_runs_without_torch():
    code = "import sys; import cursivetransformer.layout, cursivetransformer.render; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
