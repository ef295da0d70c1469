"""A picture of hands, each in a row under its author's name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import draw_strokes, save_figure
from cursivetransformer.utils.errors import UserError

SPACE = 0.15  # canvas heights between two words
ABOVE, BELOW = 0.45, 0.3  # canvas heights of paper above and below a baseline, at least
INCHES = 1.3  # for a canvas height
NAMES_WIDTH = 0.9  # inches at the left
PEN_POINTS = 0.8
DPI = 100


def save_sheet(path: str | Path, rows: Sequence[tuple[str, Sequence[np.ndarray]]]) -> None:
    """Write a picture of hands to a .png or .svg file.

    Args:
        path: the file.
        rows: a name and inks (n, 3) in canvas heights for each hand.

    Raises:
        UserError: for another ending, or where the file cannot be written.
    """
    # Imported here, because the import is slow and most programs draw no sheet.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ending = Path(path).suffix.lower()
    if ending not in (".png", ".svg"):
        raise UserError(f"{path}: the ending must be .png or .svg")
    lines = [strokes_in_line(inks) for _, inks in rows]
    tops = [max(ABOVE, 0.05 - min((s[:, 1].min() for s in line), default=0)) for line in lines]
    bottoms = [max(BELOW, 0.05 + max((s[:, 1].max() for s in line), default=0)) for line in lines]
    width = max((s[:, 0].max() for line in lines for s in line), default=1.0) + 0.1
    height = sum(tops) + sum(bottoms)
    inches = NAMES_WIDTH + INCHES * width
    figure = Figure(figsize=(inches, INCHES * height), dpi=DPI)
    FigureCanvasAgg(figure)
    left = NAMES_WIDTH / inches
    axes = figure.add_axes((left, 0, 1 - left, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    y = 0.0
    for (name, _), line, top, bottom in zip(rows, lines, tops, bottoms):
        y += top
        draw_strokes(axes, [stroke + (0, y) for stroke in line], PEN_POINTS)
        label = name.replace("$", r"\$")  # matplotlib reads $ as the start of a formula
        figure.text(0.01, 1 - y / height, label, fontsize=10, color="dimgrey", va="baseline")
        y += bottom
    save_figure(figure, path)


def strokes_in_line(inks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the strokes (m, 2) of inks (n, 3), set in one line with spaces between them."""
    x = 0.0
    strokes: list[np.ndarray] = []
    for points in inks:
        if len(points):
            strokes += [stroke + (x, 0) for stroke in split_strokes(points)]
            x += float(np.max(points[:, 0])) + SPACE
    return strokes
