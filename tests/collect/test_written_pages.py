"""Written pages as a real browser shows them."""

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
    """Return a function that opens a file, one that takes a gray screenshot, and the tab.

    The window is as large as the page.
    """
    width, height = (round(side / 25.4 * CSS_DPI) for side in (page.width, page.height))
    tab = browser.new_page(viewport=dict(width=width, height=height))

    def shot():
        return np.array(Image.open(io.BytesIO(tab.screenshot())).convert("L")).astype(float)

    yield lambda path: tab.goto(path.as_uri()), shot, tab
    tab.close()


def correlation(image, reference):
    """Return the correlation of two gray images over the area that both cover."""
    height, width = np.minimum(image.shape, reference.shape)
    pixels = image[:height, :width].ravel()
    return np.corrcoef(pixels, reference[:height, :width].ravel())[0, 1]


@pytest.mark.parametrize("strokes", ["line", "outline"])
def test_an_svg_looks_like_the_png(page, show, tmp_path, strokes):
    goto, shot, _ = show
    for ending in ("svg", "png"):
        save_page(
            page, tmp_path / f"a.{ending}", settings(strokes=strokes, dpi=CSS_DPI, pen_width=1.2)
        )
    goto(tmp_path / "a.svg")
    png = np.array(Image.open(tmp_path / "a.png").convert("L")).astype(float)
    assert correlation(shot(), png) > 0.9


def test_an_animated_svg_writes_itself_and_ends_as_the_page(page, show, tmp_path):
    goto, shot, tab = show
    save_page(page, tmp_path / "a.animated.svg", settings(pace=10.0))
    save_page(page, tmp_path / "a.svg", settings())
    goto(tmp_path / "a.animated.svg")
    tab.evaluate("document.documentElement.pauseAnimations()")
    end = 0.5 + sum(len(word.text) for word in page.words) / 10
    shown = []
    for fraction in (0.0, 0.3, 0.6, 1.0):
        tab.evaluate(f"document.documentElement.setCurrentTime({fraction * (end + 0.1)})")
        shown.append(shot())
    ink = [np.count_nonzero(image < 200) for image in shown]
    assert ink[0] == 0 and ink == sorted(set(ink))
    right = [np.flatnonzero((image < 200).any(axis=0)).max() for image in shown[1:]]
    assert right == sorted(right) and right[0] < 0.6 * right[-1]
    goto(tmp_path / "a.svg")
    assert correlation(shown[-1], shot()) > 0.97
