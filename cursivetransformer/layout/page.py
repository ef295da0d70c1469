"""Sheets of paper, and pages with placed words. Lengths on a page are in millimeters.

x grows to the right and y downward from the upper left corner. Does not depend on a file format.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cursivetransformer.config.args import shown
from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.utils.errors import UserError

# Upright; ISO 216 and ANSI/ASME Y14.1.
SIZES = {
    "a3": (297.0, 420.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "a6": (105.0, 148.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
}
MIN_SIDE, MAX_SIDE = 5.0, 5000.0
DEFAULT_MARGIN = 20.0
AUTO_MARGIN = 2.0  # x-heights, of a page that is as small as its text
DEFAULT_X_HEIGHT = 2.5  # where the settings give neither x-height nor line height
MIN_X_HEIGHT, MAX_X_HEIGHT = 0.5, 100.0  # of a text that is fitted to a page
LINE_PITCH = 3.2  # x-heights between baselines
# Room above the first baseline and below the last, in x-heights.
ASCENT, DESCENT = 2.2, 1.4

PAPER_COLOR = "#c9d4e3"  # of printed lines and dots
PAPER_WIDTH = 0.15  # of a printed line
PAPER_DOT = 0.5  # diameter of a printed dot
MAX_DOTS = 300_000  # on a page: finer than 1 mm on A3

# The distance between two words is measured in bands of height.
BAND_HEIGHT = 0.06  # canvas heights
N_BANDS = 25
ABOVE_FRACTION = 0.6  # of the bands lie above the baseline


@dataclass(frozen=True)
class Ruling:
    """Lines or dots that are printed on a page.

    kind: "ruled", "squared" or "dotted"; pitch: distance from line to line and from column to
    column; x, y: a point that a column and a line pass through.
    """

    kind: str
    pitch: float
    x: float = 0.0
    y: float = 0.0

    def lines(self, width: float, height: float) -> list[tuple[float, float, float, float]]:
        """Return the lines as (x1, y1, x2, y2) on a page of this size."""
        lines = []
        if self.kind in ("ruled", "squared"):
            lines += [(0.0, y, width, y) for y in self._steps(self.y, height)]
        if self.kind == "squared":
            lines += [(x, 0.0, x, height) for x in self._steps(self.x, width)]
        return lines

    def dots(self, width: float, height: float) -> list[tuple[float, float]]:
        """Return the dots as (x, y) on a page of this size."""
        if self.kind != "dotted":
            return []
        rows, columns = self._steps(self.y, height), self._steps(self.x, width)
        return [(x, y) for y in rows for x in columns]

    def _steps(self, through: float, end: float) -> list[float]:
        """Return the positions from 0 to `end`, one `pitch` apart, of a grid through `through`."""
        start = through % self.pitch
        return [start + i * self.pitch for i in range(math.ceil((end - start) / self.pitch))]


@dataclass(frozen=True)
class Sheet:
    """A sheet to write on.

    margin: top, right, bottom, left; x_height: of the letters; pitch: distance between baselines;
    auto: crop the page to its ink if there is only one.
    """

    width: float
    height: float
    margin: tuple[float, float, float, float]
    x_height: float
    pitch: float
    ruling: Ruling | None = None
    auto: bool = False

    @classmethod
    def from_settings(cls, config: SampleConfig) -> "Sheet":
        """Return the sheet of the settings; with `fit` its letters are the smallest possible.

        Raises:
            UserError: The settings contradict each other or leave no room for a letter.
        """
        width, height = parse_size(config.page, "--page") or SIZES["a4"]
        if config.landscape:
            width, height = max(width, height), min(width, height)
        top, right, bottom, left = parse_margin(config.margin)
        auto = config.page.lower() == "auto" and not config.fit
        if config.line_width and auto:
            width = left + config.line_width + right
        elif config.line_width:
            right = width - left - config.line_width
        x_height = _initial_x_height(config)
        sheet = cls(width, height, (top, right, bottom, left), x_height, 0.0, auto=auto)
        return sheet.with_x_height(x_height, config)

    def with_x_height(self, x_height: float, config: SampleConfig) -> "Sheet":
        """Return the same sheet for letters of another size, its baselines on the ruling.

        Raises:
            UserError: There is no room for such letters.
        """
        pitch = config.line_height or LINE_PITCH * x_height
        on_grid = config.paper in ("squared", "dotted")
        if on_grid:
            pitch = config.grid * max(1, round(pitch / config.grid))
        sheet = replace(self, x_height=x_height, pitch=pitch)
        ruling = None
        if on_grid:
            n_dots = self.width * self.height / config.grid**2
            if config.paper == "dotted" and n_dots > MAX_DOTS:
                raise UserError(
                    f"a page of {self.width:g} x {self.height:g} mm has {n_dots:,.0f} dots at "
                    f"--grid {config.grid:g}; take a larger one, for at most {MAX_DOTS:,}"
                )
            ruling = Ruling(config.paper, config.grid)
            # The first baseline is the first grid line with room for tall letters above it.
            first_baseline = math.ceil(sheet.baseline(0) / config.grid) * config.grid
            top = first_baseline - ASCENT * x_height
            sheet = replace(sheet, margin=(top, *self.margin[1:]))
        elif config.paper == "ruled":
            ruling = Ruling("ruled", pitch, y=sheet.baseline(0))
        sheet._check_room()
        return replace(sheet, ruling=ruling)

    def _check_room(self) -> None:
        """Raise `UserError` if the sheet has no room for a letter."""
        _, right, _, left = self.margin
        narrow = self.text_width < 2 * self.x_height or min(right, left) < 0
        if narrow or not self.has_line(0):
            raise UserError(
                f"a page of {self.width:g} x {self.height:g} mm has no room for letters with an "
                f"x-height of {self.x_height:g} mm between its margins; take a larger --page, "
                "a smaller --margin or a smaller --x_height"
            )

    @property
    def text_width(self) -> float:
        """Width between the margins."""
        return self.width - self.margin[1] - self.margin[3]

    def baseline(self, line: float) -> float:
        """Return the y of a line's baseline, counted from line 0."""
        return self.margin[0] + ASCENT * self.x_height + line * self.pitch

    def has_line(self, line: float) -> bool:
        """Return whether there is room for a line."""
        return self.baseline(line) + DESCENT * self.x_height <= self.height - self.margin[2] + 1e-6


