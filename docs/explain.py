"""Explain one word from its tokens to the page: print and draw what each step makes of it.

python docs/explain.py [WORD] [--checkpoint FILE] [--author NAME] [--out explain.png]
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from cursivetransformer import Writer
from cursivetransformer.bank.authors import indices_by_name
from cursivetransformer.ink import curves
from cursivetransformer.ink.curves import path_data
from cursivetransformer.ink.strokes import points_to_offsets, split_strokes
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import Page, PlacedWord
from cursivetransformer.models.checkpoint import SHIPPED
from cursivetransformer.render import brush
from cursivetransformer.render.attention_plot import COLORS
from cursivetransformer.render.raster import save_figure
from cursivetransformer.sampling.attention_weights import WordAttention, find_word_attention
from cursivetransformer.utils.errors import run_script

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_PRINTED = 6  # offsets and points that are printed
PATH_CHARACTERS = 110  # of the SVG path that is printed
LINE = "brown fox and lazy dog"  # written beside the word, to estimate the hand's statistics
INK_COLOR = "#1a2a5e"


@dataclass
class Steps:
    """What the steps make of a word.

    Attributes:
        points: (n, 3) x, y in canvas heights from the baseline, and pen.
        offsets: (n, 3) offsets decoded from the word's tokens.
        attention: the letter that each offset attended to.
        placed: the word on the page.
        page: the page, with the words of LINE after the word.
    """

    points: np.ndarray
    offsets: np.ndarray
    attention: WordAttention
    placed: PlacedWord
    page: Page


def explain(word: str, writer: Writer, author: str) -> Steps:
    """Write the word and print every step."""
    letter = writer.write(
        f"{word} {LINE}",
        author=author,
        page="130x20",
        margin="5",
        x_height=2.5,
        word_space_jitter=0.0,
        missing="skip",
    )
    written, tokenizer = letter.words[0], writer.tokenizer
    points, number = written.points, indices_by_name(writer.authors).get(letter.origin.author, 0)
    print(
        f"1. The text {word!r}, a space behind it, as numbers of characters: "
        f"{tokenizer.encode_text(word + ' ').tolist()}"
    )
    print(
        f"   They are turned into keys and values once; {letter.origin.author}'s number, {number}, "
        "goes to every position."
    )

    tokens = tokenizer.encode_offsets(points_to_offsets(points))[0]
    offsets = tokenizer.decode_offsets(tokens)
    print(
        f"\n2. The model draws WORD ({tokenizer.word_id}), then a direction and a length with the "
        f"pen for each of {len(tokens)} offsets, then END ({tokenizer.end_id})."
    )
    print("   'Point, then shoot'; pen 1: ink goes on, pen 0: the pen is lifted.")
    print_offsets(tokens[:N_PRINTED], offsets[:N_PRINTED])
    print(
        f"   ... {len(split_strokes(points))} strokes; the first offset leads from the left edge "
        "on the baseline to the first ink."
    )

    attention = find_word_attention(writer.model, tokenizer, [written], number)[0]
    print_attention(word, attention)
    if written.versions > 1:
        print(
            f"   The recognizer reads {written.reading!r}; it was drawn {written.versions} times."
        )
    else:
        print(f"   The recognizer reads {written.reading!r}, so it was drawn once.")

    print("\n4. Offsets add up to points; x, y in canvas heights, y downward from the baseline:")
    print("   " + "  ".join(f"({x:.3f}, {y:.3f})" for x, y in points[:N_PRINTED, :2]) + " ...")

    hand = HandStatistics.from_words(
        [other.points for other in letter.words], [other.text for other in letter.words]
    )
    page = letter.pages[0]
    placed = page.words[0]
    print(
        f"\n5. Of its deviation from the hand (x-height {hand.x_height:.3f} canvas heights) half "
        f"is taken out, and it is placed with its origin at {placed.x:.1f}, {placed.y:.1f} mm, "
        f"a canvas height being {placed.scale:.1f} mm."
    )
    svg_path = path_data(placed.strokes[0])[:PATH_CHARACTERS]
    print(
        "\n6. A smooth curve goes through the points of each stroke. The first as a path of an SVG:"
    )
    print(f"   {svg_path} ...")
    return Steps(points, offsets, attention, placed, page)


def print_offsets(tokens: np.ndarray, offsets: np.ndarray) -> None:
    """Print tokens (n, slots) beside the offsets (n, 3) that they stand for."""
    for ids, (dx, dy, pen) in zip(tokens, offsets):
        direction = np.degrees(np.arctan2(-dy, dx)) % 360
        print(
            f"   {str(ids.tolist()):12} {direction:5.1f} degrees, "
            f"{np.hypot(dx, dy):.4f} canvas heights, pen {pen:.0f}"
        )


def print_attention(word: str, attention: WordAttention) -> None:
    """Print each letter with the number of the offset at which attention comes to it."""
    starts = np.flatnonzero(np.diff(attention.letter, prepend=-1))
    letters = " ".join(f"{word[attention.letter[i]]}@{i + 1}" for i in starts)
    print(f"\n3. For each offset, cross-attention asks which letter it is at: {letters}")


def draw(path: str, word: str, steps: Steps) -> None:
    """Draw the steps as four panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 2, hspace=0.3, wspace=0.1, left=0.05, right=0.98, top=0.93, bottom=0.06
    )
    tokens, attention, curve, page = (figure.add_subplot(cell) for cell in grid)
    for axes, title in (
        (tokens, "1  tokens: a direction and a length with the pen"),
        (attention, "2  which letter each offset looked at"),
        (curve, "3  a smooth curve through the points, wider where the pen was slow"),
        (page, "4  on the page, in millimeters"),
    ):
        axes.set_title(title, loc="left", fontsize=10)
    draw_offsets(tokens, steps)
    attention.imshow(steps.attention.weights.T, aspect="auto", cmap="magma_r", vmin=0, vmax=1)
    attention.set(xlabel="", yticks=range(len(word)), yticklabels=list(word))
    draw_curve(curve, steps)
    draw_page(page, steps)
    for axes in (tokens, curve):
        axes.set(xticks=[], yticks=[])
    save_figure(figure, path)


