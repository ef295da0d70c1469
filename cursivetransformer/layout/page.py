"""What is laid out, and the page that comes of it. Knows no settings and no file format."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.layout.paper import Ruling

BAND, BANDS = (
    0.06,
    25,
)  # canvas heights, and how many: words are as far apart as their ink is, band by band of height
ABOVE = 0.6  # share of the bands that lie over the baseline


@dataclass
class PlacedWord:
    """A word of ink, to lay out and laid out.

    points: (n, 3) in canvas heights, the left edge at x = 0, the baseline at y = 0; glued, joined: as in
    `text.TextWord`; x, y: of its origin on the page, in millimeters; scale: millimeters of a canvas
    height; slope: radians by which it falls to the right.
    """

    text: str
    points: np.ndarray
    glued: bool = False
    joined: bool = False
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    slope: float = 0.0

    @cached_property
    def width(self):
        """Of the ink, in canvas heights."""
        return float(self.points[:, 0].max()) if len(self.points) else 0.0

    @cached_property
    def edge_profiles(self):
        """(2, bands): how far the ink stays behind its left and its right edge, in each band of height and those beside it."""
        edges = np.full((2, BANDS + 2), np.inf)
        band = np.clip((self.points[:, 1] / BAND + BANDS * ABOVE).astype(int), 0, BANDS - 1) + 1
        for side, depth in enumerate((self.points[:, 0], self.width - self.points[:, 0])):
            np.minimum.at(edges[side], band, depth)
        return np.minimum(np.minimum(edges[:, :-2], edges[:, 1:-1]), edges[:, 2:])

    @property
    def strokes(self):
        """Arrays (m, 2) in millimetres, in writing order."""
        cos, sin = np.cos(self.slope), np.sin(self.slope)
        turned = self.scale * np.array([[cos, sin], [-sin, cos]])
        return [stroke @ turned + (self.x, self.y) for stroke in split_strokes(self.points)]


@dataclass
class Page:
    """A written page: millimetres, x to the right and y downward from the upper left corner; words in writing order."""

    words: list
    width: float
    height: float
    ruling: Ruling | None = None

    @property
    def strokes(self):
        """Arrays (m, 2) in millimetres, in writing order."""
        return [stroke for word in self.words for stroke in word.strokes]
