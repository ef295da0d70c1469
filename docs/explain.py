"""One word, from its tokens to the page: what each step of the program makes of it, printed and drawn.

python docs/explain.py [WORD] [--checkpoint FILE] [--author NAME] [--out explain.png]
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from cursivetransformer import Writer
from cursivetransformer.bank.authors import indices_by_name
from cursivetransformer.ink import curves
from cursivetransformer.ink.curves import path_data
from cursivetransformer.ink.strokes import points_to_offsets, split_strokes
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.models.checkpoint import SHIPPED
from cursivetransformer.render import brush as pen
from cursivetransformer.render.attention_plot import COLORS
from cursivetransformer.render.raster import save_figure
from cursivetransformer.sampling.attention_weights import find_word_attention
from cursivetransformer.utils.errors import run_script

SHOWN = 6  # steps that are printed
LINE = "brown fox and lazy dog"  # written beside the word, so that its hand is known


def explain(word, writer, author):
    """Print every step; returns what the picture shows."""
    letter = writer.write(
        f"{word} {LINE}",
        author=author,
        page="130x20",
        margin="5",
        x_height=2.5,
        word_space_jitter=0.0,
        missing="skip",
    )
    spelt, tokenizer = letter.words[0], writer.tokenizer
    points, number = spelt.points, indices_by_name(writer.authors).get(letter.origin.author, 0)
    print(
        f"1. The text {word!r}, a space behind it, as numbers of characters: {tokenizer.encode_text(word + ' ').tolist()}"
    )
    print(
        f"   They are turned into keys and values once; {letter.origin.author}'s number, {number}, goes to every position."
    )
    tokens = tokenizer.encode_offsets(points_to_offsets(points))[0]
    offsets = tokenizer.decode_offsets(tokens)
    print(
        f"\n2. The model draws WORD ({tokenizer.word_id}), then a direction and a length with the pen for each of {len(tokens)} offsets, then END ({tokenizer.end_id})."
    )
    print("   'Point, then shoot'; pen 1: ink goes on, pen 0: the pen is lifted.")
    for ids, (dx, dy, down) in list(zip(tokens, offsets))[:SHOWN]:
        turn = np.degrees(np.arctan2(-dy, dx)) % 360
        print(
            f"   {str(ids.tolist()):12} {turn:5.1f} degrees, {np.hypot(dx, dy):.4f} canvas heights, pen {down:.0f}"
        )
    print(
        f"   ... {len(split_strokes(points))} strokes; the first offset leads from the left edge on the baseline to the first ink."
    )
    looks = find_word_attention(writer.model, tokenizer, [spelt], number)[0]
    runs = np.flatnonzero(np.diff(looks.letter, prepend=-1))
    print(
        "\n3. For each offset, cross-attention asks which letter it is at: "
        + " ".join(f"{word[looks.letter[i]]}@{i + 1}" for i in runs)
    )
    print(
        f"   The reader reads {spelt.reading!r}"
        + (
            f"; it was drawn {spelt.versions} times."
            if spelt.versions > 1
            else ", so it was drawn once."
        )
    )
    print("\n4. Offsets add up to points; x, y in canvas heights, y downward from the baseline:")
    print("   " + "  ".join(f"({x:.3f}, {y:.3f})" for x, y in points[:SHOWN, :2]) + " ...")
    hand = HandStatistics.from_words(
        [one.points for one in letter.words], [one.text for one in letter.words]
    )
    placed = letter.pages[0].words[0]
    print(
        f"\n5. Of its deviation from the hand (x-height {hand.x_height:.3f} canvas heights) half is taken out, and it is placed with its origin at "
        f"{placed.x:.1f}, {placed.y:.1f} mm, a canvas height being {placed.scale:.1f} mm."
    )
    stroke = placed.strokes[0]
    print(
        "\n6. A smooth curve goes through the points of each stroke. The first as a path of an SVG:"
    )
    print("   " + path_data(stroke)[:110] + " ...")
    return letter, points, offsets, looks, placed


def draw(path, word, letter, points, offsets, looks, placed):
    """The same as a picture."""
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
        (page, "4  on the page, in millimetres"),
    ):
        axes.set_title(title, loc="left", fontsize=10)
    ends = points[:, :2]
    starts = ends - offsets[:, :2]
    lifted = np.append(True, points[:-1, 2] == 0)
    for start, end, up, index in zip(starts, ends, lifted, looks.letter):
        tokens.annotate(
            "",
            end,
            start,
            arrowprops=dict(
                arrowstyle="-|>",
                lw=0.8,
                mutation_scale=6,
                shrinkA=0,
                shrinkB=0,
                ls=":" if up else "-",
                color="grey" if up else COLORS[index % len(COLORS)],
            ),
        )
    tokens.plot(*ends.T, linestyle="", marker=".", markersize=2, color="black")
    tokens.set(
        aspect="equal",
        xlim=(-0.05, ends[:, 0].max() + 0.05),
        ylim=(ends[:, 1].max() + 0.08, min(ends[:, 1].min(), -0.1) - 0.08),
    )
    tokens.axhline(0, color="lightgrey", lw=0.8, zorder=0)
    attention.imshow(looks.weights.T, aspect="auto", cmap="magma_r", vmin=0, vmax=1)
    attention.set(xlabel="", yticks=range(len(word)), yticklabels=list(word))
    strokes, usual = placed.strokes, pen.usual_step(letter.pages[0].strokes)
    for stroke in strokes:
        path_ = curves.flatten(stroke)
        shape = pen.outline(path_, pen.widths(stroke, path_, 0.45, 0.8, usual))
        curve.fill(*shape.T, color="#1a2a5e", alpha=0.85, lw=0)
        curve.plot(*stroke.T, linestyle="", marker="o", markersize=2.2, color="orange")
    ink = np.concatenate(strokes)
    curve.set(
        aspect="equal",
        xlim=(ink[:, 0].min() - 1.5, ink[:, 0].max() + 1.5),
        ylim=(ink[:, 1].max() + 1.5, ink[:, 1].min() - 1.5),
    )
    for other in letter.pages[0].words:
        for stroke in other.strokes:
            page.plot(
                *curves.flatten(stroke).xy.T,
                color="#1a2a5e",
                lw=1,
                marker="." if len(stroke) == 1 else "",
                markersize=3,
            )
    page.set(aspect="equal", xlim=(0, letter.pages[0].width), ylim=(letter.pages[0].height, 0))
    page.axhline(placed.y, color="lightgrey", lw=0.8, zorder=0)
    for axes in (tokens, curve):
        axes.set(xticks=[], yticks=[])
    save_figure(figure, path)


def main():
    parser = argparse.ArgumentParser(description="Explain a word from its tokens to the page.")
    parser.add_argument("word", nargs="?", default="quiet")
    parser.add_argument("--checkpoint", default=str(SHIPPED))
    parser.add_argument("--author", default="")
    parser.add_argument("--out", default="explain.png")
    options = parser.parse_args()
    shown = explain(options.word, Writer.load(options.checkpoint), options.author)
    draw(options.out, options.word, *shown)
    print(f"\ndrew them to {options.out}")


if __name__ == "__main__":
    run_script(main)
