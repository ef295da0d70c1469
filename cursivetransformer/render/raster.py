"""Ink drawn by matplotlib: pages as PNG, pages as PDF with vector ink, and strokes on any axes.

matplotlib is imported inside the functions, because its import is slow and many programs never
draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.curves import flatten
from cursivetransformer.layout.page import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH, Page
from cursivetransformer.render import brush
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cursivetransformer.render.ink_files import InkMetadata

INK_COLOR = "#1a2a5e"  # of pictures without a setting for it: blue-black
MAX_PIXELS = 4e8  # of a picture; matplotlib draws it in 1.6 GB
MAX_SIDE = 2**16 - 1  # pixels, which is matplotlib's limit
# For each kind of file, the metadata that keeps versions and times out of the bytes.
UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": "cursivetransformer", "Producer": None},
}
POINTS = 72 / 25.4  # in a millimeter
# matplotlib draws by this number, whatever is added first: its lines, dots and shapes have 1 or 2.
PAPER_ZORDER = 0


def save_png(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page on white paper. Raises `UserError` for a picture that is too large."""
    check_page_pixels(page.width, page.height, config.dpi)
    figure = _figure(page, config)
    figure.savefig(path, format="png", dpi=config.dpi, metadata=UNDATED[".png"])


class PdfBook:
    """A PDF, written page after page."""

    def __init__(self, path: str | Path, config: SampleConfig, origin: InkMetadata) -> None:
        from matplotlib.backends.backend_pdf import PdfPages

        self.config = config
        self.pages = PdfPages(path, metadata=UNDATED[".pdf"])

    def add(self, page: Page) -> None:
        """Append a page."""
        self.pages.savefig(_figure(page, self.config))

    def close(self) -> None:
        """Finish the file."""
        self.pages.close()


def check_page_pixels(width: float, height: float, dpi: int) -> None:
    """Raise `UserError` for a page, in millimeters, that is too large a picture."""
    cure = f"take a smaller --dpi than {dpi}, or a smaller --page"
    _check_pixels(width * dpi / 25.4, height * dpi / 25.4, cure)


def _check_pixels(width: float, height: float, cure: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UserError(
            f"a picture of {width:.0f} x {height:.0f} pixels is too large, with more than "
            f"{MAX_PIXELS / 1e6:g} million or a side of more than {MAX_SIDE}; {cure}"
        )


def _figure(page: Page, config: SampleConfig) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(page.width / 25.4, page.height / 25.4), dpi=config.dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page.width), ylim=(page.height, 0))
    axes.axis("off")
    if page.ruling and config.draw_paper:
        _draw_paper(axes, page)
    if config.strokes == "line":
        curves = [flatten(stroke).xy for stroke in page.strokes]
        draw_strokes(axes, curves, config.pen_width * POINTS, config.ink_color)
    else:
        _draw_outlines(axes, page, config)
    return figure


def _draw_paper(axes: Axes, page: Page) -> None:
    from matplotlib.collections import LineCollection

    assert page.ruling is not None
    ruled = page.ruling.lines(page.width, page.height)
    lines = [((x1, y1), (x2, y2)) for x1, y1, x2, y2 in ruled]
    width = PAPER_WIDTH * POINTS
    axes.add_collection(
        LineCollection(lines, colors=PAPER_COLOR, linewidths=width, zorder=PAPER_ZORDER)
    )
    dots = np.array(page.ruling.dots(page.width, page.height)).reshape(-1, 2)
    _draw_dots(axes, dots, PAPER_DOT * POINTS, PAPER_COLOR, zorder=PAPER_ZORDER)


def _draw_outlines(axes: Axes, page: Page, config: SampleConfig) -> None:
    """Draw each word's ink as one path, so that overlapping strokes are filled once."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Shape

    paths = []
    for inks in brush.word_inks(page.words, config, brush.OUTLINE_FINE):
        shapes = []
        for path, width in inks:
            corners = brush.outline(path, width)
            codes = np.full(len(corners) + 1, Shape.LINETO)
            codes[0], codes[-1] = Shape.MOVETO, Shape.CLOSEPOLY
            shapes.append(Shape(np.concatenate([corners, corners[:1]]), codes))
        if shapes:
            paths.append(Shape.make_compound_path(*shapes))
    ink = PathCollection(paths, facecolors=config.ink_color, linewidths=0, transform=axes.transData)
    axes.add_collection(ink)


def draw_strokes(
    axes: Axes, strokes: Sequence[np.ndarray], width: float, color: str = INK_COLOR
) -> None:
    """Draw strokes (m, 2) onto matplotlib axes, straight from point to point.

    A stroke without length is drawn as a dot. width: of the line, in points.
    """
    from matplotlib.collections import LineCollection

    dots = np.array([stroke[0] for stroke in strokes if brush.is_dot(stroke)]).reshape(-1, 2)
    _draw_dots(axes, dots, brush.DOT * width, color)
    lines = LineCollection(
        [stroke for stroke in strokes if not brush.is_dot(stroke)],
        colors=color,
        linewidths=width,
        capstyle="round",
        joinstyle="round",
    )
    axes.add_collection(lines)


def _draw_dots(
    axes: Axes, dots: np.ndarray, size: float, color: str, zorder: float | None = None
) -> None:
    """Draw filled dots at (n, 2) positions; size: diameter in points."""
    x, y = dots.T
    # Without `snap`, matplotlib would move dots to whole pixels.
    dot: dict[str, Any] = {"marker": "o", "markersize": size, "markeredgewidth": 0, "snap": False}
    axes.plot(x, y, linestyle="", color=color, zorder=zorder, **dot)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a matplotlib figure to a .png, .svg or .pdf file: whole or not at all.

    The same figure gives the same bytes. Raises `UserError`.
    """
    import matplotlib

    ending = Path(path).suffix.lower()
    if ending == ".png":
        width, height = figure.get_size_inches() * figure.dpi
        _check_pixels(width, height, "draw less, or take .svg")
    with atomic_path(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "sheet"}):
        figure.savefig(temporary, format=ending[1:], metadata=UNDATED[ending])
