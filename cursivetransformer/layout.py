"""Words of points -> lines on a page in millimetres. Knows no sampler, no torch and no file format.

Every word comes with its left edge at x = 0 and its baseline at y = 0, so a line is words side by side; no table of
letters is needed.
"""

from dataclasses import dataclass

import numpy as np

from cursivetransformer.strokes import split_strokes

X_HEIGHT = 1 / 3      # of the recording canvas: the distance of its guide lines, taken where a hand's own is not known
LINE_PITCH = 3.2      # between baselines, in x-heights
WORD_SPACE = 1.0      # between the ink of two words, in x-heights
MARGIN = 2.2          # around the text, in x-heights: room for ascenders and descenders


@dataclass
class Page:
    """Strokes (m, 2) in millimetres, x to the right and y downward from the upper left corner, in writing order."""

    strokes: list
    width: float
    height: float


def lay_out(lines, line_width, x_height, ink_x_height=X_HEIGHT):
    """Write lines of words onto a page, wrapped at `line_width`; all in millimetres.

    lines: a list of lists of (n, 3) points; every inner list starts on a new line, an empty one leaves a line empty. A word that is
    wider than a line stands alone on it, and the page is as wide as it needs. ink_x_height: of the hand, in canvas heights.
    """
    unit = x_height / ink_x_height  # millimetres of one canvas height
    space, pitch, margin = WORD_SPACE * x_height, LINE_PITCH * x_height, MARGIN * x_height
    strokes, right, baseline = [], line_width, 0.0
    for words in lines:
        x = 0.0
        for points in words:
            xy = points[:, :2] * unit
            width = float(xy[:, 0].max()) if len(xy) else 0.0
            if x > 0 and x + width > line_width:
                x, baseline = 0.0, baseline + pitch
            strokes += [stroke * unit + (x, baseline) for stroke in split_strokes(points)]
            x += width + space
            right = max(right, x - space)
        baseline += pitch
    return _page(strokes, right, baseline - pitch, margin)


def _page(strokes, right, last_baseline, margin):
    """Strokes around the origin -> a page with the margin on all sides, however far the ink reaches."""
    ink = np.concatenate(strokes + [[[0.0, 0.0], [right, last_baseline]]])
    low = np.minimum(ink.min(axis=0), (0, -margin / 2)) - margin / 2
    high = np.maximum(ink.max(axis=0), (right, last_baseline + margin / 2)) + margin / 2
    return Page([stroke - low for stroke in strokes], *(float(size) for size in high - low))
