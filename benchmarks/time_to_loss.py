"""Two recipes under one clock: the held-out loss of each against its seconds of training, as a table and a picture.

    python -m benchmarks.time_to_loss [--fast auto] [--slow paper] [--minutes 20] [--out docs/time_to_loss] [settings of train.py]

The two take turns of some seconds on the same machine, so that both meet the same weather. Both have the same training and
held-out words, and are measured on the same held-out ink (`DataLoader.evaluation`), in nats per offset with the padding
unscored. The clock of a recipe runs while it trains, making batches and compiling included, and stands while it is measured.
`--minutes` is each one's share; the fast one ends earlier when its own schedule does. Writes OUT.json, OUT.png and OUT-fast.png,
OUT-slow.png, the same text written by each in the end, and a checkpoint of each into `--run_dir`, to write more with. Settings of
train.py are given to both.
"""

import json
import sys
import time

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks.options import take_options  # noqa: E402
from cursivetransformer.config.train import get_all_args, replace  # noqa: E402
from cursivetransformer.training.samples import draw_preview  # noqa: E402
from cursivetransformer.training.trainer import Trainer  # noqa: E402
from cursivetransformer.utils.errors import UserError, run_script  # noqa: E402
from cursivetransformer.utils.io import atomic_path  # noqa: E402

FIRST_MARK, MARKS_PER_DOUBLING = (
    2.0,
    2,
)  # seconds of training at which the loss is measured first, and how often then
TURN = 20.0  # seconds


class Recipe:
    """A preset in training. clock: its seconds; curve: [seconds, step, nats per offset]."""

    def __init__(self, preset, rest, seconds):
        config = get_all_args(argv=["--preset", preset, "--wandb", "off", *rest])
        config = replace(
            config, wandb_run_name=time.strftime(f"time-to-loss-{config.preset}-%Y%m%d-%H%M%S")
        )
        self.trainer = Trainer.start(config, warn=lambda sentence: None)
        self.name, self.clock, self.curve, self.tokens = self.trainer.config.preset, 0.0, [], 0.0
        n = int(np.floor(MARKS_PER_DOUBLING * np.log2(max(1, seconds / FIRST_MARK))))
        self.marks = [*(FIRST_MARK * 2 ** (i / MARKS_PER_DOUBLING) for i in range(n)), seconds]

    @property
    def going(self):
        return bool(self.marks) and self.trainer.step < self.trainer.config.max_steps

    def turn(self):
        """Train until the next mark, but no longer than a turn; measure at the mark and at the end."""
        end = min(self.marks[0], self.clock + TURN)
        while self.clock < end and self.going:
            start = time.perf_counter()
            _, n_tokens = self.trainer.train_step()
            self.tokens += float(n_tokens)  # waits for the device, so the clock is true
            self.clock += time.perf_counter() - start
        if not self.going or self.clock >= self.marks[0]:
            while self.marks and self.clock >= self.marks[0]:
                self.marks.pop(0)
            loss = self.trainer.evaluate("test")[1]
            self.curve.append([self.clock, self.trainer.step, loss])
            print(
                f"{self.name:6} {self.clock:7.1f} s  step {self.trainer.step:6}  {loss:.4f} nats/offset",
                flush=True,
            )

    def seconds_to(self, loss):
        """Seconds at which the curve was first measured at `loss` or below, which is no sooner than it came there; None if never."""
        return next((seconds for seconds, _, measured in self.curve if measured <= loss), None)

    def summary(self):
        c, counts = self.trainer.config, self.trainer.loader.counts()
        return {
            "preset": self.name,
            "curve": self.curve,
            "tokens_per_second": self.tokens / self.clock,
            "weights": self.trainer.model.n_parameters,
            "batch_size": c.batch_size,
            **counts,
        }


def main():
    options, rest = _options(sys.argv[1:])
    seconds = 60 * float(options["minutes"])
    fast, slow = (Recipe(options[side], rest, seconds) for side in ("fast", "slow"))
    while fast.going or slow.going:
        for recipe in (fast, slow):
            if recipe.going:
                recipe.turn()
    device = (
        torch.cuda.get_device_name()
        if fast.trainer.config.device.startswith("cuda")
        else f"{torch.get_num_threads()} CPU threads"
    )
    print_table(fast, slow, device)
    with atomic_path(f"{options['out']}.json") as path:
        path.write_text(
            json.dumps({"device": device, "recipes": [fast.summary(), slow.summary()]}) + "\n"
        )
    draw(fast, slow, device, f"{options['out']}.png")
    for side, recipe in (("fast", fast), ("slow", slow)):
        draw_preview(recipe.trainer.model, recipe.trainer.loader, f"{options['out']}-{side}.png")
        print(f"checkpoint of {recipe.name}: {recipe.trainer.save('last.pt')}")


def _options(argv):
    options, rest = take_options(
        argv, {"fast": "auto", "slow": "paper", "minutes": "20", "out": "docs/time_to_loss"}
    )
    if not options["minutes"].replace(".", "", 1).isdigit() or float(options["minutes"]) <= 0:
        raise UserError(f"--minutes takes a number above 0, not {options['minutes']!r}")
    return options, rest


def print_table(fast, slow, device):
    print(
        f"\nOn {device}:\n\n| {slow.name}: nats per offset | seconds, {slow.name} | seconds, {fast.name} | ratio |\n| ---: | ---: | ---: | ---: |"
    )
    for seconds, _, loss in slow.curve:
        other = fast.seconds_to(loss)
        print(
            f"| {loss:.3f} | {seconds:.0f} | "
            + (f"{other:.1f} | {seconds / other:.1f} |" if other else "not reached | |")
        )
    for recipe in (fast, slow):
        s = recipe.summary()
        print(
            f"{recipe.name}: {recipe.curve[-1][2]:.3f} nats per offset after {recipe.clock:.0f} s, {s['tokens_per_second']:,.0f} tokens/s, "
            f"{s['real_share']:.1%} of the positions real, {s['cut_share']:.1%} of the examples cut"
        )


def draw(fast, slow, device, path):
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
