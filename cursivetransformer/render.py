"""A laid-out page -> a picture file. Knows no words and no model."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from cursivetransformer.errors import UserError
from cursivetransformer.files import atomic_path

PEN_WIDTH = 0.45   # millimetres
INK = "#1a2a5e"    # blue-black
PNG_DPI = 200
DOT = 0.01         # millimetres: length of a dot in SVG, since some programs leave out lines of none


def save_page(page, path):
    """Write a `layout.Page` to a `.svg` or `.png` file, whole or not at all. Raises `UserError`."""
    with atomic_path(path) as temporary:
        writer_for(path)(page, temporary)


def writer_for(path):
    """The function that writes the format that `path` ends in; call it early, to refuse an unknown ending before any work."""
    writers = {".svg": save_svg, ".png": save_png}
    ending = Path(path).suffix.lower()
    if ending not in writers:
        raise UserError(f"--out {path}: the ending must be one of {', '.join(writers)}")
    return writers[ending]


def save_svg(page, path):
    """One path per stroke, in true millimetres; a dot is a very short line with round ends."""
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", width=f"{page.width:.2f}mm", height=f"{page.height:.2f}mm",
                     viewBox=f"0 0 {page.width:.2f} {page.height:.2f}")
    group = ET.SubElement(svg, "g", fill="none", stroke=INK, **{
        "stroke-width": str(PEN_WIDTH), "stroke-linecap": "round", "stroke-linejoin": "round"})
    for stroke in page.strokes:
        corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in ([stroke[0], stroke[0] + (DOT, 0)] if _is_dot(stroke) else stroke))
        ET.SubElement(group, "path", d="M" + corners)
    ET.indent(svg, " ")
    ET.ElementTree(svg).write(path, encoding="utf-8", xml_declaration=True)


def save_png(page, path, dpi=PNG_DPI):
    """The page on white at `dpi` dots per inch."""
    # Here, because pictures of the other kinds do without its slow import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = page.width / 25.4, page.height / 25.4
    figure = Figure(figsize=inches, dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page.width), ylim=(page.height, 0))
    axes.axis("off")
    draw_strokes(axes, page.strokes, 72 / 25.4 * PEN_WIDTH)
    figure.savefig(path, format="png", metadata={"Software": None})  # no version in the bytes


def draw_strokes(axes, strokes, points):
    """Draw strokes (m, 2) onto matplotlib axes in our ink, a stroke of no length as a dot; points: the pen's width, in points."""
    from matplotlib.collections import LineCollection

    dots = np.array([stroke[0] for stroke in strokes if _is_dot(stroke)]).reshape(-1, 2)
    axes.plot(dots[:, 0], dots[:, 1], linestyle="", marker="o", markersize=points, markeredgewidth=0, color=INK)
    axes.add_collection(LineCollection([stroke for stroke in strokes if not _is_dot(stroke)], colors=INK, linewidths=points, capstyle="round", joinstyle="round"))


def _is_dot(stroke):
    return not np.ptp(stroke, axis=0).any()
