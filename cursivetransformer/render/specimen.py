"""A picture of hands, each a row under its writer's name: what `--list-authors` and the synthetic pen show."""

from pathlib import Path

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import draw_strokes, save_figure
from cursivetransformer.utils.errors import UserError

SPACE = 0.15  # canvas heights between two words
ABOVE, BELOW = 0.45, 0.3  # canvas heights of paper over and under a baseline, at least
INCHES = 1.3  # for a canvas height
NAMES_WIDTH = 0.9  # inches at the left
PEN_POINTS = 0.8
DPI = 100


def save_sheet(path, rows):
    """Write rows of (name, list of inks (n, 3) in canvas heights) to a .png or .svg file. Raises `UserError`."""
    # Here, because programs that draw no sheet do without its slow import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ending = Path(path).suffix.lower()
    if ending not in (".png", ".svg"):
        raise UserError(f"{path}: the ending must be .png or .svg")
    lines = [side_by_side(inks) for _, inks in rows]
    tops = [
        max(ABOVE, -min((s[:, 1].min() for s in strokes), default=0) + 0.05) for strokes in lines
    ]
    bottoms = [
        max(BELOW, max((s[:, 1].max() for s in strokes), default=0) + 0.05) for strokes in lines
    ]
    width = max((s[:, 0].max() for strokes in lines for s in strokes), default=1.0) + 0.1
    height = sum(tops) + sum(bottoms)
    figure = Figure(figsize=(NAMES_WIDTH + INCHES * width, INCHES * height), dpi=DPI)
    FigureCanvasAgg(figure)
    left = NAMES_WIDTH / (NAMES_WIDTH + INCHES * width)
    axes = figure.add_axes((left, 0, 1 - left, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    y = 0.0
    for (name, _), strokes, top, bottom in zip(rows, lines, tops, bottoms):
        y += top
        draw_strokes(axes, [stroke + (0, y) for stroke in strokes], PEN_POINTS)
        figure.text(
            0.01,
            1 - y / height,
            name.replace("$", r"\$"),
            fontsize=10,
            color="dimgrey",
            va="baseline",
        )
        y += bottom
    save_figure(figure, path)


def side_by_side(inks):
    """Inks (n, 3) -> the strokes (m, 2) of all, on one line."""
    x, strokes = 0.0, []
    for points in inks:
        if len(points):
            strokes += [stroke + (x, 0) for stroke in split_strokes(points)]
            x += float(np.max(points[:, 0])) + SPACE
    return strokes
