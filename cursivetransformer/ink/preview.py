"""The ink of one word as SVG text, for notebooks."""

import numpy as np

from cursivetransformer.ink.curves import path_data
from cursivetransformer.ink.strokes import split_strokes

WORD_MARGIN = 0.05  # canvas heights around a word alone


def ink_svg(points):
    """The ink of one word (n, 3), in canvas heights, as text to be shown by a notebook: 200 pixels for a canvas height."""
    strokes = split_strokes(points) or [np.zeros((1, 2))]
    low, high = (
        np.concatenate(strokes).min(axis=0) - WORD_MARGIN,
        np.concatenate(strokes).max(axis=0) + WORD_MARGIN,
    )
    (width, height), lines = (
        high - low,
        "".join(f'<path d="{path_data(100 * (stroke - low))}"/>' for stroke in strokes),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{200 * width:.0f}" height="{200 * height:.0f}" viewBox="0 0 {100 * width:.2f} {100 * height:.2f}">'
        f'<g fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">{lines}</g></svg>'
    )
