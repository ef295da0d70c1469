"""Directional features: ink as an image with a channel for each direction of the pen.

A plain image loses the direction of the pen. These channels keep it (Bai and Huo 2005, "A study on
the use of 8-directional features for online handwritten Chinese character recognition", ICDAR), and
they mark where strokes begin and end. Unlike a sequence of points, an image has a late dot or cross
in its place, and does not change with the sampling rate of the pen.

    channels  0 ... 7    length of ink that runs right, down-right, down, ... up-right, split
                         between the two nearest directions
              8, 9       a stroke begins, a stroke ends
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from cursivetransformer.bank.word import Word, mean_character_width
from cursivetransformer.ink.strokes import ragged_arange
from cursivetransformer.utils.schema import Number

DIRECTIONS = 8
BEGINS, ENDS = DIRECTIONS, DIRECTIONS + 1
CHANNELS = DIRECTIONS + 2
ROWS = 40
# Columns of a character of mean width.
COLUMNS_PER_CHARACTER = 12
# Blank columns before and after the ink.
MARGIN = 5
# Blank rows above and below all but the most extreme points.
ROW_MARGIN = 2
# Fraction of a bank's points above the grid, and below it.
EXTREME_FRACTION = 0.002
# Canvas heights, of all ink and of a character. A bank of dots alone has neither height nor width.
MIN_HEIGHT = 0.1
MIN_CHARACTER_WIDTH = 0.02
# Pixels between two samples of a segment.
MAX_SAMPLE_SPACING = 0.7
# Ink in a pixel. A pen that rests in one place adds no more than this.
MAX_INK = 2.0
# Columns of an image, and pixels along its ink. Larger ink is not writing, and would take much
# memory.
MAX_COLUMNS = 20_000
MAX_LENGTH = 500_000

# Canvas heights that a pixel of a stored grid may have: ink stays an image that memory holds.
GridStep = Annotated[float, Field(strict=True, ge=1e-4, le=1e3)]


@dataclass
class FeatureGrid:
    """The pixel grid of feature images.

    Attributes:
        column: width of a pixel, in canvas heights.
        row: height of a pixel, in canvas heights.
        top: upper edge of the image, in canvas heights below the baseline.
    """

    column: GridStep
    row: GridStep
    top: Number

    @classmethod
    def from_words(cls, words: Sequence[Word]) -> "FeatureGrid":
        """Fit a grid to the mean character width and the heights of a handwriting."""
        low, high = np.quantile(
            np.concatenate([word.points[:, 1] for word in words]),
            (EXTREME_FRACTION, 1 - EXTREME_FRACTION),
        )
        column = max(mean_character_width(words), MIN_CHARACTER_WIDTH) / COLUMNS_PER_CHARACTER
        row = max(high - low, MIN_HEIGHT) / (ROWS - 2 * ROW_MARGIN)
        return cls(column=float(column), row=float(row), top=float(low - ROW_MARGIN * row))

    def as_dict(self) -> dict[str, float]:
        """Return plain values for a file."""
        return asdict(self)


def count_columns(points: np.ndarray, grid: FeatureGrid) -> int:
    """Count the columns that the image of (n, 3) points takes, margins included."""
    if not len(points):
        return 2 * MARGIN
    return int(np.ptp(points[:, 0].astype(np.float64)) / grid.column) + 1 + 2 * MARGIN


def is_readable(points: np.ndarray, grid: FeatureGrid) -> bool:
    """Return whether (n, 3) points hold ink that is small enough to rasterize."""
    if not len(points) or count_columns(points, grid) > MAX_COLUMNS:
        return False
    steps = np.diff(points[:, :2].astype(np.float64), axis=0) / (grid.column, grid.row)
    return bool(np.abs(steps).sum() <= MAX_LENGTH)


class Samples(NamedTuple):
    """Amounts of ink at places between pixels.

    Attributes:
        image: (n,) index of the image.
        channel: (n,) channel of the image.
        xy: (n, 2) column and row, not rounded.
        weight: (n,) amount of ink.
    """

    image: np.ndarray
    channel: np.ndarray
    xy: np.ndarray
    weight: np.ndarray


def rasterize(inks: Sequence[np.ndarray], grid: FeatureGrid) -> np.ndarray:
    """Draw inks as feature images.

    Each ink starts at the left margin. Ink above or below the grid lies in its first or last row.

    Args:
        inks: (n, 3) points of each ink.
        grid: the pixel grid.

    Returns:
        (B, CHANNELS, ROWS, W) float32, W the columns of the widest ink.
    """
    width = max(count_columns(points, grid) for points in inks)
    shape = (len(inks), CHANNELS, ROWS, width)
    counts = np.array([len(points) for points in inks])
    if not counts.sum():
        return np.zeros(shape, np.float32)
    points = np.concatenate([points for points in inks if len(points)]).astype(np.float64)
    image = np.repeat(np.arange(len(inks)), counts)
    xy = _pixel_coordinates(points, counts[counts > 0], grid)
    ends = (points[:, 2] == 0) | np.append(image[1:] != image[:-1], True)
    begins = np.append(True, ends[:-1])

    samples = [
        *_sample_segments(image, xy, ends),
        _mark_points(image, xy, begins, BEGINS),
        _mark_points(image, xy, ends, ENDS),
    ]
    splats = [splat for part in samples for splat in _splat_bilinear(part, shape)]
    pixels, weights = (np.concatenate(arrays) for arrays in zip(*splats))
    ink = np.minimum(np.bincount(pixels, weights, math.prod(shape)), MAX_INK)
    return ink.astype(np.float32).reshape(shape)


def _pixel_coordinates(points: np.ndarray, counts: np.ndarray, grid: FeatureGrid) -> np.ndarray:
    """Return columns and rows, (n, 2), of the points of inks with `counts` points each."""
    left = np.minimum.reduceat(points[:, 0], np.cumsum(counts) - counts)
    x = (points[:, 0] - left.repeat(counts)) / grid.column + MARGIN
    y = (points[:, 1] - grid.top) / grid.row
    return np.column_stack([x, y])


def _mark_points(image: np.ndarray, xy: np.ndarray, mask: np.ndarray, channel: int) -> Samples:
    """Return samples of weight 1 at the points where `mask` holds."""
    n = mask.sum()
    return Samples(image[mask], np.full(n, channel), xy[mask], np.ones(n))


def _sample_segments(image: np.ndarray, xy: np.ndarray, ends: np.ndarray) -> Iterator[Samples]:
    """Sample all inked segments evenly, once for each of the two nearest directions.

    The weights of a segment's samples add up to its length. The two directions split it by how near
    they are to the segment's own.

    Args:
        image: (n,) index of each point's image.
        xy: (n, 2) column and row of each point.
        ends: (n,) whether a stroke ends at the point.
    """
    start = np.flatnonzero(~ends)
    step = xy[start + 1] - xy[start]
    length = np.hypot(*step.T)
    n = np.maximum(1, np.ceil(length / MAX_SAMPLE_SPACING)).astype(int)
    along = ((ragged_arange(n) + 0.5) / n.repeat(n))[:, None]
    sample_xy = xy[start].repeat(n, axis=0) + along * step.repeat(n, axis=0)
    # In eighths of a turn; y grows downward.
    direction = (np.arctan2(step[:, 1], step[:, 0]) * (DIRECTIONS / (2 * np.pi))) % DIRECTIONS
    lower = np.floor(direction)
    for channel, fraction in ((lower, 1 - (direction - lower)), (lower + 1, direction - lower)):
        yield Samples(
            image[start].repeat(n),
            (channel.astype(int) % DIRECTIONS).repeat(n),
            sample_xy,
            (fraction * length / n).repeat(n),
        )


def _splat_bilinear(
    samples: Samples, shape: tuple[int, int, int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Distribute samples over the four pixels around each, by bilinear weights.

    Yields for each of the four corners the flat pixel indices and the weights. Samples outside the
    image go to its nearest edge.
    """
    _, _, rows, width = shape
    corner = np.floor(samples.xy).astype(int)
    fraction = samples.xy - corner
    for right in (0, 1):
        for down in (0, 1):
            weight_x = np.abs(1 - right - fraction[:, 0])
            weight_y = np.abs(1 - down - fraction[:, 1])
            column = np.clip(corner[:, 0] + right, 0, width - 1)
            row = np.clip(corner[:, 1] + down, 0, rows - 1)
            channel = samples.image * CHANNELS + samples.channel
            pixel = (channel * rows + row) * width + column
            yield pixel, samples.weight * (weight_x * weight_y)
