"""Ink as a small picture with a channel for each direction of the pen: what the recognizer looks at. Knows no text.

A plain picture forgets which way the pen went; these channels keep it (Bai and Huo 2005, "A study on the use of 8-directional
features for online handwritten Chinese character recognition", ICDAR), and where strokes begin and end. Unlike the points in
the order they were written, a picture has a late dot or cross where it belongs, and does not change with the rate of points.

    channels  0 ... 7    length of ink that runs right, down-right, down, ... up-right, shared between the two nearest
              8, 9       a stroke begins, a stroke ends
"""

from dataclasses import asdict, dataclass

import numpy as np

from cursivetransformer.bank.word import mean_character_width
from cursivetransformer.ink.strokes import ragged_arange

DIRECTIONS = 8
BEGINS, ENDS = DIRECTIONS, DIRECTIONS + 1
CHANNELS = DIRECTIONS + 2
ROWS = 40
CHAR_COLUMNS = 12  # of a character of mean width
MARGIN = 5  # columns of paper before and after the ink
ROW_MARGIN = 2  # rows of paper above and below all but the most extreme ink of a bank
EXTREME_SHARE = 0.002  # of a bank's points, above or below what is pictured
LEAST_HEIGHT, LEAST_WIDTH = (
    0.1,
    0.02,
)  # canvas heights, of all ink and of a character: a bank of nothing but dots has none
SAMPLE = 0.7  # pixels, at most, between two places where ink is laid down
MOST_INK = 2.0  # in a pixel: ink that lies still counts no more
MOST_COLUMNS = 20_000  # of a picture, and ...
MOST_LENGTH = (
    500_000  # ... pixels along the ink: what is larger is no writing, and would take much memory
)


@dataclass
class FeatureGrid:
    """Where the picture lies. column, row: size of a pixel, top: the upper edge, in canvas heights from the baseline downward."""

    column: float
    row: float
    top: float

    @classmethod
    def around(cls, words):
        """A frame that suits the hand of `words`: letters of its mean width, and rows for all heights but the most extreme."""
        low, high = np.quantile(
            np.concatenate([word.points[:, 1] for word in words]),
            (EXTREME_SHARE, 1 - EXTREME_SHARE),
        )
        row = max(high - low, LEAST_HEIGHT) / (ROWS - 2 * ROW_MARGIN)
        return cls(
            float(max(mean_character_width(words), LEAST_WIDTH) / CHAR_COLUMNS),
            float(row),
            float(low - ROW_MARGIN * row),
        )

    def as_dict(self):
        """Plain values, for a checkpoint."""
        return asdict(self)


def columns(points, frame):
    """How many columns the picture of (n, 3) points takes."""
    return (
        int(np.ptp(points[:, 0].astype(np.float64)) / frame.column) + 1 + 2 * MARGIN
        if len(points)
        else 2 * MARGIN
    )


def is_readable(points, frame):
    """Whether (n, 3) points have ink, and of a size that makes a picture."""
    if not len(points) or columns(points, frame) > MOST_COLUMNS:
        return False
    steps = np.diff(points[:, :2].astype(np.float64), axis=0) / (frame.column, frame.row)
    return bool(np.abs(steps).sum() <= MOST_LENGTH)


def picture(inks, frame):
    """A list of (n, 3) points -> (B, CHANNELS, ROWS, W) float32, each at the left, W the columns of the widest.

    Ink above or below the frame lies in its first or last row.
    """
    width = max(columns(points, frame) for points in inks)
    shape = (len(inks), CHANNELS, ROWS, width)
    counts = np.array([len(points) for points in inks])
    if not counts.sum():
        return np.zeros(shape, np.float32)
    points = np.concatenate([points for points in inks if len(points)]).astype(np.float64)
    image = np.repeat(np.arange(len(inks)), counts)
    left = np.minimum.reduceat(points[:, 0], (np.cumsum(counts) - counts)[counts > 0])
    xy = np.column_stack(
        [
            (points[:, 0] - left.repeat(counts[counts > 0])) / frame.column + MARGIN,
            (points[:, 1] - frame.top) / frame.row,
        ]
    )

    last = np.append(image[1:] != image[:-1], True)
    ends = (points[:, 2] == 0) | last
    begins = np.append(True, ends[:-1])
    marks = [
        (image[mask], np.full(mask.sum(), channel), xy[mask], np.ones(mask.sum()))
        for channel, mask in ((BEGINS, begins), (ENDS, ends))
    ]
    corners = [
        corner for part in (*_lines(image, xy, ends), *marks) for corner in _corners(*part, shape)
    ]
    pixel, weight = (np.concatenate(column) for column in zip(*corners))
    return (
        np.minimum(np.bincount(pixel, weight, np.prod(shape)), MOST_INK)
        .astype(np.float32)
        .reshape(shape)
    )


def _lines(image, xy, ends):
    """Samples along all inked segments, once for each of the two directions nearest to theirs: image, channel, place, length."""
    segment = np.flatnonzero(~ends)
    step = xy[segment + 1] - xy[segment]
    length = np.hypot(*step.T)
    n = np.maximum(1, np.ceil(length / SAMPLE)).astype(int)
    along = ((ragged_arange(n) + 0.5) / n.repeat(n))[:, None]
    place = xy[segment].repeat(n, axis=0) + along * step.repeat(n, axis=0)
    direction = (np.arctan2(step[:, 1], step[:, 0]) * (DIRECTIONS / (2 * np.pi))) % DIRECTIONS
    lower = np.floor(direction)
    for channel, share in ((lower, 1 - (direction - lower)), (lower + 1, direction - lower)):
        yield (
            image[segment].repeat(n),
            (channel.astype(int) % DIRECTIONS).repeat(n),
            place,
            (share * length / n).repeat(n),
        )


def _corners(image, channel, place, weight, shape):
    """What lies at places between pixels, shared among the four around each: for each corner the flat indices of pixels, and weights."""
    _, _, rows, width = shape
    corner = np.floor(place).astype(int)
    fraction = place - corner
    for right in (0, 1):
        for down in (0, 1):
            share = np.abs(1 - right - fraction[:, 0]) * np.abs(1 - down - fraction[:, 1])
            column, row = (
                np.clip(corner[:, 0] + right, 0, width - 1),
                np.clip(corner[:, 1] + down, 0, rows - 1),
            )
            yield ((image * CHANNELS + channel) * rows + row) * width + column, weight * share
