"""Sheets of paper: sizes, margins and what is printed on them. All in millimetres; knows no ink."""

import math
import re
from dataclasses import dataclass, replace

from cursivetransformer.utils.errors import UserError

# ISO 216 and ANSI/ASME Y14.1; upright.
SIZES = {
    "a3": (297.0, 420.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "a6": (105.0, 148.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
}
SMALLEST, LARGEST = 5.0, 5000.0
MARGIN = 20.0  # where none is given
AUTO_MARGIN = 2.0  # x-heights, of a page that is as small as its text
X_HEIGHT = 2.5  # where neither x-height nor line height is given
SMALLEST_X_HEIGHT, LARGEST_X_HEIGHT = 0.5, 100.0  # that a text is fitted with
LINE_PITCH = 3.2  # between baselines, in x-heights
PAPER_COLOR = "#c9d4e3"  # of its lines and dots
PAPER_WIDTH, PAPER_DOT = 0.15, 0.5  # of a line; a dot across
ASCENT, DESCENT = (
    2.2,
    1.4,
)  # x-heights that are kept free over the first baseline and under the last


@dataclass(frozen=True)
class Ruling:
    """What is printed on a page: kind "ruled", "squared" or "dotted"; a line, or a line and a column, every `pitch`, one of them
    through (x, y)."""

    kind: str
    pitch: float
    x: float = 0.0
    y: float = 0.0

    def lines(self, width, height):
        """The lines as (x1, y1, x2, y2) on a page of that size."""
        if self.kind not in ("ruled", "squared"):
            return []
        lines = [(0.0, y, width, y) for y in self._steps(self.y, height)]
        return lines + [
            (x, 0.0, x, height) for x in self._steps(self.x, width) if self.kind == "squared"
        ]

    def dots(self, width, height):
        """The dots as (x, y)."""
        return (
            [(x, y) for y in self._steps(self.y, height) for x in self._steps(self.x, width)]
            if self.kind == "dotted"
            else []
        )

    def _steps(self, through, end):
        start = through % self.pitch
        return [start + i * self.pitch for i in range(math.ceil((end - start) / self.pitch))]


@dataclass(frozen=True)
class Sheet:
    """A sheet to write on. margin: top, right, bottom, left. auto: it is cropped to its ink if that is all on the first page."""

    width: float
    height: float
    margin: tuple
    x_height: float
    pitch: float
    ruling: Ruling | None = None
    auto: bool = False

    @classmethod
    def from_settings(cls, config):
        """The sheet that a `sample_config.SampleConfig` asks for, with the smallest letters if they are to be fitted. Raises `UserError`."""
        width, height = parse_size(config.page, "--page") or SIZES["a4"]
        if config.landscape:
            width, height = max(width, height), min(width, height)
        top, right, bottom, left = parse_margin(config.margin)
        auto = config.page.lower() == "auto" and not config.fit
        if config.line_width and auto:  # as wide as that needs
            width = left + config.line_width + right
        elif config.line_width:
            right = width - left - config.line_width
        x_height = (
            SMALLEST_X_HEIGHT
            if config.fit
            else config.x_height
            or (config.line_height / LINE_PITCH if config.line_height else X_HEIGHT)
        )
        sheet = cls(width, height, (top, right, bottom, left), x_height, 0.0, auto=auto)
        return sheet.sized(x_height, config)

    def sized(self, x_height, config):
        """The same sheet for letters of another size, whose lines stand where its paper wants them. Raises `UserError`."""
        pitch = config.line_height or LINE_PITCH * x_height
        ruling = None
        if config.paper in ("squared", "dotted"):
            pitch = config.grid * max(1, round(pitch / config.grid))
            ruling = Ruling(config.paper, config.grid)
        sheet = replace(self, x_height=x_height, pitch=pitch)
        if config.paper == "ruled":
            ruling = Ruling("ruled", pitch, y=sheet.baseline(0))
        elif ruling:
            # The first baseline is the first line of the grid that leaves room for tall letters.
            sheet = replace(
                sheet,
                margin=(
                    math.ceil(sheet.baseline(0) / config.grid) * config.grid - ASCENT * x_height,
                    *self.margin[1:],
                ),
            )
        if (
            not sheet.has_line(0)
            or sheet.text_width < 2 * x_height
            or min(sheet.margin[1], sheet.margin[3]) < 0
        ):
            raise UserError(
                f"a page of {self.width:g} x {self.height:g} mm has no room for letters with an x-height of {x_height:g} mm "
                f"between its margins; take a larger --page, a smaller --margin or a smaller --x_height"
            )
        return replace(sheet, ruling=ruling)

    @property
    def text_width(self):
        """From margin to margin."""
        return self.width - self.margin[1] - self.margin[3]

    def baseline(self, line):
        """y of a line's baseline, from line 0."""
        return self.margin[0] + ASCENT * self.x_height + line * self.pitch

    def has_line(self, line):
        """Whether there is room for a line."""
        return self.baseline(line) + DESCENT * self.x_height <= self.height - self.margin[2] + 1e-6


def parse_size(text, name):
    """(width, height) of a page size: a name, or like 148x105; None of "auto" and "". Raises `UserError` with the setting's name."""
    if text.lower() in ("auto", ""):
        return None
    if text.lower() in SIZES:
        return SIZES[text.lower()]
    match = re.fullmatch(r"\s*([0-9.]+)\s*(?:mm)?\s*[x×*]\s*([0-9.]+)\s*(?:mm)?\s*", text)
    try:
        size = tuple(map(float, match.groups())) if match else None
    except ValueError:
        size = None
    if not size:
        raise UserError(
            f"{name} takes A3, A4, A5, A6, letter, legal or width x height in millimetres like 148x105, not {text!r}"
        )
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise UserError(f"{name} {text}: a side must be between {SMALLEST:g} and {LARGEST:g} mm")
    return size


def parse_margin(text):
    """(top, right, bottom, left) of one number or four. Raises `UserError`."""
    try:
        sides = [float(part) for part in text.split(",")] if text.strip() else [MARGIN]
    except ValueError:
        sides = []
    if len(sides) not in (1, 4) or not all(0 <= side <= LARGEST for side in sides):
        raise UserError(
            f"--margin takes millimetres, one number or four like 20,15,20,25 for top, right, bottom and left, not {text!r}"
        )
    return tuple(sides * 4 if len(sides) == 1 else sides)
