"""Ink drawn by matplotlib: pages as PNG and as PDF, whose ink is vectors, and strokes on any axes. Knows no words.

matplotlib is imported where it is used, because what draws nothing does without its slow import.
"""

from pathlib import Path

import numpy as np

from cursivetransformer.ink import curves
from cursivetransformer.layout.paper import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH
from cursivetransformer.render import brush as pen
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path

INK = "#1a2a5e"  # blue-black, of pictures that have no setting for it
MOST_PIXELS, LONGEST = (
    4e8,
    2**16 - 1,
)  # of a picture, and of one of its sides: what matplotlib draws, in 1.6 GB
# No version and no time in the bytes, for each kind of file.
UNDATED = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": "cursivetransformer", "Producer": None},
}
POINTS = 72 / 25.4  # in a millimetre


def save_png(page, path, config):
    """Write a `page.Page` on white. config: a `sample_config.SampleConfig`. Raises `UserError` for a picture that is too large."""
    if (
        page.width * page.height * (config.dpi / 25.4) ** 2 > MOST_PIXELS
        or max(page.width, page.height) * config.dpi / 25.4 > LONGEST
    ):
        raise UserError(
            f"a page of {page.width:.0f} x {page.height:.0f} mm is too large a picture at --dpi {config.dpi}; take fewer"
        )
    figure = _figure(page, config)
    figure.savefig(path, format="png", dpi=config.dpi, metadata=UNDATED[".png"])


class PdfBook:
    """A PDF that is written page after page."""

    def __init__(self, path, config, origin):
        from matplotlib.backends.backend_pdf import PdfPages

        self.config = config
        self.pages = PdfPages(path, metadata=UNDATED[".pdf"])

    def add(self, page):
        """Append a `page.Page`."""
        self.pages.savefig(_figure(page, self.config))

    def close(self):
        """Finish the file."""
        self.pages.close()


def _figure(page, config):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(page.width / 25.4, page.height / 25.4), dpi=config.dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page.width), ylim=(page.height, 0))
    axes.axis("off")
    if page.ruling and config.draw_paper:
        lines = [
            ((x1, y1), (x2, y2)) for x1, y1, x2, y2 in page.ruling.lines(page.width, page.height)
        ]
        axes.add_collection(
            LineCollection(lines, colors=PAPER_COLOR, linewidths=PAPER_WIDTH * POINTS)
        )
        dots = np.array(page.ruling.dots(page.width, page.height)).reshape(-1, 2)
        axes.plot(
            *dots.T,
            linestyle="",
            marker="o",
            markersize=PAPER_DOT * POINTS,
            markeredgewidth=0,
            color=PAPER_COLOR,
        )
    if config.strokes == "line":
        draw_strokes(
            axes,
            [curves.flatten(stroke).xy for stroke in page.strokes],
            config.pen_width * POINTS,
            config.ink_color,
        )
    else:
        _draw_outlines(axes, page, config)
    return figure


def _draw_outlines(axes, page, config):
    """Each word's ink as one path: overlapping strokes of a path are filled once."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    usual, paths = pen.usual_step(page.strokes), []
    for word in page.words:
        shapes = []
        for stroke in word.strokes:
            corners = pen.outline(*pen.inked(stroke, config, usual, pen.OUTLINE_FINE))
            codes = np.full(len(corners) + 1, Path.LINETO)
            codes[0], codes[-1] = Path.MOVETO, Path.CLOSEPOLY
            shapes.append(Path(np.concatenate([corners, corners[:1]]), codes))
        if shapes:
            paths.append(Path.make_compound_path(*shapes))
    axes.add_collection(
        PathCollection(paths, facecolors=config.ink_color, linewidths=0, transform=axes.transData)
    )


def draw_strokes(axes, strokes, points, color=INK):
    """Draw strokes (m, 2) onto matplotlib axes as they are, from point to point, a stroke of no length as a dot."""
    from matplotlib.collections import LineCollection

    dots = np.array([stroke[0] for stroke in strokes if _is_dot(stroke)]).reshape(-1, 2)
    axes.plot(
        dots[:, 0],
        dots[:, 1],
        linestyle="",
        marker="o",
        markersize=pen.DOT * points,
        markeredgewidth=0,
        color=color,
    )
    axes.add_collection(
        LineCollection(
            [stroke for stroke in strokes if not _is_dot(stroke)],
            colors=color,
            linewidths=points,
            capstyle="round",
            joinstyle="round",
        )
    )


def save_figure(figure, path):
    """Write a matplotlib figure to a .png, .svg or .pdf file: whole or not at all, the same bytes for the same figure. Raises `UserError`."""
    import matplotlib

    ending = Path(path).suffix.lower()
    with atomic_path(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "sheet"}):
        figure.savefig(temporary, format=ending[1:], metadata=UNDATED[ending])


def _is_dot(stroke):
    return not np.ptp(stroke, axis=0).any()
