"""Pictures: python -m pytest tests/test_render.py"""

import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest

from cursivetransformer.errors import UserError
from cursivetransformer.layout import Page
from cursivetransformer.render import PNG_DPI, save_page

PAGE = Page([np.array([[5.0, 5.0], [45.0, 25.0]]), np.array([[30.0, 8.0]])], 50.0, 30.0)  # a line and a dot


def test_svg_is_in_millimetres_with_a_path_for_each_stroke(tmp_path):
    save_page(PAGE, tmp_path / "a.svg")
    svg = ET.parse(tmp_path / "a.svg").getroot()
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == ("50.00mm", "30.00mm", "0 0 50.00 30.00")
    assert [path.get("d") for path in svg.iter("{http://www.w3.org/2000/svg}path")] == ["M5.00,5.00 45.00,25.00", "M30.00,8.00 30.01,8.00"]


def test_png_has_the_page_s_size_and_ink_where_the_strokes_are(tmp_path):
    save_page(PAGE, tmp_path / "a.png")
    picture = matplotlib.image.imread(tmp_path / "a.png")[:, :, :3].min(axis=2)
    assert np.abs(np.array(picture.shape) - np.array([30, 50]) / 25.4 * PNG_DPI).max() <= 1

    def darkest(x, y):
        row, column = (round(v / 25.4 * PNG_DPI) for v in (y, x))
        return picture[row - 2:row + 3, column - 2:column + 3].min()

    assert darkest(25, 15) < 0.5 and darkest(30, 8) < 0.5, "the middle of the line, and the dot"
    assert darkest(10, 25) == 1


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_page_gives_the_same_bytes(tmp_path, ending):
    for name in "ab":
        save_page(PAGE, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="must be one of .svg, .png"):
        save_page(PAGE, tmp_path / "a.doc")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_page(PAGE, tmp_path / "file" / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
