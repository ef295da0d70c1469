"""Written pages as a real browser shows them.

python -m pytest tests/collect/test_written_pages.py
"""

import io

import numpy as np
import pytest
from PIL import Image

from cursivetransformer.render.outputs import save_page
from tests.made_up_page import made_up_pages, settings

CSS_DPI = 96


@pytest.fixture(scope="module")
def page():
    return made_up_pages(6)[0]


@pytest.fixture
def show(browser, page):
    """A function that opens a file, and one that takes its picture, as large as the page, in grey."""
    width, height = (round(side / 25.4 * CSS_DPI) for side in (page.width, page.height))
    tab = browser.new_page(viewport=dict(width=width, height=height))

    def shot():
        return np.array(Image.open(io.BytesIO(tab.screenshot())).convert("L")).astype(float)

    yield lambda path: tab.goto(path.as_uri()), shot, tab
    tab.close()


def alike(one, other):
    height, width = np.minimum(one.shape, other.shape)
    return np.corrcoef(one[:height, :width].ravel(), other[:height, :width].ravel())[0, 1]


@pytest.mark.parametrize("strokes", ["line", "outline"])
def test_an_svg_looks_like_the_png(page, show, tmp_path, strokes):
    goto, shot, _ = show
    for ending in ("svg", "png"):
        save_page(
            page, tmp_path / f"a.{ending}", settings(strokes=strokes, dpi=CSS_DPI, pen_width=1.2)
        )
    goto(tmp_path / "a.svg")
    assert alike(shot(), np.array(Image.open(tmp_path / "a.png").convert("L")).astype(float)) > 0.9


def test_an_animated_svg_writes_itself_and_ends_as_the_page(page, show, tmp_path):
    goto, shot, tab = show
    save_page(page, tmp_path / "a.animated.svg", settings(pace=10.0))
    save_page(page, tmp_path / "a.svg", settings())
    goto(tmp_path / "a.animated.svg")
    tab.evaluate("document.documentElement.pauseAnimations()")
    end = 0.5 + sum(len(word.text) for word in page.words) / 10
    shown = []
    for share in (0.0, 0.3, 0.6, 1.0):
        tab.evaluate(f"document.documentElement.setCurrentTime({share * (end + 0.1)})")
        shown.append(shot())
    ink = [np.count_nonzero(picture < 200) for picture in shown]
    assert ink[0] == 0 and ink == sorted(set(ink))
    right = [np.flatnonzero((picture < 200).any(axis=0)).max() for picture in shown[1:]]
    assert right == sorted(right) and right[0] < 0.6 * right[-1]
    goto(tmp_path / "a.svg")
    assert alike(shown[-1], shot()) > 0.97