@dataclass
class PlacedWord:
    """A word of ink with its place on a page, which the layout sets.

    points: (n, 3) in canvas heights, the left edge at x = 0, the baseline at y = 0; glued, joined:
    as in `text.TextWord`; hyphen: (m, 3) ink that ends the line before if this word begins one, or
    None; x, y: position of the origin on the page; scale: millimeters per canvas height; slope:
    radians by which the word falls to the right.
    """

    text: str
    points: np.ndarray
    glued: bool = False
    joined: bool = False
    hyphen: np.ndarray | None = None
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    slope: float = 0.0

    @cached_property
    def width(self) -> float:
        """Width of the ink in canvas heights."""
        return float(self.points[:, 0].max()) if len(self.points) else 0.0

    @cached_property
    def edge_profiles(self) -> np.ndarray:
        """(2, N_BANDS) distances from the left and from the right edge to the nearest ink.

        A distance is the smallest one in a band of height and in the two bands beside it.
        """
        edges = np.full((2, N_BANDS + 2), np.inf)
        band = (self.points[:, 1] / BAND_HEIGHT + N_BANDS * ABOVE_FRACTION).astype(int)
        band = np.clip(band, 0, N_BANDS - 1) + 1
        for side, depth in enumerate((self.points[:, 0], self.width - self.points[:, 0])):
            np.minimum.at(edges[side], band, depth)
        return np.minimum(np.minimum(edges[:, :-2], edges[:, 1:-1]), edges[:, 2:])

    @property
    def strokes(self) -> list[np.ndarray]:
        """Strokes (m, 2) on the page, in writing order."""
        cos, sin = np.cos(self.slope), np.sin(self.slope)
        rotation = self.scale * np.array([[cos, sin], [-sin, cos]])
        return [stroke @ rotation + (self.x, self.y) for stroke in split_strokes(self.points)]


@dataclass
class Page:
    """A written page, its words in writing order."""

    words: list[PlacedWord]
    width: float
    height: float
    ruling: Ruling | None = None

    @property
    def strokes(self) -> list[np.ndarray]:
        """Strokes (m, 2) of all words, in writing order."""
        return [stroke for word in self.words for stroke in word.strokes]

    def count_lines(self) -> int:
        """Return the number of lines with words."""
        # Where a line begins, a word does not stand to the right of the one before.
        middles = [word.x + word.width * word.scale / 2 for word in self.words]
        starts = [word.x for word in self.words[1:]]
        return bool(self.words) + sum(start < before for before, start in zip(middles, starts))


def parse_size(text: str, name: str) -> tuple[float, float] | None:
    """Parse a page size: a name, or width x height like 148x105.

    Args:
        text: The value of a setting.
        name: The name of the setting, for messages.

    Returns:
        (width, height), or None for "auto" and "".

    Raises:
        UserError: The text is not a size, or a side is too short or too long.
    """
    if text.lower() in ("auto", ""):
        return None
    if text.lower() in SIZES:
        return SIZES[text.lower()]
    match = re.fullmatch(r"\s*([0-9.]+)\s*(?:mm)?\s*[x×*]\s*([0-9.]+)\s*(?:mm)?\s*", text)
    try:
        width, height = map(float, match.groups() if match else ())
    except ValueError:
        raise UserError(
            f"{name} takes A3, A4, A5, A6, letter, legal or width x height in millimeters "
            f"like 148x105, not {shown(text)}"
        ) from None
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        raise UserError(
            f"{name} takes sides between {MIN_SIDE:g} and {MAX_SIDE:g} millimeters, "
            f"not {shown(text)}"
        )
    return width, height


def parse_margin(text: str) -> tuple[float, float, float, float]:
    """Parse one margin or four into (top, right, bottom, left). Raises `UserError`."""
    try:
        sides = [float(part) for part in text.split(",")] if text.strip() else [DEFAULT_MARGIN]
    except ValueError:
        sides = []
    if len(sides) not in (1, 4) or not all(0 <= side <= MAX_SIDE for side in sides):
        raise UserError(
            "--margin takes millimeters, one number or four like 20,15,20,25 "
            f"for top, right, bottom and left, not {shown(text)}"
        )
    top, right, bottom, left = sides * 4 if len(sides) == 1 else sides
    return top, right, bottom, left


def _initial_x_height(config: SampleConfig) -> float:
    """Return the x-height of the settings, or the smallest one for a text that is to be fitted."""
    if config.fit:
        return MIN_X_HEIGHT
    if config.x_height:
        return config.x_height
    return config.line_height / LINE_PITCH if config.line_height else DEFAULT_X_HEIGHT
