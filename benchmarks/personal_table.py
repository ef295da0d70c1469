"""Show the results of `benchmarks.personal` as tables and a plot. Does not depend on a model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cursivetransformer.utils.errors import UserError

Result = dict[str, Any]  # a line of results.jsonl
Key = tuple[str, int | str, int]  # way, number of words or "all", seed
HEADS = (
    "words",
    "way",
    "seeds",
    "English, 1 version",
    "best of {best_of}",
    "held out, 1 version",
    "best of {best_of}",
    "style",
    "steps",
    "core seconds",
)
SIZE_TICKS = (25, 50, 100, 200, 400, 800, 2706)  # words


def load_results(folder: str | Path) -> dict[Key, Result]:
    """Load the results that a folder has so far."""
    path = Path(folder) / "results.jsonl"
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {(row["way"], row["n"], row["seed"]): row for row in rows}


def show_results(folder: str | Path, ways: Mapping[str, str], best_of: int, plot: str = "") -> None:
    """Print the results, and plot them.

    Args:
        ways: descriptions by name.
        best_of: the versions of each word from which the recognizer chose in the second figure.
        plot: a path, or empty for no plot.
    """
    results = list(load_results(folder).values())
    if not results:
        raise UserError(f"{folder} holds no results yet")
    for result in results:
        if result["way"] == "unlearnt":
            print_unlearnt(result["found"])
    groups = group_results(results, [*ways, "scratch"])
    heads = [head.format(best_of=best_of) for head in HEADS]
    print_row(heads)
    print_row(["---:", "---", *["---:"] * (len(heads) - 2)])
    for (way, n), same in groups.items():
        description = "adapted" if way == "adapted" else ways.get(way, "from scratch")
        print_row(summarize(n, description, same, best_of))
    if plot:
        draw(groups, best_of, plot)


def print_row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def print_unlearnt(measured: Mapping[str, Result]) -> None:
    """Print what the base model does without training."""
    print_row(["without training", "misread, English", "held out", "style"])
    print_row(["---", "---:", "---:", "---:"])
    for name, by_versions in measured.items():
        first = by_versions["1"]
        english, held_out = (f"{100 * first[key]:.1f}%" for key in ("english", "held_out"))
        print_row([name, english, held_out, f"{first['style']:.3f}"])
    print()


def group_results(
    results: Sequence[Result], ways: Sequence[str]
) -> dict[tuple[str, int | str], list[Result]]:
    """Group the results of several seeds by way and number of words, small banks first."""
    groups = {}
    for way in ways:
        sizes = {result["n"] for result in results if result["way"] == way}
        for n in sorted(sizes, key=lambda n: float("inf") if n == "all" else n):
            groups[way, n] = [
                result for result in results if (result["way"], result["n"]) == (way, n)
            ]
    return groups


def summarize(n: int | str, description: str, same: Sequence[Result], best_of: int) -> list[str]:
    """Return the cells of a row for the results of several seeds."""
    size = f"all, {same[0]['words']}" if n == "all" else str(n)
    cells = [size, description, str(len(same))]
    for texts in ("english", "held_out"):
        for versions in ("1", str(best_of)):
            errors = values_of(same, versions, texts, 100)
            cells.append(format_range(errors, "{:.1f}", "%"))
    cells.append(format_range([result["found"]["1"]["style"] for result in same], "{:.3f}"))
    cells.append(format_range([result["steps"] for result in same], "{:.0f}"))
    seconds = [result["core_seconds"] for result in same if "core_seconds" in result]
    cells.append(format_range(seconds, "{:.0f}"))
    return cells


def values_of(results: Sequence[Result], versions: str, measure: str, factor: float) -> list[float]:
    """Return `factor` times a measure of each result that has that many versions of a word."""
    return [
        factor * result["found"][versions][measure]
        for result in results
        if versions in result["found"]
    ]


def format_range(values: Sequence[float], template: str, unit: str = "") -> str:
    """Format the mean, with the minimum and the maximum if they differ."""
    if not values:
        return ""
    mean, low, high = (
        template.format(value) for value in (np.mean(values), min(values), max(values))
    )
    return f"{mean}{unit}" if low == high else f"{mean}{unit} ({low}-{high})"


def draw(groups: Mapping[tuple[str, int | str], Sequence[Result]], best_of: int, path: str) -> None:
    """Plot error and distance against the number of words, adapted and from scratch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    axes[0].set(ylabel="characters misread, English, %", yscale="log")
    curves = [
        ("adapted", "1", "C0o-", "adapted, one version"),
        ("adapted", str(best_of), "C0o--", f"adapted, best of {best_of}"),
        ("scratch", "1", "C1s-", "from scratch, one version"),
        ("scratch", str(best_of), "C1s--", f"from scratch, best of {best_of}"),
    ]
    # The style is that of one version.
    panels = ((axes[0], "english", 100, curves), (axes[1], "style", 1, curves[::2]))
    for axis, measure, factor, shown in panels:
        for way, versions, line_style, label in shown:
            points = []
            for (group_way, _), same in groups.items():
                values = values_of(same, versions, measure, factor)
                if group_way == way and values:
                    points.append((same[0]["words"], values))
            if points:
                sizes = [n for n, _ in points]
                means = [np.mean(values) for _, values in points]
                axis.plot(sizes, means, line_style, markersize=4, linewidth=1, label=label)
            for n, values in points:
                axis.plot([n] * len(values), values, line_style[:2] + ".", markersize=2)
        axis.set(
            xscale="log",
            xlabel="recorded words",
            xticks=SIZE_TICKS,
            xticklabels=[f"{n:,}" for n in SIZE_TICKS],
        )
        axis.minorticks_off()
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[1].set(ylabel="distance of style", ylim=(0, None))
    axes[0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
