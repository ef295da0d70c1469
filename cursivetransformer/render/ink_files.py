"""Pages as ink, for programs that edit it or learn from it: banks, InkML and Xournal++.

Each kind is one file, written page after page.
"""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from cursivetransformer.bank.file import EntryFile
from cursivetransformer.bank.word import UNKNOWN_AUTHOR, Word, word_to_entry
from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.curves import flatten, resample
from cursivetransformer.layout.page import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH, Page, PlacedWord
from cursivetransformer.render import brush

PT = 72 / 25.4  # points in a millimeter
XOPP_FINE = 0.05  # millimeters that a stroke may miss its curve by
XOPP_DOT = 0.02  # millimeters: length of a dot's stroke, which must have two ends


@dataclass(frozen=True)
class InkMetadata:
    """Where ink comes from and goes to.

    author: name of the hand; dropped: fraction of the recorded points that its model drops while
    learning; name: of the file, if it is written under a temporary one.
    """

    author: str = UNKNOWN_AUTHOR
    dropped: float = 0.0
    name: str = ""

    @property
    def factor(self) -> int:
        """How many recorded points there are for each point of the model."""
        return max(1, round(1 / (1 - self.dropped)))


class BankFile:
    """A bank of the words, with as many points as a recorder takes: it can be trained on."""

    def __init__(self, path: str | Path, config: SampleConfig, origin: InkMetadata) -> None:
        self.entries = EntryFile(path, origin.name)
        self.origin, self.n_pages = origin, 0

    def add(self, page: Page) -> None:
        """Append the words of a page."""
        self.n_pages += 1
        for word in page.words:
            if len(word.points):
                self.entries.add(word_to_entry(self._recorded(word)))

    def close(self) -> None:
        """Finish the file."""
        self.entries.close()

    def _recorded(self, word: PlacedWord) -> Word:
        metadata = {
            "generated": True,
            "page": self.n_pages,
            "placeInMillimetres": [round(float(word.x), 2), round(float(word.y), 2)],
        }
        points = resample(word.points, self.origin.factor)
        return Word(word.text, self.origin.author, points, metadata)


class InkmlFile:
    """InkML (W3C Recommendation, 2011): a trace group for each word.

    Points are in millimeters, with milliseconds.
    """

    def __init__(self, path: str | Path, config: SampleConfig, origin: InkMetadata) -> None:
        self.config = config
        self.file = open(path, "w", encoding="utf-8", newline="\n")
        self.start, self.n_pages = 0.0, 0
        color = quoteattr(config.ink_color)
        self.file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ink xmlns="http://www.w3.org/2003/InkML">\n<definitions>\n'
            '<context xml:id="page"><inkSource xml:id="pen"><traceFormat>\n'
            '<channel name="X" type="decimal" units="mm"/>'
            '<channel name="Y" type="decimal" units="mm"/>'
            '<channel name="T" type="integer" units="ms"/>\n</traceFormat></inkSource>\n'
            f'<brush xml:id="ink"><brushProperty name="color" value={color}/>'
            f'<brushProperty name="width" value="{config.pen_width:g}" units="mm"/>'
            "</brush></context>\n</definitions>\n"
        )

    def add(self, page: Page) -> None:
        """Append the words of a page."""
        self.n_pages += 1
        timing = brush.timing(page.words, self.config.pace)
        stroke_times = iter(timing.strokes)
        size = f"{page.width:.2f} {page.height:.2f}"
        self.file.write(
            '<traceGroup contextRef="#page">\n'
            f'<annotation type="page">{self.n_pages}</annotation>\n'
            f'<annotation type="pageSizeInMillimetres">{size}</annotation>\n'
        )
        for word in page.words:
            text = escape(word.text)
            self.file.write(f'<traceGroup>\n<annotation type="truth">{text}</annotation>\n')
            for stroke in word.strokes:
                self._write_trace(stroke, next(stroke_times))
            self.file.write("</traceGroup>\n")
        self.file.write("</traceGroup>\n")
        self.start += timing.end + 1

    def close(self) -> None:
        """Finish the file."""
        self.file.write("</ink>\n")
        self.file.close()

    def _write_trace(self, stroke: np.ndarray, times: np.ndarray) -> None:
        path = flatten(stroke)
        seconds = self.start + np.interp(path.at, np.arange(len(stroke)), times)
        ms = np.rint(1000 * seconds).astype(int).tolist()
        points = ", ".join(f"{x:.3f} {y:.3f} {t}" for (x, y), t in zip(path.xy.tolist(), ms))
        self.file.write(f'<trace brushRef="#ink">{points}</trace>\n')


class XournalFile:
    """Xournal++: gzipped XML in points, every stroke with a width at each of its points.

    The lines of the paper are a layer of their own, since the program's own papers place them
    elsewhere.
    """

    def __init__(self, path: str | Path, config: SampleConfig, origin: InkMetadata) -> None:
        self.config = config
        self.raw = open(path, "wb")
        # An empty name and time keep both out of the bytes.
        self.file = gzip.GzipFile("", "wb", fileobj=self.raw, mtime=0)
        self._write(
            '<?xml version="1.0" standalone="no"?>\n'
            '<xournal creator="cursivetransformer" fileversion="4">\n'
            "<title>Xournal++ document</title>\n"
        )

    def add(self, page: Page) -> None:
        """Append a page."""
        width, height = f"{page.width * PT:.2f}", f"{page.height * PT:.2f}"
        self._write(
            f'<page width="{width}" height="{height}">\n'
            '<background type="solid" color="#ffffffff" style="plain"/>\n'
        )
        if page.ruling and self.config.draw_paper:
            self._write('<layer name="paper">\n')
            for x1, y1, x2, y2 in page.ruling.lines(page.width, page.height):
                self._write_stroke(np.array([(x1, y1), (x2, y2)]), [PAPER_WIDTH], PAPER_COLOR)
            for dot in page.ruling.dots(page.width, page.height):
                self._write_stroke(np.array([dot]), [PAPER_DOT], PAPER_COLOR)
            self._write("</layer>\n")
        self._write('<layer name="ink">\n')
        for path, widths in chain.from_iterable(
            brush.word_inks(page.words, self.config, XOPP_FINE)
        ):
            # The first width is the pen's; then comes one for each piece.
            pieces = (widths[1:] + widths[:-1]) / 2
            self._write_stroke(path.xy, [self.config.pen_width, *pieces], self.config.ink_color)
        self._write("</layer>\n</page>\n")

    def close(self) -> None:
        """Finish the file."""
        self._write("</xournal>\n")
        self.file.close()
        self.raw.close()

    def _write_stroke(self, xy: np.ndarray, widths: Iterable[float], color: str) -> None:
        """Write a line through (k, 2) points.

        Args:
            xy: points in millimeters.
            widths: one width, or the pen's and then that of each piece, in millimeters.
            color: #rrggbb.
        """
        if len(xy) == 1:
            xy = np.concatenate([xy, xy + (XOPP_DOT, 0)])
        width = " ".join(f"{value * PT:.2f}" for value in widths)
        points = " ".join(f"{value:.2f}" for value in (xy * PT).ravel())
        self._write(f'<stroke tool="pen" color="{color}ff" width="{width}">{points}</stroke>\n')

    def _write(self, text: str) -> None:
        self.file.write(text.encode())
