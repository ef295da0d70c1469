"""A picture of words, each piece of ink in the color of the letter that the model attended to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import save_figure
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import check_writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cursivetransformer.sampling.attention_weights import WordAttention

ENDINGS = (".png", ".svg", ".pdf")
LINE_WIDTH = 5.5  # canvas heights of words in a line
PITCH = 0.9  # canvas heights from line to line
GAP = 0.25  # canvas heights between two words
LETTER_WIDTH = 0.12  # canvas heights that a letter takes at least
INCHES = 2.0  # for a canvas height
COLORS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#b8860b", "#8c564b")  # of letters, in turn
SLIP_COLOR = "red"


def check_picture(path: str | Path) -> None:
    """Raise `UserError` if `draw_attention` could not write a file of this name."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise UserError(f"--attention {path}: the ending must be one of {', '.join(ENDINGS)}")
    check_writable(path)


def draw_attention(path: str | Path, words: Sequence[WordAttention]) -> None:
    """Draw words, the ink colored by the letter attended to, with their letters below.

    Letters with a slip are red and bold.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places, n_lines = _arrange(words)
    width, height = LINE_WIDTH + 0.4, PITCH * n_lines + 0.1
    figure = Figure(figsize=(INCHES * width, INCHES * height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.2, width - 0.2), ylim=(height - 0.55, -0.55))
    axes.axis("off")
    for word, place in zip(words, places):
        _draw_ink(axes, word, place)
        _draw_letters(axes, word, place)
    save_figure(figure, path)


def _arrange(words: Sequence[WordAttention]) -> tuple[list[tuple[float, float]], int]:
    """Return the origin of each word, in canvas heights, and the number of lines."""
    places, x, line = [], 0.0, 0
    for word in words:
        width = max(float(word.points[:, 0].max()), LETTER_WIDTH * len(word.text))
        if x and x + width > LINE_WIDTH:
            x, line = 0.0, line + 1
        places.append((x, PITCH * line))
        x += width + GAP
    return places, line + 1


def _draw_ink(axes: Axes, word: WordAttention, place: tuple[float, float]) -> None:
    from matplotlib.collections import LineCollection

    colors = np.array(COLORS)[word.letter % len(COLORS)]
    first = 0
    for stroke in split_strokes(word.points):
        last = first + len(stroke)
        pieces = list(np.stack([stroke[:-1], stroke[1:]], 1) + place)
        lines = LineCollection(
            pieces, colors=colors[first + 1 : last], linewidths=1.8, capstyle="round"
        )
        axes.add_collection(lines)
        if len(stroke) == 1:
            axes.plot(*(stroke[0] + place), marker="o", markersize=3, color=colors[first])
        first = last


def _draw_letters(axes: Axes, word: WordAttention, place: tuple[float, float]) -> None:
    """Write each letter below the ink that attended to it; one without ink beside its neighbor."""
    x, y = place
    middles = {
        i: float(word.points[word.letter == i, 0].mean())
        for i in range(len(word.text))
        if (word.letter == i).any()
    }
    for i, char in enumerate(word.text):
        at = middles[i] if i in middles else min((abs(i - j), m) for j, m in middles.items())[1]
        slipped = i in word.slips
        axes.text(
            x + at,
            y + 0.3,
            char.replace("$", r"\$"),  # matplotlib reads $ as the start of a formula
            color=SLIP_COLOR if slipped else COLORS[i % len(COLORS)],
            ha="center",
            va="top",
            fontsize=11,
            fontweight="bold" if slipped else "normal",
        )
