"""Pages as SVG in millimeters: lines, outlines, or a drawing that writes itself.

Layers are groups as Inkscape marks them, with a number in their names, by which AxiDraw and vpype
tell them apart. AxiDraw skips a layer whose name begins with %, so it does not plot the lines of
the paper.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.curves import flatten, hundredth, path_data
from cursivetransformer.ink.strokes import arc_lengths
from cursivetransformer.layout.page import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH, Page, PlacedWord
from cursivetransformer.render import brush

PAUSE = 0.5  # seconds before an animation begins
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"


def save_svg(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page as lines, or as outlines if `config.strokes` is "outline"."""
    _write(_still(page, config), path)


def save_animated_svg(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page whose lines appear as a hand writes them, in any browser, without a script."""
    times = iter(brush.timing(page.words, config.pace).strokes)

    groups = [_lines(word, config) for word in page.words]
    for group, word in zip(groups, page.words):
        for element, stroke in zip(group, word.strokes):
            _animate(element, stroke, PAUSE + next(times))
    _write(_document(page, config, groups), path)


def svg_text(page: Page, config: SampleConfig) -> str:
    """Return a page as SVG text for a notebook."""
    return ET.tostring(_still(page, config), encoding="unicode")


def _write(svg: ET.Element, path: str | Path) -> None:
    ET.ElementTree(svg).write(path, encoding="utf-8", xml_declaration=True)


def _still(page: Page, config: SampleConfig) -> ET.Element:
    if config.strokes == "outline":
        inks = brush.word_inks(page.words, config, brush.OUTLINE_FINE)
        return _document(page, config, map(_outlines, inks), filled=True)
    return _document(page, config, (_lines(word, config) for word in page.words))


def _document(
    page: Page, config: SampleConfig, groups: Iterable[ET.Element], filled: bool = False
) -> ET.Element:
    """Return the document.

    Args:
        page: the page.
        config: its style.
        groups: the paths of each word.
        filled: the paths are filled shapes, not lines.
    """
    ET.register_namespace("inkscape", INKSCAPE)
    width, height = f"{page.width:.2f}", f"{page.height:.2f}"
    svg = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=f"{width}mm",
        height=f"{height}mm",
        viewBox=f"0 0 {width} {height}",
        role="img",
    )
    ET.SubElement(svg, "desc").text = " ".join(word.text for word in page.words)
    if page.ruling and config.draw_paper:
        _draw_paper(_layer(svg, 2, "%2 paper", fill=PAPER_COLOR, stroke=PAPER_COLOR), page)
    lines = {
        "fill": "none",
        "stroke": config.ink_color,
        "stroke-width": f"{config.pen_width:g}",
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
    }
    layer = _layer(svg, 1, "1 ink", **({"fill": config.ink_color} if filled else lines))
    for word, group in zip(page.words, groups):
        group.set("data-text", word.text)
        layer.append(group)
    ET.indent(svg, " ")
    return svg


def _layer(svg: ET.Element, number: int, label: str, **attributes: str) -> ET.Element:
    marks = {
        f"{{{INKSCAPE}}}groupmode": "layer",
        f"{{{INKSCAPE}}}label": label,
        "id": f"layer{number}",
    }
    return ET.SubElement(svg, "g", marks, **attributes)


def _draw_paper(layer: ET.Element, page: Page) -> None:
    assert page.ruling is not None
    layer.set("stroke-width", f"{PAPER_WIDTH:g}")
    for x1, y1, x2, y2 in page.ruling.lines(page.width, page.height):
        ET.SubElement(layer, "path", d=f"M{x1:.2f},{y1:.2f}L{x2:.2f},{y2:.2f}")
    dots = page.ruling.dots(page.width, page.height)
    if dots:
        layer.set("stroke-width", f"{PAPER_DOT:g}")
        layer.set("stroke-linecap", "round")
        for x, y in dots:
            ET.SubElement(layer, "path", d=path_data(np.array([[x, y]])))


def _lines(word: PlacedWord, config: SampleConfig) -> ET.Element:
    group = ET.Element("g")
    for stroke in word.strokes:
        path = ET.SubElement(group, "path", d=path_data(stroke))
        if brush.is_dot(stroke):
            path.set("stroke-width", f"{brush.DOT * config.pen_width:g}")
    return group


def _outlines(inks: Iterable[brush.Ink]) -> ET.Element:
    group = ET.Element("g")
    for path, width in inks:
        ET.SubElement(group, "path", d=_polygon_data(brush.outline(path, width)))
    return group


def _polygon_data(points: np.ndarray) -> str:
    """Return the path data of a closed polygon, (n, 2), in relative steps of hundredths."""
    rounded = np.rint(points * 100).astype(int)
    x, y = rounded[0] / 100
    steps = np.diff(rounded, axis=0).tolist()
    return f"M{x:.2f},{y:.2f}l" + " ".join(f"{hundredth(x)},{hundredth(y)}" for x, y in steps) + "z"


def _animate(element: ET.Element, stroke: np.ndarray, times: np.ndarray) -> None:
    """Hide a path, and draw it along the stroke as time passes.

    times: (m,) seconds at its points.
    """
    begin = f"{times[0]:.2f}s"
    element.set("visibility", "hidden")
    shown = {"attributeName": "visibility", "to": "visible", "begin": begin, "fill": "freeze"}
    ET.SubElement(element, "set", shown)
    path = flatten(stroke)
    if path.dot:
        return
    along = arc_lengths(path.xy)
    left = 1 - np.interp(np.arange(len(stroke)), path.at, along) / along[-1]
    element.set("pathLength", "1")
    element.set("stroke-dasharray", "1 1")
    element.set("stroke-dashoffset", "1")
    # The values stand at even times, as the points were recorded.
    drawn = {
        "attributeName": "stroke-dashoffset",
        "begin": begin,
        "dur": f"{max(times[-1] - times[0], 0.01):.2f}s",
        "values": ";".join(f"{value:.3f}" for value in left),
        "fill": "freeze",
    }
    ET.SubElement(element, "animate", drawn)
