"""An evaluation as files: JSON for programs, Markdown tables for people, and a picture of the words that were misread."""

import json
from pathlib import Path

import numpy as np

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.raster import draw_strokes
from cursivetransformer.utils.io import as_user_error, atomic_path

WORST_CHARACTERS = 12
WORST_WORDS = 28
COLUMNS = 4
PEN_POINTS = 1.1
CELL, HEAD = (2.6, 0.95), 0.35  # inches: of a word, and of the line above all
PAPER = (
    0.8,
    0.45,
)  # canvas heights: the least ink that a cell has room for, so that small words are not blown up


def check_out(out):
    """Raise `UserError` where no report can be written to OUT: before the work, not after it."""
    with as_user_error(out):
        Path(out).parent.mkdir(parents=True, exist_ok=True)


def save_report(report, written, out):
    """Write OUT.json, OUT.md and OUT.png of what `evaluation.evaluate` returned; each whole or not at all. Returns their paths."""
    paths = [f"{out}.{ending}" for ending in ("json", "md", "png")]
    with atomic_path(paths[0]) as path:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with atomic_path(paths[1]) as path:
        path.write_text(markdown(report), encoding="utf-8")
    with atomic_path(paths[2]) as path:
        draw_worst(report, written, path)
    return paths


def markdown(report):
    """The report as Markdown."""
    r, loss, most = report, report["loss"], list(report["generated"])
    s = ", ".join(f"{name} {value}" for name, value in r["settings"].items() if name != "best_of")
    lines = [
        f"# {r['checkpoint']}",
        "",
        f"Step {r['step']}, bank {r['bank']}; {s}.",
        "",
        f"Held-out words: {loss['nats_per_offset']:.3f} nats or {loss['bits_per_offset']:.3f} bits per offset, {loss['nats_per_token']:.3f} nats per token.",
    ]
    if "1" in r["generated"]:
        lines[-1] += f" {r['generated']['1']['tokens_per_second']:,.0f} tokens written in a second."
    lines += [
        "",
        "## Legibility",
        "",
        "Characters, and words, that the grading recognizer misreads. Of a word that the choosing recognizer misreads or is "
        "unsure of, up to so many versions are drawn:",
        "",
    ]
    rows = [
        ["real ink, held out: " + name, counts["words"], _rates(counts)] + [""] * (len(most) - 1)
        for name, counts in r["real"].items()
    ]
    for name in r["generated"][most[0]]["sets"]:
        counts = [r["generated"][n]["sets"][name] for n in most]
        rows.append([f"generated: {name}", counts[0]["words"], *map(_rates, counts)])
    rows.append(
        [
            "seconds for all generated words",
            "",
            *(f"{r['generated'][n]['seconds']:.1f}" for n in most),
        ]
    )
    rows.append(
        [
            "of them doubtful to the choosing recognizer",
            "",
            *(str(r["generated"][n]["doubtful"]) if n != "1" else "" for n in most),
        ]
    )
    lines += _table(["ink", "words", *(f"versions: {n}" for n in most)], rows)
    counts = r["generated"][most[0]]["all"]
    lines += ["", "## Which letters fail", "", f"Of the generated words, versions: {most[0]}.", ""]
    worst = [(char, c) for char, c in counts["by_character"].items() if c["misread"]][
        :WORST_CHARACTERS
    ]
    lines += _table(
        ["character", "written", "misread", "read as"],
        [
            [
                _code(char),
                c["count"],
                c["misread"],
                ", ".join(
                    f"{_code(read) if read else 'nothing'} {n}" for read, n in c["read_as"].items()
                ),
            ]
            for char, c in worst
        ],
    )
    lines += [
        "",
        *_table(
            ["place in the word", "written", "misread"],
            [
                [name, c["count"], f"{c['misread']} ({c['misread'] / c['count']:.2%})"]
                for name, c in counts["by_place"].items()
            ],
        ),
    ]
    lines += [
        "",
        "## Style",
        "",
        "1-Wasserstein distance of each measure from the real held-out ink, in its standard deviations: of the same words "
        "generated, and of as many other real words.",
        "",
    ]
    lines += _table(
        ["measure", *r["style"]],
        [
            [
                name,
                *(
                    "" if distances[name] is None else f"{distances[name]:.3f}"
                    for distances in r["style"].values()
                ),
            ]
            for name in next(iter(r["style"].values()))
        ],
    )
    lines += [
        "",
        "Standard deviations within a hand, over the held-out words: "
        + ", ".join(
            f"{name} {value:.3f}" for name, value in r["evenness"].items() if value is not None
        )
        + " (slant in radians, height as a share).",
    ]
    return "\n".join(lines) + "\n"


def _rates(counts):
    return f"{counts['character_error']:.2%}, {counts['word_error']:.1%}"


def _code(text):
    return f"`{text}`" if text != "`" else "`` ` ``"


def _table(heads, rows):
    rows = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def draw_worst(report, written, path):
    """A picture of the words misread worst with fewest versions, what was read under each, and beside it what is kept of most versions."""
    # Here, because evaluating without a picture does without its slow import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fewest, most = min(written[0]["versions"]), max(written[0]["versions"])
    worst = [entry for entry in written if entry["versions"][fewest]["edits"]][:WORST_WORDS]
    cells = [
        (entry["text"], entry["versions"][n], n) for entry in worst for n in sorted({fewest, most})
    ]
    n_rows = max(1, -(-len(cells) // COLUMNS))
    height = n_rows * CELL[1] + HEAD
    figure = Figure(figsize=(COLUMNS * CELL[0], height), dpi=110)
    FigureCanvasAgg(figure)
    counts = report["generated"][str(fewest)]["all"]
    beside = f" and the same words with {_versions(most)}" if most > fewest else ""
    figure.text(
        0.01,
        1 - 0.6 * HEAD / height,
        f"{counts['wrong_words']} of {counts['words']} words are misread with {_versions(fewest)}. The worst{beside}; "
        f"red is misread.",
        fontsize=9,
    )
    for i, (text, version, n) in enumerate(cells):
        row, column = divmod(i, COLUMNS)
        axes = figure.add_axes(
            (
                column / COLUMNS,
                1 - (HEAD + (row + 1) * CELL[1]) / height,
                0.94 / COLUMNS,
                0.78 * CELL[1] / height,
            )
        )
        axes.set_title(
            f"{text}   reads   {version['reading'] or 'as nothing'}   ({_versions(n)})".replace(
                "$", r"\$"
            ),
            fontsize=7,
            color="firebrick" if version["edits"] else "dimgrey",
            pad=2,
        )
        _draw_word(axes, version["points"])
    figure.savefig(path, format="png", metadata={"Software": None})


def _versions(n):
    return f"{n} version{'s' * (n > 1)}"


def _draw_word(axes, points):
    axes.axis("off")
    points = points if len(points) else np.zeros((1, 3))
    draw_strokes(axes, split_strokes(points), PEN_POINTS)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    spare = np.maximum(0, np.array(PAPER) - (high - low)) / 2 + 0.02
    axes.set(
        xlim=(low[0] - spare[0], high[0] + spare[0]),
        ylim=(high[1] + spare[1], low[1] - spare[1]),
        aspect="equal",
    )
