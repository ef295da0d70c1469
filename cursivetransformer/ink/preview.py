"""The ink of one word as SVG text, for notebooks."""

import numpy as np

from cursivetransformer.ink.curves import path_data
from cursivetransformer.ink.strokes import split_strokes

WORD_MARGIN = 0.05  # canvas heights around a word


def ink_svg(points: np.ndarray) -> str:
    """Return the ink of a word as SVG text, 200 pixels to a canvas height.

    Args:
        points: (n, 3) in canvas heights.
    """
    strokes = split_strokes(points) or [np.zeros((1, 2))]
    corners = np.concatenate(strokes)
    low = corners.min(axis=0) - WORD_MARGIN
    high = corners.max(axis=0) + WORD_MARGIN
    width, height = high - low
    paths = "".join(f'<path d="{path_data(100 * (stroke - low))}"/>' for stroke in strokes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{200 * width:.0f}"'
        f' height="{200 * height:.0f}" viewBox="0 0 {100 * width:.2f} {100 * height:.2f}">'
        '<g fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"'
        f' stroke-linejoin="round">{paths}</g></svg>'
    )
