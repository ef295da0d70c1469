"""What a training step costs, against the batch, the words in an example, the width of the model and the size of the bank.

    python -m benchmarks.scale [--out docs/scale.png] [settings of train.py]

One of the four is varied at a time, from the recipe's own value. The largest bank is the given one, loaded from its file as
often as makes 100,000 words. Prints a table, with the seconds that loading took and the most memory the process ever had.
"""

import resource
import statistics
import sys
import time

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from benchmarks.options import take_options  # noqa: E402
from cursivetransformer.bank.registry import load_banks  # noqa: E402
from cursivetransformer.config.train import get_all_args  # noqa: E402
from cursivetransformer.training.trainer import Trainer  # noqa: E402
from cursivetransformer.utils.errors import run_script  # noqa: E402

STEPS, WARM_UP = 8, 2
LARGE_BANK = 100_000  # words
HEAD = 32  # width of a head, kept as the model grows


def step_cost(argv):
    """Median seconds of a training step, and tokens a second."""
    trainer = Trainer.start(
        get_all_args(argv=["--wandb", "off", *argv]), warn=lambda sentence: None
    )
    seconds, speeds = [], []
    for i in range(WARM_UP + STEPS):
        start = time.perf_counter()
        tokens = float(trainer.train_step()[1])  # waits for the device
        seconds.append(time.perf_counter() - start)
        speeds.append(tokens / seconds[-1])
    return statistics.median(seconds[WARM_UP:]), statistics.median(speeds[WARM_UP:])


def main():
    options, rest = take_options(sys.argv[1:], {"out": "docs/scale.png"})
    config = get_all_args(argv=rest)
    n_words = len(load_banks(config.dataset_name)[0])
    copies = [1, 10, -(-LARGE_BANK // n_words)]
    axes = {
        "examples in a batch": [(n, ["--batch_size", n]) for n in (2, 4, 8, 16, 32, 64)],
        "words in an example": [
            (n, ["--num_words", n, "--min_words", n, "--max_seq_length", 600 * n])
            for n in (1, 2, 4, 8)
        ],
        "width": [
            (
                n,
                [
                    "--n_embd",
                    n,
                    "--n_embd_context",
                    n,
                    "--n_head",
                    n // HEAD,
                    "--n_ctx_head",
                    n // HEAD,
                ],
            )
            for n in (64, 96, 192, 384)
        ],
        "words in the bank": [
            (n * n_words, ["--dataset_name", ",".join([config.dataset_name] * n)]) for n in copies
        ],
    }
    print(
        "| what is varied | value | milliseconds a step | tokens a second | seconds to start | most memory so far, MiB |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    curves = {}
    for name, values in axes.items():
        for value, settings in values:
            start = time.perf_counter()
            cost, speed = step_cost([*rest, *map(str, settings)])
            to_start = time.perf_counter() - start - cost * (STEPS + WARM_UP)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            curves.setdefault(name, []).append((value, 1000 * cost))
            print(
                f"| {name} | {value:,} | {1000 * cost:.0f} | {speed:,.0f} | {to_start:.1f} | {memory:,} |",
                flush=True,
            )
    draw(curves, options["out"])


def draw(curves, out):
    """A panel for each curve, a list of (value, milliseconds)."""
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
