"""Measure the cost of a training step against batch size, example length, width and bank size.

    python -m benchmarks.scale [--out docs/scale.png] [settings of train.py]

One of the four varies at a time, from the recipe's own value. The largest bank is the given one,
loaded repeatedly until it has 100,000 words. Prints a table, with the seconds that loading took and
the peak memory of the process so far.
"""

import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from benchmarks.options import take_options  # noqa: E402
from cursivetransformer.bank.registry import load_banks  # noqa: E402
from cursivetransformer.config.train import get_all_args  # noqa: E402
from cursivetransformer.training.run import new_run  # noqa: E402
from cursivetransformer.utils.errors import run_script  # noqa: E402

STEPS = 8
WARM_UP = 2  # steps
LARGE_BANK = 100_000  # words
HEAD_WIDTH = 32  # stays as the model grows

Variation = tuple[int, list[str]]  # a value, and the settings of train.py that set it


def step_cost(argv: Sequence[str]) -> tuple[float, float]:
    """Return the median seconds of a training step, and the median tokens a second."""
    trainer = new_run(get_all_args(argv=["--wandb", "off", *argv]), warn=lambda sentence: None)
    seconds, speeds = [], []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        tokens = float(trainer.train_step()[1])  # waits for the device
        seconds.append(time.perf_counter() - start)
        speeds.append(tokens / seconds[-1])
    return statistics.median(seconds[WARM_UP:]), statistics.median(speeds[WARM_UP:])


def vary_examples(n_words: int) -> list[str]:
    words, length = str(n_words), str(600 * n_words)
    return ["--num_words", words, "--min_words", words, "--max_seq_length", length]


def vary_width(width: int) -> list[str]:
    heads = str(width // HEAD_WIDTH)
    widths = ["--n_embd", str(width), "--n_embd_context", str(width)]
    return [*widths, "--n_head", heads, "--n_ctx_head", heads]


def make_variations(dataset_name: str) -> dict[str, list[Variation]]:
    """Return the values to try for each quantity."""
    n_words = len(load_banks(dataset_name)[0])
    copies = [1, 10, -(-LARGE_BANK // n_words)]
    return {
        "examples in a batch": [(n, ["--batch_size", str(n)]) for n in (2, 4, 8, 16, 32, 64)],
        "words in an example": [(n, vary_examples(n)) for n in (1, 2, 4, 8)],
        "width": [(n, vary_width(n)) for n in (64, 96, 192, 384)],
        "words in the bank": [
            (n * n_words, ["--dataset_name", ",".join([dataset_name] * n)]) for n in copies
        ],
    }


def main() -> None:
    options, rest = take_options(sys.argv[1:], {"out": "docs/scale.png"})
    config = get_all_args(argv=rest)
    print(
        "| what is varied | value | milliseconds a step | tokens a second | seconds to start | "
        "most memory so far, MiB |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, variations in make_variations(config.dataset_name).items():
        for value, settings in variations:
            start = time.perf_counter()
            cost, speed = step_cost([*rest, *settings])
            seconds_to_start = time.perf_counter() - start - cost * (STEPS + WARM_UP)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            curves.setdefault(name, []).append((value, 1000 * cost))
            print(
                f"| {name} | {value:,} | {1000 * cost:.0f} | {speed:,.0f} | "
                f"{seconds_to_start:.1f} | {memory:,} |",
                flush=True,
            )
    draw(curves, options["out"])


def draw(curves: Mapping[str, Sequence[tuple[int, float]]], out: str) -> None:
    """Draw a panel for each curve of (value, milliseconds)."""
    figure, panels = plt.subplots(1, len(curves), figsize=(11, 2.8), sharey=True)
    for panel, (name, points) in zip(panels, curves.items()):
        values, costs = zip(*points)
        panel.loglog(values, costs, marker=".")
        panel.set(xlabel=name)
        panel.set_xticks(values, [f"{value:,}" for value in values], minor=False)
        panel.set_xticks([], minor=True)
        panel.set_yticks([50, 100, 200, 400, 800], ["50", "100", "200", "400", "800"], minor=False)
        panel.set_yticks([], minor=True)
    panels[0].set(ylabel="milliseconds a step")
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    run_script(main)
