"""Pictures of ink to compare: hands in rows under their authors' names, words in cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import draw_strokes, save_figure
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import check_writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPACE = 0.15  # canvas heights between two words
ABOVE, BELOW = 0.45, 0.3  # canvas heights of paper above and below a baseline, at least
INCHES = 1.3  # for a canvas height
NAMES_WIDTH = 0.9  # inches at the left
PEN_POINTS = 0.8
DPI = 100

COLUMNS = 4  # of cells
# Inches: size of a cell, and height of the line above all cells.
CELL_WIDTH, CELL_HEIGHT = 2.6, 0.95
HEADER_HEIGHT = 0.35
# Canvas heights: least width and height that a cell shows, so that small words are not enlarged.
MIN_EXTENT = (0.8, 0.45)
CELL_PEN_POINTS = 1.1
CELL_DPI = 110


def check_sheet(path: str | Path) -> None:
    """Raise `UserError` if `save_sheet` could not write a file of this name."""
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise UserError(f"{path}: the ending must be .png or .svg")
    check_writable(path)


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

    check_sheet(path)
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


@dataclass(frozen=True)
class Cell:
    """A word in a picture of words. points: (n, 3) in canvas heights; color: of the title."""

    title: str
    points: np.ndarray
    color: str = "dimgray"


def save_cells(path: str | Path, heading: str, cells: Sequence[Cell]) -> None:
    """Write a picture of words in rows of cells, each under its title. Raises `UserError`."""
    # Imported here, because the import is slow and most programs draw no cells.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_rows = max(1, -(-len(cells) // COLUMNS))
    height = n_rows * CELL_HEIGHT + HEADER_HEIGHT
    figure = Figure(figsize=(COLUMNS * CELL_WIDTH, height), dpi=CELL_DPI)
    FigureCanvasAgg(figure)
    figure.text(0.01, 1 - 0.6 * HEADER_HEIGHT / height, heading, fontsize=9)
    for i, cell in enumerate(cells):
        row, column = divmod(i, COLUMNS)
        left = column / COLUMNS
        bottom = 1 - (HEADER_HEIGHT + (row + 1) * CELL_HEIGHT) / height
        axes = figure.add_axes((left, bottom, 0.94 / COLUMNS, 0.78 * CELL_HEIGHT / height))
        _draw_cell(axes, cell)
    save_figure(figure, path)


def _draw_cell(axes: Axes, cell: Cell) -> None:
    # Matplotlib sets text between dollar signs as mathematics.
    title = cell.title.replace("$", r"\$")
    axes.set_title(title, fontsize=7, color=cell.color, pad=2)
    axes.axis("off")
    draw_strokes(axes, split_strokes(cell.points), CELL_PEN_POINTS)
    points = cell.points if len(cell.points) else np.zeros((1, 3))
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    spare = np.maximum(0, np.array(MIN_EXTENT) - (high - low)) / 2 + 0.02
    axes.set(
        xlim=(low[0] - spare[0], high[0] + spare[0]),
        ylim=(high[1] + spare[1], low[1] - spare[1]),
        aspect="equal",
    )
