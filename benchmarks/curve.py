"""Show a run's loss and share of misread characters against time, as a table and a plot.

python -m benchmarks.curve runs/NAME [docs/curve.png]
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from cursivetransformer.utils.errors import UserError, run_script  # noqa: E402

Row = dict[str, Any]  # the metrics of one evaluation
MISREAD_STYLE = "C2.-"


def main() -> None:
    if len(sys.argv) < 2:
        raise UserError("usage: python -m benchmarks.curve RUN_FOLDER [OUT.png]")
    rows = load_metrics(Path(sys.argv[1]))
    print_table(rows)
    if len(sys.argv) > 2:
        draw(rows, sys.argv[2])


def load_metrics(folder: Path) -> list[Row]:
    """Load the metrics of a run. Raises `UserError` if there are none."""
    try:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error
    return [json.loads(line) for line in lines]


def print_table(rows: list[Row]) -> None:
    print(
        "| step | minutes | train | test | test, nats per offset | characters misread |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        misread = f"{row['reading_error']:.1%}" if "reading_error" in row else ""
        cells = [
            f"{row['step']}",
            f"{row['seconds'] / 60:.1f}",
            f"{row['train_loss']:.3f}",
            f"{row['test_loss']:.3f}",
            f"{row['test_nats_per_offset']:.3f}",
            misread,
        ]
        print("| " + " | ".join(cells) + " |")


def draw(rows: list[Row], out: str) -> None:
    """Plot the losses, and on a second axis the misread characters."""
    minutes = [row["seconds"] / 60 for row in rows]
    figure, axes = plt.subplots(figsize=(6, 3))
    for name, label in (("train_loss", "training words"), ("test_loss", "held-out words")):
        axes.plot(minutes, [row[name] for row in rows], label=label)
    axes.set(xlabel="minutes", ylabel="nats per token")
    read = [row for row in rows if "reading_error" in row]
    if read:
        # The legend belongs to the left axis, so it needs an empty line there.
        axes.plot([], [], MISREAD_STYLE, linewidth=0.8, label="characters misread")
        errors = axes.twinx()
        errors.plot(
            [row["seconds"] / 60 for row in read],
            [100 * row["reading_error"] for row in read],
            MISREAD_STYLE,
            linewidth=0.8,
        )
        errors.set(ylabel="characters misread, %", ylim=(0, None))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    run_script(main)
