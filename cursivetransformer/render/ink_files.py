"""Pages as ink, for programs that edit or learn it: our own banks, InkML, and Xournal++. Each is one file, written page after page."""

import gzip
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from cursivetransformer.bank.file import EntryFile
from cursivetransformer.bank.word import UNKNOWN_AUTHOR, Word, word_to_entry
from cursivetransformer.ink import curves
from cursivetransformer.layout.paper import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH
from cursivetransformer.render import brush as pen

PT = 72 / 25.4  # points in a millimetre
XOPP_FINE = 0.05  # millimetres that a stroke may miss the true curve by
XOPP_DOT = 0.02  # millimetres: length of a dot's stroke, which must have two ends


@dataclass(frozen=True)
class InkMetadata:
    """Whose ink it is, and where it goes. author: a name; dropped: the share of points that a model drops from what it learns; name:
    of the file, if it is written under another."""

    author: str = UNKNOWN_AUTHOR
    dropped: float = 0.0
    name: str = ""

    @property
    def factor(self):
        """How many points of a recorder there are for one of a model."""
        return max(1, round(1 / (1 - self.dropped)))


class BankFile:
    """A bank of the words, with as many points as a recorder takes, so that it can be trained on like a recorded one."""

    def __init__(self, path, config, origin):
        self.entries, self.origin, self.page = EntryFile(path, origin.name), origin, 0

    def add(self, page):
        """Append the words of a `page.Page`."""
        self.page += 1
        for word in page.words:
            if len(word.points):
                metadata = {
                    "generated": True,
                    "page": self.page,
                    "placeInMillimetres": [round(float(word.x), 2), round(float(word.y), 2)],
                }
                self.entries.add(
                    word_to_entry(
                        Word(
                            word.text,
                            self.origin.author,
                            curves.resampled(word.points, self.origin.factor),
                            metadata,
                        )
                    )
                )

    def close(self):
        """Finish the file."""
        self.entries.close()


class InkmlFile:
    """InkML (W3C Recommendation, 2011): a group of traces for each word, points in millimetres with milliseconds."""

    def __init__(self, path, config, origin):
        self.config = config
        self.file = open(path, "w", encoding="utf-8", newline="\n")
        self.start, self.number = 0.0, 0
        self.file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<ink xmlns="http://www.w3.org/2003/InkML">\n<definitions>\n'
            '<context xml:id="page"><inkSource xml:id="pen"><traceFormat>\n'
            '<channel name="X" type="decimal" units="mm"/><channel name="Y" type="decimal" units="mm"/>'
            '<channel name="T" type="integer" units="ms"/>\n</traceFormat></inkSource>\n'
            f'<brush xml:id="ink"><brushProperty name="color" value={quoteattr(config.ink_color)}/>'
            f'<brushProperty name="width" value="{config.pen_width:g}" units="mm"/></brush></context>\n</definitions>\n'
        )

    def add(self, page):
        """Append the words of a `page.Page`."""
        self.number += 1
        when = pen.timing(page.words, self.config.pace)
        times = iter(when.strokes)
        self.file.write(
            f'<traceGroup contextRef="#page">\n<annotation type="page">{self.number}</annotation>\n'
            f'<annotation type="pageSizeInMillimetres">{page.width:.2f} {page.height:.2f}</annotation>\n'
        )
        for word in page.words:
            self.file.write(
                f'<traceGroup>\n<annotation type="truth">{escape(word.text)}</annotation>\n'
            )
            for stroke in word.strokes:
                path, at = curves.flatten(stroke), next(times)
                ms = np.rint(
                    1000 * (self.start + np.interp(path.at, np.arange(len(stroke)), at))
                ).astype(int)
                points = ", ".join(
                    f"{x:.3f} {y:.3f} {t}" for (x, y), t in zip(path.xy.tolist(), ms.tolist())
                )
                self.file.write(f'<trace brushRef="#ink">{points}</trace>\n')
            self.file.write("</traceGroup>\n")
        self.file.write("</traceGroup>\n")
        self.start += when.end + 1

    def close(self):
        """Finish the file."""
        self.file.write("</ink>\n")
        self.file.close()


class XournalFile:
    """Xournal++: gzipped XML in points, every stroke with a width at each of its points; the lines of the paper are a layer of their own,
    since the program's own papers have them elsewhere."""

    def __init__(self, path, config, origin):
        self.config = config
        self.raw = open(path, "wb")
        # No name and no time in the bytes.
        self.file = gzip.GzipFile("", "wb", fileobj=self.raw, mtime=0)
        self._write(
            '<?xml version="1.0" standalone="no"?>\n<xournal creator="cursivetransformer" fileversion="4">\n<title>Xournal++ document</title>\n'
        )

    def add(self, page):
        """Append a `page.Page`."""
        self._write(
            f'<page width="{page.width * PT:.2f}" height="{page.height * PT:.2f}">\n'
            '<background type="solid" color="#ffffffff" style="plain"/>\n'
        )
        if page.ruling and self.config.draw_paper:
            self._write('<layer name="paper">\n')
            for x1, y1, x2, y2 in page.ruling.lines(page.width, page.height):
                self._stroke(np.array([(x1, y1), (x2, y2)]), [PAPER_WIDTH], PAPER_COLOR)
            for dot in page.ruling.dots(page.width, page.height):
                self._stroke(np.array([dot]), [PAPER_DOT], PAPER_COLOR)
            self._write("</layer>\n")
        self._write('<layer name="ink">\n')
        usual = pen.usual_step(page.strokes)
        for word in page.words:
            for stroke in word.strokes:
                path, widths = pen.inked(stroke, self.config, usual, XOPP_FINE)
                # The first width is the pen's; after it comes one for each piece.
                self._stroke(
                    path.xy,
                    [self.config.pen_width, *(widths[1:] + widths[:-1]) / 2],
                    self.config.ink_color,
                )
        self._write("</layer>\n</page>\n")

    def close(self):
        """Finish the file."""
        self._write("</xournal>\n")
        self.file.close()
        self.raw.close()

    def _stroke(self, xy, widths, color):
        """A line through (k, 2) points; widths: one, or the pen's and then that of each piece; color: #rrggbb."""
        if len(xy) == 1:
            xy = np.concatenate([xy, xy + (XOPP_DOT, 0)])
        width = " ".join(f"{value * PT:.2f}" for value in widths)
        points = " ".join(f"{value:.2f}" for value in (xy * PT).ravel())
        self._write(f'<stroke tool="pen" color="{color}ff" width="{width}">{points}</stroke>\n')

    def _write(self, text):
        self.file.write(text.encode())
