"""A glyph: the control points of one letterform, and how it is written down. Units: x-heights, y up, baseline 0, upright."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Run:
    """Points (n, 2) that the pen passes without lifting; corner: (n,) where it turns sharply; way_in: how many lead into it."""

    points: np.ndarray
    corner: np.ndarray
    way_in: int = 0


@dataclass
class Glyph:
    """runs: what is drawn first; late: dots and crosses, which may wait; exit: "low", "high", or "" where the pen is lifted;
    advance: where the next glyph's x = 0 stands before any spacing."""

    runs: list
    late: list = field(default_factory=list)
    exit: str = ""

    @property
    def advance(self):
        if self.exit:
            return float(max(self.runs[-1].points[-1, 0], self.runs[-1].points[:, 0].max() - 0.15))
        return float(max(run.points[:, 0].max() for run in self.runs + self.late))


def parse_form(form):
    """A string as `letterforms` has it -> `Glyph`.

    >>> parse_form("0,.4> .2,1! .1,0 .5,.2 _ ~ .2,1.5 .3,1.5").exit
    'low'
    """
    first, _, late = form.partition("~")
    exit = ""
    first = first.strip()
    if first[-1] in "^_":
        exit = "high" if first[-1] == "^" else "low"
        first = first[:-1]
    return Glyph(
        [_parse_run(part) for part in first.split("|")],
        [_parse_run(part) for part in late.split("|") if part.strip()],
        exit,
    )


def _parse_run(text):
    words = text.split()
    points = np.array(
        [[float(number) for number in word.rstrip("!>").split(",")] for word in words]
    )
    return Run(
        points,
        np.array([word.endswith("!") for word in words]),
        sum(word.endswith(">") for word in words),
    )
