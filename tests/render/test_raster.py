"""Pages as PNG and PDF."""

import re
import zlib

import matplotlib.image
import numpy as np
import pytest

from cursivetransformer.layout.page import Page, Ruling
from cursivetransformer.render.outputs import open_outputs, save_page
from cursivetransformer.utils.errors import UserError
from tests.made_up_page import made_up_pages, settings
from tests.render.test_svg import PAGE, WORD

DPI = 200


def picture(path, page=PAGE, **changed):
    save_page(page, path, settings(dpi=DPI, **changed))
    return matplotlib.image.imread(path)[:, :, :3]


def darkest(image, x, y):
    row, column = (round(v / 25.4 * DPI) for v in (y, x))
    return image.min(axis=2)[row - 2 : row + 3, column - 2 : column + 3].min()


@pytest.mark.parametrize("strokes", ["line", "outline"])
def test_png_has_the_page_s_size_and_ink_where_the_strokes_are(tmp_path, strokes):
    image = picture(tmp_path / "a.png", strokes=strokes)
    assert np.abs(np.array(image.shape[:2]) - np.array([30, 50]) / 25.4 * DPI).max() <= 1
    assert darkest(image, 25, 15) < 0.5 and darkest(image, 30, 8) < 0.5, (
        "the middle of the line, and the dot"
    )
    assert darkest(image, 10, 25) == 1


def test_colour_width_and_paper_are_settings(tmp_path):
    red = picture(tmp_path / "a.png", ink_color="red", pen_width=2.0)
    assert (red[:, :, 0] > 0.99).all() and red[:, :, 1].min() == 0
    thin = picture(tmp_path / "b.png", pen_width=0.3)
    share = [np.count_nonzero(image.min(axis=2) < 0.6) for image in (red, thin)]
    assert 4 < share[0] / share[1] < 10
    ruled = Page([WORD], 50.0, 30.0, Ruling("ruled", 10.0, y=4.0))
    assert darkest(picture(tmp_path / "c.png", ruled), 10, 24) < 0.95
    assert darkest(picture(tmp_path / "d.png", ruled, draw_paper=False), 10, 24) == 1


def test_a_pdf_has_all_pages_in_their_size_and_its_ink_is_vectors(tmp_path):
    pages, config = made_up_pages(200, page="A6"), settings()
    assert len(pages) > 2
    with open_outputs(str(tmp_path / "a.pdf"), config) as outputs:
        for page in pages:
            outputs.add(page)
    data = (tmp_path / "a.pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert len(boxes) == len(pages)
    np.testing.assert_allclose(
        np.array(boxes, float), len(pages) * [[105 / 25.4 * 72, 148 / 25.4 * 72]], rtol=1e-4
    )
    assert b"/Subtype /Image" not in data and b"/CreationDate" not in data
    streams = [
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
    ]
    assert sum(len(re.findall(rb"\bf\b", stream)) for stream in streams) >= 100, (
        "words are filled shapes"
    )


def test_a_picture_too_large_is_refused(tmp_path):
    with pytest.raises(UserError, match="is too large, .* a smaller --dpi than 2400"):
        save_page(Page([WORD], 3000.0, 3000.0), tmp_path / "a.png", settings(dpi=2400))


@pytest.mark.parametrize("color", ["rgb(255, 0, 0)", "RED", "#f00", "hsl(0, 100%, 50%)"])
def test_a_colour_is_the_same_for_every_kind(tmp_path, color):
    assert (
        picture(tmp_path / "a.png", ink_color=color)
        == picture(tmp_path / "b.png", ink_color="#ff0000")
    ).all()
    save_page(PAGE, tmp_path / "a.svg", settings(ink_color=color))
    assert 'stroke="#ff0000"' in (tmp_path / "a.svg").read_text()
