"""The loss of a run against time, and how many characters of its ink are misread, as a table and a picture.

python -m benchmarks.curve runs/NAME [docs/curve.png]
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from cursivetransformer.utils.errors import UserError, run_script  # noqa: E402


def main():
    if len(sys.argv) < 2:
        raise UserError("usage: python -m benchmarks.curve RUN_FOLDER [OUT.png]")
    try:
        rows = [
            json.loads(line)
            for line in (Path(sys.argv[1]) / "metrics.jsonl").read_text().splitlines()
        ]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error
    print(
        "| step | minutes | train | test | test, nats per offset | characters misread |\n| ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        misread = f"{row['reading_error']:.1%}" if "reading_error" in row else ""
        print(
            f"| {row['step']} | {row['seconds'] / 60:.1f} | {row['train_loss']:.3f} | {row['test_loss']:.3f} | {row['test_nats_per_offset']:.3f} | {misread} |"
        )
    if len(sys.argv) > 2:
        draw(rows, sys.argv[2])


def draw(rows, out):
    minutes = [row["seconds"] / 60 for row in rows]
    figure, axes = plt.subplots(figsize=(6, 3))
    for name, label in (("train_loss", "training words"), ("test_loss", "held-out words")):
        axes.plot(minutes, [row[name] for row in rows], label=label)
    axes.set(xlabel="minutes", ylabel="nats per token")
    read = [row for row in rows if "reading_error" in row]
    if read:
        axes.plot(
            [], [], "C2.-", linewidth=0.8, label="characters misread"
        )  # for the legend, which is the left axis's
        errors = axes.twinx()
        errors.plot(
            [row["seconds"] / 60 for row in read],
            [100 * row["reading_error"] for row in read],
            "C2.-",
            linewidth=0.8,
        )
        errors.set(ylabel="characters misread, %", ylim=(0, None))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    run_script(main)
