"""What `benchmarks.personal` has found, as tables and a plot. Knows no model."""

import json
from pathlib import Path

import numpy as np

from cursivetransformer.utils.errors import UserError


def results(folder):
    """{(way, n, seed): result} of what is there."""
    path = Path(folder) / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {(row["way"], row["n"], row["seed"]): row for row in rows}


def table(folder, ways, best_of, plot=""):
    """Print what is there, and draw it. ways: {name: what it is}; best_of: versions that the better of two figures is of."""
    rows = list(results(folder).values())
    if not rows:
        raise UserError(f"{folder} holds no results yet")
    for row in rows:
        if row["way"] == "unlearnt":
            print(
                "| without training | misread, English | held out | style |\n| --- | ---: | ---: | ---: |"
            )
            for name, found in row["found"].items():
                one = found["1"]
                print(
                    f"| {name} | {100 * one['english']:.1f}% | {100 * one['held_out']:.1f}% | {one['style']:.3f} |"
                )
            print()
    heads = [
        "words",
        "way",
        "seeds",
        "English, 1 version",
        f"best of {best_of}",
        "held out, 1 version",
        f"best of {best_of}",
        "style",
        "steps",
        "core seconds",
    ]
    print(
        "| "
        + " | ".join(heads)
        + " |\n| "
        + " | ".join(["---:", "---", *["---:"] * (len(heads) - 2)])
        + " |"
    )
    points = {}
    for way in [*ways, "scratch"]:
        for n in sorted({row["n"] for row in rows if row["way"] == way}, key=_order):
            same = [row for row in rows if (row["way"], row["n"]) == (way, n)]
            cells = [
                n if n != "all" else f"all, {same[0]['words']}",
                ways.get(way, "from scratch") if way != "adapted" else "adapted",
                len(same),
            ]
            for what in ("english", "held_out"):
                for most in ("1", str(best_of)):
                    cells.append(
                        _range(
                            [
                                100 * row["found"][most][what]
                                for row in same
                                if most in row["found"]
                            ],
                            "{:.1f}",
                            "%",
                        )
                    )
            cells.append(_range([row["found"]["1"]["style"] for row in same], "{:.3f}"))
            print(
                "| "
                + " | ".join(
                    map(
                        str,
                        [
                            *cells,
                            _range([row["steps"] for row in same], "{:.0f}"),
                            _range(
                                [row["core_seconds"] for row in same if "core_seconds" in row],
                                "{:.0f}",
                            ),
                        ],
                    )
                )
                + " |"
            )
            points[way, n] = same
    if plot:
        draw(points, best_of, plot)


def _order(n):
    return float("inf") if n == "all" else n


def _range(values, shape, unit=""):
    """The mean, and the least and the most where these differ."""
    if not values:
        return ""
    mean, least, most = (
        shape.format(value) for value in (np.mean(values), min(values), max(values))
    )
    return f"{mean}{unit}" if least == most else f"{mean}{unit} ({least}-{most})"


def draw(points, best_of, path):
    """Error and distance against the number of words, adapted and from scratch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    axes[0].set(ylabel="characters misread, English, %", yscale="log")
    kinds = [
        ("adapted", "1", "C0o-", "adapted, one version"),
        ("adapted", str(best_of), "C0o--", f"adapted, best of {best_of}"),
        ("scratch", "1", "C1s-", "from scratch, one version"),
        ("scratch", str(best_of), "C1s--", f"from scratch, best of {best_of}"),
    ]
    for axis, what, factor in ((axes[0], "english", 100), (axes[1], "style", 1)):
        for way, most, style_, label in kinds[:: 1 if what == "english" else 2]:
            seen = [
                (
                    same[0]["words"],
                    [factor * row["found"][most][what] for row in same if most in row["found"]],
                )
                for (kind, _), same in points.items()
                if kind == way
            ]
            seen = [(n, values) for n, values in seen if values]
            if seen:
                axis.plot(
                    [n for n, _ in seen],
                    [np.mean(values) for _, values in seen],
                    style_,
                    markersize=4,
                    linewidth=1,
                    label=label,
                )
                for n, values in seen:
                    axis.plot([n] * len(values), values, style_[:2] + ".", markersize=2)
        axis.set(
            xscale="log",
            xlabel="recorded words",
            xticks=[25, 50, 100, 200, 400, 800, 2706],
            xticklabels=["25", "50", "100", "200", "400", "800", "2,706"],
        )
        axis.minorticks_off()
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[1].set(ylabel="distance of style", ylim=(0, None))
    axes[0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
