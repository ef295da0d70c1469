"""Pages as SVG."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cursivetransformer.ink.preview import ink_svg
from cursivetransformer.ink.strokes import join_strokes
from cursivetransformer.layout.page import Page, PlacedWord, Ruling
from cursivetransformer.render.outputs import save_page
from cursivetransformer.render.svg import INKSCAPE, svg_text
from tests.made_up_page import made_up_pages, settings

SVG = "{http://www.w3.org/2000/svg}"
WORD = PlacedWord(
    "ab", join_strokes([np.array([[5.0, 5.0], [45.0, 25.0]]), np.array([[30.0, 8.0]])])
)
PAGE = Page([WORD], 50.0, 30.0)  # a line and a dot


def written(path, page=PAGE, **changed):
    save_page(page, path, settings(**changed))
    return ET.parse(path).getroot()


def paths(svg, layer="layer1"):
    return list(
        next(group for group in svg.iter(f"{SVG}g") if group.get("id") == layer).iter(f"{SVG}path")
    )


def corners(data):
    """All points of a path of M, L, h, c and l, control points too."""
    found, at = [], np.zeros(2)
    for command, rest in re.findall(r"([MLhcl])([^MLhclz]*)", data):
        numbers = list(map(float, re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)))
        if command == "h":
            numbers += [0.0]
        for i, pair in enumerate(np.reshape(numbers, (-1, 2))):
            found.append(pair if command in "ML" else at + pair)
            if command in "MLl" or (command == "c" and i % 3 == 2):
                at = found[-1]
    return np.array(found)


def test_it_is_in_millimetres_with_a_path_for_each_stroke(tmp_path):
    svg = written(tmp_path / "a.svg")
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == (
        "50.00mm",
        "30.00mm",
        "0 0 50.00 30.00",
    )
    line, dot = paths(svg)
    np.testing.assert_allclose(corners(line.get("d"))[[0, -1]], [[5, 5], [45, 25]])
    assert dot.get("d") == "M29.95,8.00h0.1"
    assert float(dot.get("stroke-width")) > settings().pen_width, "as large as in a picture"
    assert svg.find(f"{SVG}desc").text == "ab"


def test_curves_end_where_the_strokes_do(tmp_path):
    (page,) = made_up_pages()
    svg = written(tmp_path / "a.svg", page)
    assert len(paths(svg)) == len(page.strokes)
    for path, stroke in zip(paths(svg), page.strokes):
        if len(stroke) > 1:
            ends = corners(path.get("d"))
            np.testing.assert_allclose(
                ends[::3], stroke, atol=0.011, err_msg="rounding must not add up"
            )


def test_layers_are_numbered_and_the_paper_is_not_plotted(tmp_path):
    svg = written(tmp_path / "a.svg", Page([WORD], 50.0, 30.0, Ruling("squared", 10.0)))
    labels = [group.get(f"{{{INKSCAPE}}}label") for group in svg.findall(f"{SVG}g")]
    assert labels == ["%2 paper", "1 ink"] and len(paths(svg, "layer2")) == 3 + 5
    bare = written(
        tmp_path / "b.svg", Page([WORD], 50.0, 30.0, Ruling("squared", 10.0)), draw_paper=False
    )
    assert [group.get(f"{{{INKSCAPE}}}label") for group in bare.findall(f"{SVG}g")] == ["1 ink"]


def test_outlines_are_filled_shapes_around_the_same_strokes(tmp_path):
    (page,) = made_up_pages()
    svg = written(tmp_path / "a.svg", page, strokes="outline", ink_color="black")
    shapes = paths(svg)
    assert len(shapes) == len(page.strokes) and all(path.get("d").endswith("z") for path in shapes)
    layer = svg.find(f"{SVG}g")
    assert layer.get("fill") == "#000000" and layer.get("stroke") is None
    for path, stroke in zip(shapes, page.strokes):
        shape = corners(path.get("d"))
        assert (shape.min(axis=0) < stroke.min(axis=0) + 0.02).all() and (
            shape.max(axis=0) > stroke.max(axis=0) - 0.02
        ).all()


def test_it_writes_itself_stroke_after_stroke(tmp_path):
    (page,) = made_up_pages(5)
    svg = written(tmp_path / "a.animated.svg", page, pace=10.0)
    begins, last = [], 0.0
    for path in paths(svg):
        shown = path.find(f"{SVG}set")
        begin = float(shown.get("begin")[:-1])
        assert path.get("visibility") == "hidden" and begin >= last
        begins.append(begin)
        drawn = path.find(f"{SVG}animate")
        if drawn is not None:
            values = list(map(float, drawn.get("values").split(";")))
            assert values[0] == 1 and values[-1] == 0 and values == sorted(values, reverse=True)
            last = begin + float(drawn.get("dur")[:-1]) - 0.011
    letters = sum(len(word.text) for word in page.words)
    assert len(begins) == len(page.strokes) and last == pytest.approx(0.5 + letters / 10, abs=0.1)


def test_notebooks_show_pages_and_words():
    (page,) = made_up_pages(3)
    assert len(list(ET.fromstring(svg_text(page, settings())).iter(f"{SVG}path"))) == len(
        page.strokes
    )
    assert len(list(ET.fromstring(ink_svg(page.words[0].points)).iter(f"{SVG}path"))) == len(
        page.words[0].strokes
    )
    ET.fromstring(ink_svg(np.zeros((0, 3), np.float32)))


def test_vpype_reads_it_and_its_bounds_agree(tmp_path):
    vpype = pytest.importorskip("vpype", reason="needs vpype: pip install -e '.[plot]'")
    (page,) = made_up_pages(paper="ruled", page="A5")
    written(tmp_path / "a.svg", page)
    document = vpype.read_multilayer_svg(str(tmp_path / "a.svg"), quantization=0.05)
    pixels = 96 / 25.4
    assert sorted(document.layers) == [1, 2]
    assert np.array(document.page_size) == pytest.approx(np.array([148, 210]) * pixels, rel=1e-4)
    assert len(document.layers[1]) == len(page.strokes)
    ink = np.concatenate(page.strokes)
    assert np.array(document.layers[1].bounds()) / pixels == pytest.approx(
        [*ink.min(axis=0), *ink.max(axis=0)], abs=0.4
    ), "curves swing out a little"
