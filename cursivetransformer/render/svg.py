"""Pages as SVG: for machines one path a stroke, for eyes shapes that swell, or a drawing that writes itself. Millimetres throughout.

Layers are groups as Inkscape marks them, and numbered in their names, which is how AxiDraw and vpype tell them apart; AxiDraw leaves out a
layer whose name begins with %, so that the lines of the paper are seen but not plotted.
"""

import xml.etree.ElementTree as ET

import numpy as np

from cursivetransformer.ink import curves
from cursivetransformer.ink.curves import hundredth, path_data
from cursivetransformer.layout.paper import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH
from cursivetransformer.render import brush as pen

PAUSE = 0.5  # seconds before an animation begins
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"


def save_svg(page, path, config):
    """Write a `page.Page` as lines, or with `strokes` "outline" as shapes. config: a `sample_config.SampleConfig`."""
    _still(page, config).write(path, encoding="utf-8", xml_declaration=True)


def save_animated_svg(page, path, config):
    """Write a page as lines that appear as a hand would write them, in any browser, without a script."""
    when = iter(pen.timing(page.words, config.pace).strokes)

    def animated(word, config, _):
        group = _lines(word, config, _)
        for element, stroke in zip(group, word.strokes):
            _animate(element, stroke, PAUSE + next(when))
        return group

    _tree(page, config, animated).write(path, encoding="utf-8", xml_declaration=True)


def svg_text(page, config):
    """A page as text, to be shown by a notebook."""
    return ET.tostring(_still(page, config).getroot(), encoding="unicode")


def _still(page, config):
    return (
        _tree(page, config, _outlines, filled=True)
        if config.strokes == "outline"
        else _tree(page, config, _lines)
    )


def _tree(page, config, draw, filled=False):
    """The document; draw(word, config, usual step) -> the group of a word, whose paths are filled, or drawn as lines."""
    ET.register_namespace("inkscape", INKSCAPE)
    svg = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=f"{page.width:.2f}mm",
        height=f"{page.height:.2f}mm",
        viewBox=f"0 0 {page.width:.2f} {page.height:.2f}",
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
    usual = pen.usual_step(page.strokes)
    for word in page.words:
        group = draw(word, config, usual)
        group.set("data-text", word.text)
        layer.append(group)
    ET.indent(svg, " ")
    return ET.ElementTree(svg)


def _layer(svg, number, label, **attributes):
    return ET.SubElement(
        svg,
        "g",
        {
            f"{{{INKSCAPE}}}groupmode": "layer",
            f"{{{INKSCAPE}}}label": label,
            "id": f"layer{number}",
        },
        **attributes,
    )


def _draw_paper(layer, page):
    layer.set("stroke-width", f"{PAPER_WIDTH:g}")
    for x1, y1, x2, y2 in page.ruling.lines(page.width, page.height):
        ET.SubElement(layer, "path", d=f"M{x1:.2f},{y1:.2f}L{x2:.2f},{y2:.2f}")
    dots = page.ruling.dots(page.width, page.height)
    if dots:
        layer.set("stroke-width", f"{PAPER_DOT:g}")
        layer.set("stroke-linecap", "round")
        for x, y in dots:
            ET.SubElement(layer, "path", d=path_data(np.array([[x, y]])))


def _lines(word, config, _):
    group = ET.Element("g")
    for stroke in word.strokes:
        ET.SubElement(group, "path", d=path_data(stroke))
    return group


def _outlines(word, config, usual):
    group = ET.Element("g")
    for stroke in word.strokes:
        corners = pen.outline(*pen.inked(stroke, config, usual, pen.OUTLINE_FINE))
        ET.SubElement(group, "path", d=_relative("l", corners) + "z")
    return group


def _relative(command, points):
    rounded = np.rint(points * 100).astype(int)
    x, y = rounded[0] / 100
    return f"M{x:.2f},{y:.2f}{command}" + " ".join(
        f"{hundredth(x)},{hundredth(y)}" for x, y in np.diff(rounded, axis=0).tolist()
    )


def _animate(element, stroke, when):
    """Have the path `element` hidden, and drawn along the stroke as time passes. when: (m,) seconds at its points."""
    element.set("visibility", "hidden")
    ET.SubElement(
        element,
        "set",
        attributeName="visibility",
        to="visible",
        begin=f"{when[0]:.2f}s",
        fill="freeze",
    )
    path = curves.flatten(stroke)
    if path.dot:
        return
    along = np.append(0, np.cumsum(np.hypot(*np.diff(path.xy, axis=0).T)))
    left = 1 - np.interp(np.arange(len(stroke)), path.at, along) / along[-1]
    element.set("pathLength", "1")
    element.set("stroke-dasharray", "1 1")
    element.set("stroke-dashoffset", "1")
    # Values at even times, as the points were taken.
    ET.SubElement(
        element,
        "animate",
        attributeName="stroke-dashoffset",
        begin=f"{when[0]:.2f}s",
        dur=f"{max(when[-1] - when[0], 0.01):.2f}s",
        values=";".join(f"{value:.3f}" for value in left),
        fill="freeze",
    )