def draw_offsets(axes: "Axes", steps: Steps) -> None:
    """Draw the offsets as arrows, colored by letter; dotted gray where the pen is lifted."""
    ends = steps.points[:, :2]
    starts = ends - steps.offsets[:, :2]
    lifted = np.append(True, steps.points[:-1, 2] == 0)
    for start, end, up, index in zip(starts, ends, lifted, steps.attention.letter):
        arrow = dict(arrowstyle="-|>", lw=0.8, mutation_scale=6, shrinkA=0, shrinkB=0)
        arrow["ls"] = ":" if up else "-"
        arrow["color"] = "grey" if up else COLORS[index % len(COLORS)]
        axes.annotate("", end, start, arrowprops=arrow)
    axes.plot(*ends.T, linestyle="", marker=".", markersize=2, color="black")
    axes.set(
        aspect="equal",
        xlim=(-0.05, ends[:, 0].max() + 0.05),
        ylim=(ends[:, 1].max() + 0.08, min(ends[:, 1].min(), -0.1) - 0.08),
    )
    axes.axhline(0, color="lightgrey", lw=0.8, zorder=0)


def draw_curve(axes: "Axes", steps: Steps) -> None:
    """Draw the outlines of the strokes and their points."""
    strokes = steps.placed.strokes
    usual_step = brush.usual_step(steps.page.strokes)
    for stroke in strokes:
        path = curves.flatten(stroke)
        shape = brush.outline(path, brush.widths(stroke, path, 0.45, 0.8, usual_step))
        axes.fill(*shape.T, color=INK_COLOR, alpha=0.85, lw=0)
        axes.plot(*stroke.T, linestyle="", marker="o", markersize=2.2, color="orange")
    ink = np.concatenate(strokes)
    axes.set(
        aspect="equal",
        xlim=(ink[:, 0].min() - 1.5, ink[:, 0].max() + 1.5),
        ylim=(ink[:, 1].max() + 1.5, ink[:, 1].min() - 1.5),
    )


def draw_page(axes: "Axes", steps: Steps) -> None:
    """Draw the page and the word's baseline, in millimeters."""
    for word in steps.page.words:
        for stroke in word.strokes:
            marker = "." if len(stroke) == 1 else ""
            path = curves.flatten(stroke)
            axes.plot(*path.xy.T, color=INK_COLOR, lw=1, marker=marker, markersize=3)
    axes.set(aspect="equal", xlim=(0, steps.page.width), ylim=(steps.page.height, 0))
    axes.axhline(steps.placed.y, color="lightgrey", lw=0.8, zorder=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Explain a word from its tokens to the page.")
    parser.add_argument("word", nargs="?", default="quiet")
    parser.add_argument("--checkpoint", default=str(SHIPPED))
    parser.add_argument("--author", default="")
    parser.add_argument("--out", default="explain.png")
    options = parser.parse_args()
    steps = explain(options.word, Writer.load(options.checkpoint), options.author)
    draw(options.out, options.word, steps)
    print(f"\ndrew them to {options.out}")


if __name__ == "__main__":
    run_script(main)
