"""Synthetic ink beside real ink, as numbers and as a picture.

    python -m benchmarks.ink --bank bigbank --out docs/ink.png --sheets sheets.png

Writes the words of a recorded bank with the synthetic pen and compares step lengths, turning angles, curvature, stroke lengths, pen
lifts and points per character; --sheets draws words of both, for the eye. All but the last three are of ink thinned as a model
sees it, since a recorder's grid of pixels would otherwise be compared, not a hand.
"""

import argparse

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.measures import wasserstein
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.specimen import side_by_side
from cursivetransformer.synthesis.fonts import load_faces
from cursivetransformer.synthesis.synthesizer import make_writers, write_word

STEP_KEPT = 0.032  # canvas heights between points of thinned ink, about what a model sees
MOST = {
    "step, canvas heights": 0.1,
    "turning, degrees": 120,
    "curvature, 1/canvas height": 60,
    "stroke, canvas heights": 4,
    "pen lifts a character": 2.5,
    "points a character": 100,
}


def measures(words):
    """{measure: values} of a list of `Word`."""
    found = {name: [] for name in MOST}
    steps, turns, curvature, strokes, lifts, points = found.values()
    for word in words:
        lifts.append(np.count_nonzero(word.points[:, 2] == 0) / len(word.text))
        points.append(len(word.points) / len(word.text))
        strokes += [
            np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in split_strokes(word.points)
        ]
        recorded = np.hypot(*np.diff(word.points[:, :2], axis=0).T).mean()
        for stroke in split_strokes(downsample(word.points, max(0.0, 1 - recorded / STEP_KEPT))):
            step = np.diff(stroke, axis=0)
            length, heading = np.hypot(*step.T), np.arctan2(step[:, 1], step[:, 0])
            turn = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
            steps += list(length)
            turns += list(np.degrees(turn))
            curvature += list(turn / np.maximum((length[1:] + length[:-1]) / 2, 1e-3))
    return {name: np.array(values) for name, values in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", default="bigbank")
    parser.add_argument("--words", type=int, default=600)
    parser.add_argument("--writers", type=int, default=60)
    parser.add_argument("--faces", default="own,hershey")
    parser.add_argument("--out", default="ink.png")
    parser.add_argument("--sheets", default="")
    options = parser.parse_args()
    words, _ = load_banks(options.bank)
    real = [
        words[i] for i in np.linspace(0, len(words) - 1, min(options.words, len(words))).astype(int)
    ]
    writers = make_writers(load_faces(options.faces), options.writers)
    synthetic = [
        write_word(writers[i % len(writers)], word.text, np.random.default_rng([0, i]))
        for i, word in enumerate(real)
    ]
    one, other = measures(real), measures(synthetic)
    print(f"{'':28}{'real: 10%, median, 90%':>28}{'synthetic':>28}{'distance':>10}")
    for name in MOST:
        apart = (
            wasserstein(other[name], np.ones(len(other[name])), one[name], np.ones(len(one[name])))
            / one[name].std()
        )
        cells = [
            "".join(f"{q:9.3f}" for q in np.quantile(m[name], (0.1, 0.5, 0.9)))
            for m in (one, other)
        ]
        print(f"{name:28}{cells[0]:>28}{cells[1]:>28}{apart:10.2f}")
    draw_histograms(one, other, options.out)
    if options.sheets:
        draw_words(real, synthetic, options.sheets)


def draw_histograms(one, other, path):
    """Every measure of both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, most) in zip(figure.subplots(2, 3).flat, MOST.items()):
        for values, label in ((one[name], "real"), (other[name], "synthetic")):
            axes.hist(
                np.clip(values, 0, most),
                np.linspace(0, most, 41),
                density=True,
                histtype="step",
                label=label,
            )
        axes.set_title(name, fontsize=9)
        axes.set_yticks([])
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def draw_words(real, synthetic, path):
    """The same words, real and synthetic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from cursivetransformer.render.raster import draw_strokes

    figure = Figure(figsize=(14, 8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, words, title in zip(
        figure.subplots(1, 2), (real, synthetic), ("real, one writer", "synthetic, many writers")
    ):
        rows = [
            side_by_side([word.points for word in words[4 * row : 4 * row + 4]])
            for row in range(12)
        ]
        strokes = [stroke + (0, row * 0.55) for row, line in enumerate(rows) for stroke in line]
        draw_strokes(axes, strokes, 0.9)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.axis("off")
        axes.set_title(title, fontsize=9)
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    main()
