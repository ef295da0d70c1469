"""Train two recipes under one clock, and compare their held-out loss after equal times.

    python -m benchmarks.time_to_loss [--fast auto] [--slow paper] [--minutes 20]
                                      [--out docs/time_to_loss] [settings of train.py]

The two take turns of some seconds on one machine, so that its load affects both. Both have the same
training and held-out words, and are measured on the same held-out ink (`DataLoader.evaluation`), in
nats per offset without padding. A recipe's clock runs while it trains, with making batches and
compiling, and stops while it is measured. `--minutes` is the time of each; the fast recipe ends
earlier if its schedule does. Settings of train.py apply to both.

Writes OUT.json, OUT.png, OUT-fast.png and OUT-slow.png, the same text written by each in the end,
and a checkpoint of each into `--run_dir`, to write more with.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks.options import take_options  # noqa: E402
from cursivetransformer.config.train import get_all_args, replace  # noqa: E402
from cursivetransformer.training.run import new_run  # noqa: E402
from cursivetransformer.training.samples import draw_samples  # noqa: E402
from cursivetransformer.utils.errors import UserError, run_script  # noqa: E402
from cursivetransformer.utils.io import atomic_path  # noqa: E402

FIRST_MARK = 2.0  # seconds of training until the loss is first measured
MARKS_PER_DOUBLING = 2  # measurements while the seconds of training double
TURN = 20.0  # seconds


class Recipe:
    """A preset in training.

    clock: its seconds of training; curve: [seconds, step, nats per offset] of each measurement;
    marks: the seconds at which the loss is still to be measured.
    """

    def __init__(self, preset: str, rest: Sequence[str], seconds: float) -> None:
        config = get_all_args(argv=["--preset", preset, "--wandb", "off", *rest])
        config = replace(
            config, wandb_run_name=time.strftime(f"time-to-loss-{config.preset}-%Y%m%d-%H%M%S")
        )
        self.trainer = new_run(config, warn=lambda sentence: None)
        self.name = self.trainer.config.preset
        self.clock = 0.0
        self.curve: list[list[float]] = []
        self.tokens = 0.0
        n_marks = int(np.floor(MARKS_PER_DOUBLING * np.log2(max(1, seconds / FIRST_MARK))))
        self.marks = [FIRST_MARK * 2 ** (i / MARKS_PER_DOUBLING) for i in range(n_marks)]
        self.marks.append(seconds)

    @property
    def going(self) -> bool:
        return bool(self.marks) and self.trainer.step < self.trainer.config.max_steps

    def turn(self) -> None:
        """Train until the next mark, at most one turn. Measure at the mark and at the end."""
        end = min(self.marks[0], self.clock + TURN)
        while self.clock < end and self.going:
            start = time.perf_counter()
            _, n_tokens = self.trainer.train_step()
            self.tokens += float(n_tokens)  # waits for the device, so the clock is true
            self.clock += time.perf_counter() - start
        if not self.going or self.clock >= self.marks[0]:
            self._measure()

    def _measure(self) -> None:
        while self.marks and self.clock >= self.marks[0]:
            self.marks.pop(0)
        step, loss = self.trainer.step, self.trainer.evaluate("test")[1]
        self.curve.append([self.clock, step, loss])
        print(
            f"{self.name:6} {self.clock:7.1f} s  step {step:6}  {loss:.4f} nats/offset", flush=True
        )

    def seconds_to(self, loss: float) -> float | None:
        """Return the seconds at which the measured loss first was at most `loss`, or None.

        The true time is not later.
        """
        return next((seconds for seconds, _, measured in self.curve if measured <= loss), None)

    def summary(self) -> dict[str, Any]:
        """Return the figures that go into the results file."""
        return {
            "preset": self.name,
            "curve": self.curve,
            "tokens_per_second": self.tokens / self.clock,
            "weights": self.trainer.model.n_parameters,
            "batch_size": self.trainer.config.batch_size,
            **self.trainer.loader.counts(),
        }


def main() -> None:
    options, rest = parse_options(sys.argv[1:])
    out = options["out"]
    seconds = 60 * float(options["minutes"])
    fast, slow = (Recipe(options[side], rest, seconds) for side in ("fast", "slow"))
    while fast.going or slow.going:
        for recipe in (fast, slow):
            if recipe.going:
                recipe.turn()
    device = f"{torch.get_num_threads()} CPU threads"
    if fast.trainer.config.device.startswith("cuda"):
        device = torch.cuda.get_device_name()
    print_table(fast, slow, device)
    with atomic_path(f"{out}.json") as path:
        results = {"device": device, "recipes": [fast.summary(), slow.summary()]}
        path.write_text(json.dumps(results) + "\n")
    draw(fast, slow, device, f"{out}.png")
    for side, recipe in (("fast", fast), ("slow", slow)):
        draw_samples(recipe.trainer.model, recipe.trainer.loader, f"{out}-{side}.png")
        print(f"checkpoint of {recipe.name}: {recipe.trainer.save('last.pt')}")


def parse_options(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the benchmark's options and the settings of train.py. Raises `UserError`."""
    defaults = {"fast": "auto", "slow": "paper", "minutes": "20", "out": "docs/time_to_loss"}
    options, rest = take_options(argv, defaults)
    minutes = options["minutes"]
    if not minutes.replace(".", "", 1).isdigit() or float(minutes) <= 0:
        raise UserError(f"--minutes takes a number above 0, not {minutes!r}")
    return options, rest


def print_table(fast: Recipe, slow: Recipe, device: str) -> None:
    """Print when the fast recipe reached each measured loss of the slow one."""
    print(
        f"\nOn {device}:\n\n"
        f"| {slow.name}: nats per offset | seconds, {slow.name} | seconds, {fast.name} | ratio |\n"
        "| ---: | ---: | ---: | ---: |"
    )
    for seconds, _, loss in slow.curve:
        fast_seconds = fast.seconds_to(loss)
        cells = "not reached | |"
        if fast_seconds:
            cells = f"{fast_seconds:.1f} | {seconds / fast_seconds:.1f} |"
        print(f"| {loss:.3f} | {seconds:.0f} | {cells}")
    for recipe in (fast, slow):
        summary = recipe.summary()
        print(
            f"{recipe.name}: {recipe.curve[-1][2]:.3f} nats per offset after {recipe.clock:.0f} s, "
            f"{summary['tokens_per_second']:,.0f} tokens/s, "
            f"{summary['real_share']:.1%} of the positions real, "
            f"{summary['cut_share']:.1%} of the examples cut"
        )


def draw(fast: Recipe, slow: Recipe, device: str, path: str) -> None:
    """Plot the loss of both recipes against their seconds of training."""
    figure, axes = plt.subplots(figsize=(6, 3.2))
    for recipe in (slow, fast):
        seconds, _, losses = zip(*recipe.curve)
        axes.plot(seconds, losses, marker=".", label=f"--preset {recipe.name}")
    axes.set(
        xscale="log", xlabel=f"seconds of training, {device}", ylabel="held-out nats per offset"
    )
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run_script(main)
