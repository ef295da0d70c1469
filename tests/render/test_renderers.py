"""One page drawn by every renderer: ink lies on paper, and in the same place."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageFilter

from cursivetransformer.render.outputs import save_page
from tests.made_up_page import made_up_pages, settings

INK = "#1a2a5e"
DPI = 288  # four pixels to a point
SIZE = 720, 432  # pixels of a page of 2.5 x 1.5 inches, so that no renderer has to round
PAGE = dict(page="63.5x38.1", margin="5", x_height=4.0, grid=4.0)
STYLE = dict(ink_color=INK, pen_width=0.9, dpi=DPI, gif_width=SIZE[0], pace=100.0)
# Levels of 255 by which a color may miss the ink's. Palettes and blending round it by 1 or 2. Where
# the pieces of a curve meet, browsers leave seams that miss up to a sixth of the ink: 36 levels of
# the 229 to white. Paper that shows is 175 away.
FULL, SEAM = 2, 48
# Where an edge falls within a pixel, renderers differ by less than one: it is cut to a grid three
# times as fine (GIF), to hundredths of a millimeter (SVG), or not at all. So where there is full
# ink, and full ink all around it, every renderer must have ink.
EDGE = 1


@pytest.fixture
def show(request, tmp_path):
    """Return a function that writes a page to a file of a kind, and opens it: (h, w, 3) pixels."""

    def pixels(page, ending, **changed):
        path = tmp_path / f"a.{ending}"
        save_page(page, path, settings(**STYLE, **changed))
        if ending == "pdf":
            image = open_pdf(path)
        elif ending.endswith("svg"):
            image = open_svg(path, request.getfixturevalue("browser"))
        else:
            image = Image.open(path)
            image.seek(getattr(image, "n_frames", 1) - 1)
        return np.array(image.convert("RGB")).astype(int)

    return pixels


def open_pdf(path):
    pdfium = pytest.importorskip("pypdfium2", reason="needs `pip install pypdfium2`")
    document = pdfium.PdfDocument(path)
    image = document[0].render(scale=DPI / 72).to_pil()
    document.close()
    return image


def open_svg(path, browser):
    """Return the picture of an SVG in a browser; of an animated one, at its end."""
    tab = browser.new_page(viewport=dict(width=SIZE[0], height=SIZE[1]))
    tab.goto(path.as_uri())
    tab.evaluate(
        """([width, height]) => {
          const svg = document.documentElement;
          svg.setAttribute("width", width);
          svg.setAttribute("height", height);
          svg.pauseAnimations();
          svg.setCurrentTime(1000);
        }""",
        SIZE,
    )
    image = Image.open(io.BytesIO(tab.screenshot()))
    tab.close()
    return image


def is_ink(image, tolerance):
    """(h, w) whether a pixel has the color of the ink."""
    return np.abs(image - ImageColor.getrgb(INK)).max(axis=2) <= tolerance


def inside(mask):
    """(h, w) whether all pixels within EDGE of one are in a mask."""
    eroded = Image.fromarray(mask).convert("L").filter(ImageFilter.MinFilter(2 * EDGE + 1))
    return np.array(eroded) > 0


KINDS = [
    *[(ending, "outline") for ending in ("png", "pdf", "gif", "svg")],
    *[(ending, "line") for ending in ("png", "pdf", "gif", "svg", "animated.svg")],
]


@pytest.mark.parametrize("paper", ["ruled", "squared", "dotted"])
@pytest.mark.parametrize("ending, strokes", KINDS)
def test_every_renderer_puts_the_same_ink_onto_the_paper(show, paper, ending, strokes):
    page = made_up_pages(12, paper=paper, **PAGE)[0]
    image = show(page, ending, strokes=strokes)
    # Every kind is compared with one picture without paper, and so with every other kind.
    bare = show(page, "png", strokes=strokes, draw_paper=False)
    assert image.shape == bare.shape == (SIZE[1], SIZE[0], 3)
    core, bare_core = (inside(is_ink(picture, FULL)) for picture in (image, bare))
    assert min(core.sum(), bare_core.sum()) > 1000
    assert is_ink(image, SEAM)[bare_core].all()
    assert is_ink(bare, SEAM)[core].all()
    # The paper is there, but for dots cut by the page's edge in a PDF; some of it is under the ink.
    printed = show(dataclasses.replace(page, words=[]), "png").min(axis=2) < 240
    assert (printed & bare_core).sum() > 20
    assert (image[printed & (bare.min(axis=2) == 255)].min(axis=1) < 250).mean() > 0.85
