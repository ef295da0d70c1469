"""Glyphs: the control points of one letterform, and the string format they are written in.

Units: x-heights, y up, baseline at 0, without slant.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class ControlStroke:
    """The control points that the pen passes without lifting.

    Attributes:
        points: (n, 2).
        corners: (n,) booleans, true where the pen turns sharply.
        n_entry: number of points at the start that form the entry from a letter that ends low.
    """

    points: np.ndarray
    corners: np.ndarray
    n_entry: int = 0


@dataclass
class Glyph:
    """One letterform.

    Attributes:
        strokes: the strokes that are written first.
        delayed: dots and crosses, which may wait until the word is done.
        exit: "low" or "high", the height at which the pen goes on to the next letter, or "" where
            the pen is lifted.
    """

    strokes: list[ControlStroke]
    delayed: list[ControlStroke] = field(default_factory=list)
    exit: str = ""

    @property
    def advance(self) -> float:
        """The x of the next glyph's origin, before any spacing."""
        if self.exit:
            x = self.strokes[-1].points[:, 0]
            return float(max(x[-1], x.max() - 0.15))
        return float(max(stroke.points[:, 0].max() for stroke in self.strokes + self.delayed))


Font = dict[str, list[Glyph]]  # the forms of each character, the most usual one first


def parse_form(form: str) -> Glyph:
    """Parse a form in the grammar that `letterforms` describes.

    >>> parse_form("0,.4> .2,1! .1,0 .5,.2 _ ~ .2,1.5 .3,1.5").exit
    'low'
    """
    main, _, delayed = form.partition("~")
    main = main.strip()
    exit_height = {"^": "high", "_": "low"}.get(main[-1], "")
    if exit_height:
        main = main[:-1]
    return Glyph(
        [_parse_stroke(part) for part in main.split("|")],
        [_parse_stroke(part) for part in delayed.split("|") if part.strip()],
        exit_height,
    )


def _parse_stroke(text: str) -> ControlStroke:
    words = text.split()
    points = [[float(number) for number in word.rstrip("!>").split(",")] for word in words]
    corners = [word.endswith("!") for word in words]
    n_entry = sum(word.endswith(">") for word in words)
    return ControlStroke(np.array(points), np.array(corners), n_entry)
