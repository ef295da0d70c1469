"""A picture of words, each piece of ink in the color of the letter that the model looked at."""

from pathlib import Path

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import save_figure
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import check_writable

ENDINGS = (".png", ".svg", ".pdf")
LINE, PITCH, GAP = (
    5.5,
    0.9,
    0.25,
)  # canvas heights: of a line of words, from line to line, between words
INCHES = 2.0  # for a canvas height
COLORS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#b8860b", "#8c564b")  # of letters, in turn


def check_picture(path):
    """Raise `UserError` where `draw_attention` knows no such kind of picture, or it could not be written."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise UserError(f"--attention {path}: the ending must be one of {', '.join(ENDINGS)}")
    check_writable(path)


def draw_attention(path, looks):
    """Draw words, each piece of ink in the colour of the letter it looked at, the letters under it, those with a slip in red."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    places, x, line = [], 0.0, 0
    for one in looks:
        width = max(float(one.points[:, 0].max()), 0.12 * len(one.text))
        if x and x + width > LINE:
            x, line = 0.0, line + 1
        places.append((x, PITCH * line))
        x += width + GAP
    width, height = LINE + 0.4, PITCH * (line + 1) + 0.1
    figure = Figure(figsize=(INCHES * width, INCHES * height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.2, width - 0.2), ylim=(height - 0.55, -0.55))
    axes.axis("off")
    for one, (x, y) in zip(looks, places):
        colors = np.array(COLORS)[one.letter % len(COLORS)]
        first = 0
        for stroke in split_strokes(one.points):
            pieces = np.stack([stroke[:-1], stroke[1:]], 1) + (x, y)
            axes.add_collection(
                LineCollection(
                    pieces,
                    colors=colors[first + 1 : first + len(stroke)],
                    linewidths=1.8,
                    capstyle="round",
                )
            )
            if len(stroke) == 1:
                axes.plot(*(stroke[0] + (x, y)), marker="o", markersize=3, color=colors[first])
            first += len(stroke)
        middles = [
            float(one.points[one.letter == i, 0].mean()) if (one.letter == i).any() else None
            for i in range(len(one.text))
        ]
        for i, char in enumerate(one.text):
            near = [(abs(i - j), middle) for j, middle in enumerate(middles) if middle is not None]
            at = middles[i] if middles[i] is not None else min(near)[1]
            axes.text(
                x + at,
                y + 0.3,
                char.replace("$", r"\$"),
                color="red" if i in one.slips else COLORS[i % len(COLORS)],
                ha="center",
                va="top",
                fontsize=11,
                fontweight="bold" if i in one.slips else "normal",
            )
    save_figure(figure, path)
