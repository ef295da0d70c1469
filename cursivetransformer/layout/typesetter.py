"""Words of points -> lines and pages in millimetres. Knows no sampler, no torch and no file format.

Every word comes with its left edge at x = 0 and its baseline at y = 0, so a line is words side by side; no table of
letters is needed. Pages are made one at a time from a stream of words, so a text may be of any length.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from cursivetransformer.layout.page import Page
from cursivetransformer.layout.paper import (
    AUTO_MARGIN,
    LARGEST_X_HEIGHT,
    SMALLEST_X_HEIGHT,
    Sheet,
)
from cursivetransformer.layout.text import Break
from cursivetransformer.utils.errors import UserError

SPACE_INDENT = 1.5  # x-heights: what a space at the beginning of a line moves it in
NARROWEST, WIDEST = 0.5, 2.0  # of a space between words that varies, in its mean
CLOSER, CLOSEST = (
    0.7,
    0.5,
)  # share of the room between two words' ink that they are moved together by; at most, in x-heights
SENTENCE_ENDS, SENTENCE_SPACE = tuple(".!?"), 1.3  # marks, behind which a space is so much wider
JOIN_SPACE = 0.1  # x-heights, between parts of one word
LOOSEST = 3.0  # a justified line is left ragged where its spaces would grow to more than this times their size
FIT_STEPS = 14  # halvings: to a hundredth of a millimetre
MOST_FITTED = 20_000  # words: more are not legible on any page


@dataclass
class Line:
    """Words side by side. gaps: millimetres before each, the first is the indent; down: lines from the one before; page: it begins a
    page; last: of its paragraph."""

    words: list
    gaps: list
    down: int = 1
    page: bool = False
    last: bool = True

    def width(self, unit):
        """Millimetres from its left edge to the end of its ink, indent counted in; unit: millimetres of a canvas height."""
        return sum(self.gaps) + sum(word.width for word in self.words) * unit


def lay_out(parts, config, ink_x_height, sheet=None):
    """Write a stream of `page.Ink`s and `manuscript.Break`s onto pages; yields each `Page` as it is full.

    config: a `sample_config.SampleConfig`, whose seed chooses what varies; ink_x_height: of the hand, in canvas heights; sheet: a
    `paper.Sheet`, by default what the settings ask for. A word that is wider than a line is made narrower. Raises `UserError`.
    """
    sheet = sheet or Sheet.from_settings(config)
    setter = Typesetter(config, sheet, sheet.x_height / ink_x_height)
    first, pages = None, 0
    for page in setter.pages(parts):
        if first is not None:
            yield first
        first, pages = page, pages + 1
    if first is not None:
        yield _cropped(first, sheet, config) if sheet.auto and pages == 1 else first


def fitted(parts, config, ink_x_height):
    """The `paper.Sheet` with the largest x-height at which the stream `parts` is on one page, and the parts as a list. Raises `UserError`."""
    kept = []
    for part in parts:
        kept.append(part)
        if len(kept) > MOST_FITTED:
            raise UserError(
                f"--fit: more than {MOST_FITTED} words cannot be legible on one page; leave --fit out"
            )
    smallest = Sheet.from_settings(dataclasses.replace(config, fit=True))

    def sheet_of(x_height):
        sheet = smallest.sized(x_height, config)
        pages = lay_out(kept, config, ink_x_height, sheet)
        next(pages)
        if next(pages, None) is not None:
            raise UserError(
                f"--fit: the text is not on one page even with an x-height of {SMALLEST_X_HEIGHT:g} mm; take a larger --page or a smaller --margin"
            )
        return sheet

    low, high = SMALLEST_X_HEIGHT, config.x_height or LARGEST_X_HEIGHT
    best = sheet_of(low)
    for _ in range(FIT_STEPS):
        middle = (low * high) ** 0.5
        try:
            best, low = sheet_of(middle), middle
        except UserError:
            high = middle
    return best, kept


class Typesetter:
    """Sets lines, then pages. unit: millimetres of a canvas height."""

    def __init__(self, config, sheet, unit):
        self.config, self.sheet, self.unit = config, sheet, unit
        self.rng = np.random.default_rng(config.seed)

    def pages(self, parts):
        """`Page`s of full size."""
        words, at = [], 0.0
        for line in self._lines(parts):
            # An empty line is as high as the settings say; on ruled paper the next one stands on a line again.
            at += min(line.down, 1) + max(0, line.down - 1) * self.config.paragraph_space
            if self.sheet.ruling:
                at = float(np.ceil(at - 1e-6))
            if words and (line.page or not self.sheet.has_line(at)):
                yield self._page(words)
                words, at = [], 0.0
            at = at if self.sheet.has_line(at) else 0.0
            words += self._placed(line, at)
        if words:
            yield self._page(words)

    def _page(self, words):
        return Page(words, self.sheet.width, self.sheet.height, self.sheet.ruling)

    def _lines(self, parts):
        """`Line`s, as many words in each as it holds."""
        line = self._new_line(Break(0))
        for cluster in self._clusters(parts):
            if isinstance(cluster, Break):
                if line.words:
                    yield line
                    line = self._new_line(cluster)
                else:  # breaks add up
                    line = self._new_line(
                        Break(line.down + cluster.lines, cluster.indent, line.page or cluster.page)
                    )
                continue
            gaps = self._gaps(line.words[-1] if line.words else None, cluster)
            width = sum(word.width for word in cluster) * self.unit
            if (
                len(line.words)
                and line.width(self.unit) + sum(gaps) + width > self.sheet.text_width + 1e-6
            ):
                line.last = False
                yield line
                line = Line([], [])
            if not line.words:
                gaps[0] = line.gaps.pop() if line.gaps else 0.0
            line.words += cluster
            line.gaps += gaps
        if line.words:
            yield line

    def _clusters(self, parts):
        """The parts, with every word and those that are glued to it as a list, as many as a line holds."""
        cluster, width = [], 0.0
        for part in parts:
            more = (
                0.0
                if isinstance(part, Break)
                else part.width * self.unit + self.config.word_space * self.sheet.x_height
            )
            if cluster and (
                isinstance(part, Break) or not part.glued or width + more > self.sheet.text_width
            ):
                yield cluster
                cluster, width = [], 0.0
            if isinstance(part, Break):
                yield part
            else:
                cluster.append(part)
                width += more
        if cluster:
            yield cluster

    def _new_line(self, start):
        """An empty line as a break begins it; a gap is kept for its indent."""
        indent = start.indent * SPACE_INDENT * self.sheet.x_height + (
            self.config.indent if start.lines != 1 else 0.0
        )
        # Half a line's width, at most: what is written must find room.
        return Line([], [min(indent, self.sheet.text_width / 2)], start.lines, start.page)

    def _gaps(self, before, cluster):
        """Millimetres before each word of a cluster, as a hand spaces them; `before`: the word it stands behind, or None. The numbers
        drawn do not depend on where lines end."""
        varied = 1 + self.config.word_space_jitter * self.rng.standard_normal(len(cluster))
        gaps = self.config.word_space * self.sheet.x_height * np.clip(varied, NARROWEST, WIDEST)
        for i, word in enumerate(cluster):
            if word.joined:
                gaps[i] = JOIN_SPACE * self.sheet.x_height
            if before is not None and before.text.rstrip("\"')]")[-1:] in SENTENCE_ENDS:
                gaps[i] *= SENTENCE_SPACE
            if (
                before is not None and before.text[-1:].isalnum() and word.text[:1].isalnum()
            ):  # a mark keeps its distance
                room = (
                    before.edge_profiles[1] + word.edge_profiles[0]
                ).min()  # where a tail hangs under the next word there is some
                gaps[i] -= min(CLOSER * room * self.unit, CLOSEST * self.sheet.x_height, gaps[i])
            before = word
        return list(gaps)

    def _placed(self, line, at):
        """`PlacedWord`s of a line, `at` lines down the page."""
        slope = np.radians(self.config.slope_jitter) * np.clip(self.rng.standard_normal(), -2, 2)
        left, y, free = (
            self.sheet.margin[3],
            self.sheet.baseline(at),
            self.sheet.text_width - line.width(self.unit),
        )
        indent, gaps = line.gaps[0], np.array([0.0, *line.gaps[1:]])
        scale = self.unit
        if free < -1e-6:  # a word wider than a line
            shrink = (self.sheet.text_width - indent) / (self.sheet.text_width - indent - free)
            scale, gaps, free = scale * shrink, gaps * shrink, 0.0
        if (
            self.config.align == "justified"
            and not line.last
            and gaps.sum()
            and free < (LOOSEST - 1) * gaps.sum()
        ):
            gaps *= 1 + free / gaps.sum()
        x = left + indent + {"center": free / 2, "right": free}.get(self.config.align, 0.0)
        start, placed = x, []
        for word, gap in zip(line.words, gaps):
            x += gap
            placed.append(
                dataclasses.replace(
                    word, x=x, y=y + np.tan(slope) * (x - start), scale=scale, slope=slope
                )
            )
            x += word.width * scale
        return placed


def _cropped(page, sheet, config):
    """A page that is as small as its ink, with a margin."""
    ink = np.concatenate([*page.strokes, np.zeros((0, 2))])
    if not len(ink):
        ink = np.array([[sheet.margin[3], sheet.baseline(0)]])
    top, right, bottom, left = (
        sheet.margin if config.margin.strip() else [AUTO_MARGIN * sheet.x_height] * 4
    )
    x, y = ink.min(axis=0) - (left, top)
    width, height = ink.max(axis=0) + (right, bottom) - (x, y)
    words = [dataclasses.replace(word, x=word.x - x, y=word.y - y) for word in page.words]
    ruling = page.ruling and dataclasses.replace(
        page.ruling, x=page.ruling.x - x, y=page.ruling.y - y
    )
    return Page(words, float(width), float(height), ruling)
