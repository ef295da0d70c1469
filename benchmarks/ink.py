"""Synthetic ink beside real ink, as numbers and as an image.

    python -m benchmarks.ink --bank bigbank --out docs/ink.png --sheets sheets.png

Writes the words of a recorded bank in synthetic hands and compares step lengths, turning angles,
curvature, stroke lengths, pen lifts and points per character; --sheets draws words of both. All but
the last three are of ink thinned as a model sees it. Otherwise they would compare a recorder's grid
of pixels, not a hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import Word
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.measures import wasserstein
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import draw_strokes
from cursivetransformer.render.specimen import strokes_in_line
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.synthesizer import make_hands, write_word

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = 0.032  # canvas heights between points of thinned ink, about what a model sees
# The upper end of each measure's histogram.
MAX_VALUES: dict[str, float] = {
    "step, canvas heights": 0.1,
    "turning, degrees": 120,
    "curvature, 1/canvas height": 60,
    "stroke, canvas heights": 4,
    "pen lifts a character": 2.5,
    "points a character": 100,
}
SHEET_ROWS = 12
WORDS_PER_ROW = 4
ROW_HEIGHT = 0.55  # canvas heights

Measures = dict[str, np.ndarray]  # the values of each measure


def measure_words(words: Sequence[Word]) -> Measures:
    """Measure the ink of words."""
    values: dict[str, list[float]] = {name: [] for name in MAX_VALUES}
    steps, turns, curvature, strokes, lifts, points = values.values()
    for word in words:
        lifts.append(np.count_nonzero(word.points[:, 2] == 0) / len(word.text))
        points.append(len(word.points) / len(word.text))
        strokes += [
            np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in split_strokes(word.points)
        ]
        recorded_step = np.hypot(*np.diff(word.points[:, :2], axis=0).T).mean()
        thinned = downsample(word.points, max(0.0, 1 - recorded_step / STEP))
        for stroke in split_strokes(thinned):
            offsets = np.diff(stroke, axis=0)
            lengths = np.hypot(*offsets.T)
            headings = np.arctan2(offsets[:, 1], offsets[:, 0])
            angles = np.abs((np.diff(headings) + np.pi) % (2 * np.pi) - np.pi)
            steps += list(lengths)
            turns += list(np.degrees(angles))
            curvature += list(angles / np.maximum((lengths[1:] + lengths[:-1]) / 2, 1e-3))
    return {name: np.array(column) for name, column in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", default="bigbank")
    parser.add_argument("--words", type=int, default=600)
    parser.add_argument("--writers", type=int, default=60)
    parser.add_argument("--fonts", "--faces", default="own,hershey")
    parser.add_argument("--out", default="ink.png")
    parser.add_argument("--sheets", default="")
    options = parser.parse_args()
    words, _ = load_banks(options.bank)
    n_words = min(options.words, len(words))
    real = [words[i] for i in np.linspace(0, len(words) - 1, n_words).astype(int)]
    hands = make_hands(load_fonts(options.fonts), options.writers)
    synthetic = [
        write_word(hands[i % len(hands)], word.text, np.random.default_rng([0, i]))
        for i, word in enumerate(real)
    ]
    real_measures, synthetic_measures = measure_words(real), measure_words(synthetic)
    print_table(real_measures, synthetic_measures)
    draw_histograms(real_measures, synthetic_measures, options.out)
    if options.sheets:
        draw_words(real, synthetic, options.sheets)


def print_table(real: Measures, synthetic: Measures) -> None:
    """Print quantiles of every measure and the distance between real and synthetic ink."""
    print(f"{'':28}{'real: 10%, median, 90%':>28}{'synthetic':>28}{'distance':>10}")
    for name in MAX_VALUES:
        a, b = real[name], synthetic[name]
        distance = wasserstein(b, np.ones(len(b)), a, np.ones(len(a))) / a.std()
        cells = [
            "".join(f"{quantile:9.3f}" for quantile in np.quantile(values, (0.1, 0.5, 0.9)))
            for values in (a, b)
        ]
        print(f"{name:28}{cells[0]:>28}{cells[1]:>28}{distance:10.2f}")


def draw_histograms(real: Measures, synthetic: Measures, path: str) -> None:
    """Draw a histogram of every measure, of real and synthetic ink."""
    figure = _make_figure(11, 5)
    for axes, (name, max_value) in zip(figure.subplots(2, 3).flat, MAX_VALUES.items()):
        for values, label in ((real[name], "real"), (synthetic[name], "synthetic")):
            axes.hist(
                np.clip(values, 0, max_value),
                np.linspace(0, max_value, 41),
                density=True,
                histtype="step",
                label=label,
            )
        axes.set_title(name, fontsize=9)
        axes.set_yticks([])
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def draw_words(real: Sequence[Word], synthetic: Sequence[Word], path: str) -> None:
    """Draw the same words, real and synthetic."""
    figure = _make_figure(14, 8)
    columns = (real, "real, one writer"), (synthetic, "synthetic, many writers")
    for axes, (words, title) in zip(figure.subplots(1, 2), columns):
        strokes = []
        for row in range(SHEET_ROWS):
            first = WORDS_PER_ROW * row
            line = strokes_in_line([word.points for word in words[first : first + WORDS_PER_ROW]])
            strokes += [stroke + (0, row * ROW_HEIGHT) for stroke in line]
        draw_strokes(axes, strokes, 0.9)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.axis("off")
        axes.set_title(title, fontsize=9)
    figure.savefig(path, metadata={"Software": None})


def _make_figure(width: float, height: float) -> Figure:
    """Make an empty figure of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


if __name__ == "__main__":
    main()
