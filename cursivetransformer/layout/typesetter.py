"""Set words of ink in lines and pages.

Every word comes with its left edge at x = 0 and its baseline at y = 0, so a line is words side by
side, and no table of letters is needed. Pages are made one at a time from a stream of words, so a
text may have any length. Does not depend on a sampler or a file format.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.page import (
    AUTO_MARGIN,
    MAX_X_HEIGHT,
    MIN_X_HEIGHT,
    Page,
    PlacedWord,
    Sheet,
)
from cursivetransformer.layout.text import Break
from cursivetransformer.utils.errors import UserError

SPACE_INDENT = 1.5  # x-heights of indent for a space at the beginning of a line
# Bounds of a varied space between words, as multiples of its mean.
MIN_SPACE, MAX_SPACE = 0.5, 2.0
# Words move together by this fraction of the room between their ink, at most this many x-heights.
KERNING_FRACTION, MAX_KERNING = 0.7, 0.5
SENTENCE_ENDS = tuple(".!?")
SENTENCE_SPACE = 1.3  # factor of the space after the end of a sentence
JOIN_SPACE = 0.1  # x-heights between the parts of one word
HYPHEN_SPACE = 0.25  # x-heights before a hyphen at the end of a line
MAX_STRETCH = 3.0  # a line whose spaces would grow by more than this factor is not justified
MAX_SLOPE = 2.0  # standard deviations of a line's slope
DRIFT = 0.7  # correlation of where a line begins with where the next one does
MAX_DRIFT = 2.0  # standard deviations
DRIFT_IN_MARGIN, DRIFT_IN_PITCH = 0.5, 0.125  # of a margin and of the distance between lines
DRIFT_STREAM = 1  # tells these random numbers apart from others of the same seed
GUIDED = 0.3  # of its slope and height is left to a line of writing on a line of the paper
FIT_STEPS = 14  # bisections; they find the x-height to a hundredth of a millimeter
MAX_FITTED = 20_000  # words and breaks; more are not legible on any page


@dataclass
class Line:
    """Words side by side.

    gaps: millimeters before each word, the first of which is the indent; down: lines from the
    previous line; page: the line begins a page; last: it is the last line of its paragraph.
    """

    words: list[PlacedWord]
    gaps: list[float]
    down: int = 1
    page: bool = False
    last: bool = True

    def width(self, unit: float) -> float:
        """Return the millimeters to the end of the ink; unit: millimeters per canvas height."""
        return sum(self.gaps) + sum(word.width for word in self.words) * unit


def lay_out(
    parts: Iterable[PlacedWord | Break],
    config: SampleConfig,
    ink_x_height: float,
    sheet: Sheet | None = None,
) -> Iterator[Page]:
    """Write a stream of words and breaks onto pages; yield each page as soon as it is full.

    A word that is wider than a line is scaled down.

    Args:
        parts: The words and breaks in order.
        config: The settings; the seed chooses what varies.
        ink_x_height: x-height of the words in canvas heights.
        sheet: The sheet to write on; by default the one of the settings.

    Raises:
        UserError: There is no room for a letter.
    """
    sheet = sheet or Sheet.from_settings(config)
    pages = Typesetter(config, sheet, sheet.x_height / ink_x_height).pages(parts)
    first = next(pages, None)
    if first is None:
        return
    second = next(pages, None)
    if second is None:
        yield _crop(first, sheet, config) if sheet.auto else first
        return
    yield first
    yield second
    yield from pages


def fit_sheet(
    parts: Iterable[PlacedWord | Break], config: SampleConfig, ink_x_height: float
) -> tuple[Sheet, list[PlacedWord | Break]]:
    """Find the largest letters with which a text fits on one page.

    Returns:
        The sheet for these letters, and the parts as a list.

    Raises:
        UserError: The text does not fit with the smallest letters.
    """
    kept = []
    for part in parts:
        kept.append(part)
        if len(kept) > MAX_FITTED:
            raise UserError(
                f"--fit: more than {MAX_FITTED} words cannot be legible on one page; "
                "leave --fit out"
            )
    smallest = Sheet.from_settings(dataclasses.replace(config, fit=True))

    def try_x_height(x_height: float) -> Sheet:
        sheet = smallest.with_x_height(x_height, config)
        pages = lay_out(kept, config, ink_x_height, sheet)
        next(pages)
        if next(pages, None) is not None:
            raise UserError(
                "--fit: the text is not on one page even with an x-height of "
                f"{MIN_X_HEIGHT:g} mm; take a larger --page or a smaller --margin"
            )
        return sheet

    low, high = MIN_X_HEIGHT, config.x_height or MAX_X_HEIGHT
    best = try_x_height(low)
    for _ in range(FIT_STEPS):
        middle = (low * high) ** 0.5
        try:
            best = try_x_height(middle)
            low = middle
        except UserError:
            high = middle
    return best, kept


class Typesetter:
    """Sets words in lines, and lines on pages. unit: millimeters per canvas height."""

    def __init__(self, config: SampleConfig, sheet: Sheet, unit: float) -> None:
        self.config = config
        self.sheet = sheet
        self.unit = unit
        self.rng = np.random.default_rng(config.seed)
        self.drift_rng = np.random.default_rng([config.seed, DRIFT_STREAM])
        self.drift = self.drift_rng.standard_normal(2)

    def pages(self, parts: Iterable[PlacedWord | Break]) -> Iterator[Page]:
        """Yield pages of full size."""
        words: list[PlacedWord] = []
        position = 0.0  # lines from the first baseline of the page
        for line in self._lines(parts):
            # An empty line is as high as the settings say.
            position += min(line.down, 1) + max(0, line.down - 1) * self.config.paragraph_space
            if self.sheet.ruling:  # the next line is on the ruling again
                position = float(np.ceil(position - 1e-6))
            if words and (line.page or not self.sheet.has_line(position)):
                yield self._page(words)
                words, position = [], 0.0
            if not self.sheet.has_line(position):
                position = 0.0
            words += self._place(line, position)
        if words:
            yield self._page(words)

    def _page(self, words: list[PlacedWord]) -> Page:
        return Page(words, self.sheet.width, self.sheet.height, self.sheet.ruling)

    def _lines(self, parts: Iterable[PlacedWord | Break]) -> Iterator[Line]:
        """Break the parts into lines, each with as many words as it holds."""
        line = self._new_line(Break(0))
        for cluster in self._clusters(parts):
            if isinstance(cluster, Break):
                if line.words:
                    yield line
                    line = self._new_line(cluster)
                else:  # breaks add up
                    lines, page = line.down + cluster.lines, line.page or cluster.page
                    line = self._new_line(Break(lines, cluster.indent, page))
                continue
            gaps = self._gaps(line.words[-1] if line.words else None, cluster)
            while cluster:
                n = self._count_fitting(line, cluster, gaps)
                if n and not line.words:  # the indent takes the place of the first gap
                    gaps[0] = line.gaps.pop() if line.gaps else 0.0
                line.words += cluster[:n]
                line.gaps += gaps[:n]
                cluster, gaps = cluster[n:], gaps[n:]
                if cluster:
                    if n:
                        line.words[-1] = self._hyphenate(line.words[-1], cluster[0])
                    line.last = False
                    yield line
                    line = Line([], [])
        if line.words:
            yield line

    def _count_fitting(self, line: Line, cluster: list[PlacedWord], gaps: list[float]) -> int:
        """Return how many words of a cluster go on a line: all, or up to where it breaks, or none.

        A cluster is broken only if no line holds it, and an empty line takes some of it.
        """
        steps = np.array(gaps) + [word.width * self.unit for word in cluster]
        alone = float(steps.sum() - gaps[0])
        if not line.words:
            steps[0] -= gaps[0]
        ends = line.width(self.unit) + np.cumsum(steps)
        limit = self.sheet.text_width + 1e-6
        if ends[-1] <= limit:
            return len(cluster)
        if line.words and alone <= limit:
            return 0
        breaks = [i for i, word in enumerate(cluster) if i and word.joined and not word.glued]
        for i in reversed(breaks):
            last = cluster[i - 1]
            hyphen_width = (self._hyphenate(last, cluster[i]).width - last.width) * self.unit
            if ends[i - 1] + hyphen_width <= limit:
                return i
        if line.words:
            return 0
        return breaks[0] if breaks else len(cluster)

    def _hyphenate(self, word: PlacedWord, rest: PlacedWord) -> PlacedWord:
        """Return the last word of a line with the hyphen of its rest, which the next line holds."""
        if rest.hyphen is None or not len(rest.hyphen):
            return word
        gap = HYPHEN_SPACE * self.sheet.x_height
        gap -= self._kerning(word, PlacedWord("-", rest.hyphen))
        hyphen = rest.hyphen + np.array([word.width + gap / self.unit, 0, 0], np.float32)
        points = np.concatenate([word.points, hyphen])
        points[len(word.points) - 1 : len(word.points), 2] = 0  # no ink from the word to the hyphen
        return dataclasses.replace(word, text=word.text + "-", points=points)

    def _clusters(self, parts: Iterable[PlacedWord | Break]) -> Iterator[list[PlacedWord] | Break]:
        """Join each word with those joined and glued to it; pass breaks through.

        Glued words are no more than a line holds.
        """
        cluster: list[PlacedWord] = []
        width = 0.0
        for part in parts:
            if isinstance(part, Break):
                if cluster:
                    yield cluster
                cluster, width = [], 0.0
                yield part
                continue
            part_width = part.width * self.unit + self.config.word_space * self.sheet.x_height
            fits = part.glued and width + part_width <= self.sheet.text_width
            if cluster and not part.joined and not fits:
                yield cluster
                cluster = []
            if not (part.glued and cluster):  # a line may begin here
                width = 0.0
            cluster.append(part)
            width += part_width
        if cluster:
            yield cluster

    def _new_line(self, start: Break) -> Line:
        """Return an empty line after a break, with a gap for its indent."""
        indent = start.indent * SPACE_INDENT * self.sheet.x_height
        if start.lines != 1:
            indent += self.config.indent
        # At most half a line, so that there is room for words.
        indent = min(indent, self.sheet.text_width / 2)
        return Line([], [indent], start.lines, start.page)

    def _gaps(self, previous: PlacedWord | None, cluster: list[PlacedWord]) -> list[float]:
        """Return the millimeters before each word of a cluster, with random variation.

        The number of random numbers does not depend on where lines end.

        Args:
            previous: The word before the cluster on the line, or None.
            cluster: Words that stand together.
        """
        varied = 1 + self.config.word_space_jitter * self.rng.standard_normal(len(cluster))
        gaps = self.config.word_space * self.sheet.x_height * np.clip(varied, MIN_SPACE, MAX_SPACE)
        for i, word in enumerate(cluster):
            if word.joined:
                gaps[i] = JOIN_SPACE * self.sheet.x_height
            if previous is not None:
                if previous.text.rstrip("\"')]")[-1:] in SENTENCE_ENDS:
                    gaps[i] *= SENTENCE_SPACE
                # Only letters and digits move together; a mark keeps its distance.
                if previous.text[-1:].isalnum() and word.text[:1].isalnum():
                    gaps[i] -= min(self._kerning(previous, word), gaps[i])
            previous = word
        return list(gaps)

    def _kerning(self, left: PlacedWord, right: PlacedWord) -> float:
        """Return the millimeters by which two words may move together."""
        # There is room where a tail hangs under the next word.
        room = (left.edge_profiles[1] + right.edge_profiles[0]).min()
        return min(KERNING_FRACTION * room * self.unit, MAX_KERNING * self.sheet.x_height)

    def _place(self, line: Line, position: float) -> list[PlacedWord]:
        """Place the words of a line, `position` lines down the page."""
        slope = np.radians(self.config.slope_jitter) * np.clip(
            self.rng.standard_normal(), -MAX_SLOPE, MAX_SLOPE
        )
        right, down = self._next_drift()
        if self.sheet.ruling:
            slope, down = GUIDED * slope, GUIDED * down
        y = self.sheet.baseline(position) + down
        scale, gaps, free = self._fit_width(line)
        align = self.config.align
        if align == "justified" and not line.last and gaps.sum():
            if free < (MAX_STRETCH - 1) * gaps.sum():
                gaps *= 1 + free / gaps.sum()
        shift = {"center": free / 2, "right": free}.get(align, 0.0)
        if align != "justified":
            shift += right
        start = x = self.sheet.margin[3] + line.gaps[0] + shift
        placed = []
        for word, gap in zip(line.words, gaps):
            x += gap
            word_y = y + np.tan(slope) * (x - start)
            placed.append(dataclasses.replace(word, x=x, y=word_y, scale=scale, slope=slope))
            x += word.width * scale
        return placed

    def _next_drift(self) -> tuple[float, float]:
        """Return the millimeters by which the next line lies right of its place, and below it.

        They follow an autoregressive process, line by line, and stay within the margins. No other
        random number depends on them.
        """
        noise = self.drift_rng.standard_normal(2)
        self.drift = DRIFT * self.drift + np.sqrt(1 - DRIFT**2) * noise
        config, (top, right, bottom, left) = self.config, self.sheet.margin
        scale = self.sheet.x_height * np.array([config.margin_jitter, config.line_jitter])
        room = DRIFT_IN_MARGIN * np.array([min(left, right), min(top, bottom)])
        room[1] = min(room[1], DRIFT_IN_PITCH * self.sheet.pitch)
        across, down = np.clip(np.clip(self.drift, -MAX_DRIFT, MAX_DRIFT) * scale, -room, room)
        return float(across), float(down)

    def _fit_width(self, line: Line) -> tuple[float, np.ndarray, float]:
        """Scale a line down that is wider than the text: one word too wide for a line.

        Returns:
            Millimeters per canvas height, the gaps without the indent, and the free millimeters.
        """
        indent, gaps = line.gaps[0], np.array([0.0, *line.gaps[1:]])
        free = self.sheet.text_width - line.width(self.unit)
        if free >= -1e-6:
            return self.unit, gaps, free
        room = self.sheet.text_width - indent
        shrink = room / (room - free)
        return self.unit * shrink, gaps * shrink, 0.0


def _crop(page: Page, sheet: Sheet, config: SampleConfig) -> Page:
    """Return the page cropped to its ink and a margin."""
    ink = np.concatenate([*page.strokes, np.zeros((0, 2))])
    if not len(ink):
        ink = np.array([[sheet.margin[3], sheet.baseline(0)]])
    auto_margin = AUTO_MARGIN * sheet.x_height
    top, right, bottom, left = sheet.margin if config.margin.strip() else [auto_margin] * 4
    x, y = ink.min(axis=0) - (left, top)
    width, height = ink.max(axis=0) + (right, bottom) - (x, y)
    words = [dataclasses.replace(word, x=word.x - x, y=word.y - y) for word in page.words]
    ruling = page.ruling
    if ruling:
        ruling = dataclasses.replace(ruling, x=ruling.x - x, y=ruling.y - y)
    return Page(words, float(width), float(height), ruling)
