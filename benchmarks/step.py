"""Show where the time of a training step goes: by part of the step, and by kind of operation.

    python -m benchmarks.step [settings of train.py]

The clock times the parts, and waits for the device after each. The times of kinds of operations
come from torch's profiler, and are those of the GPU if there is one.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from cursivetransformer.config.train import get_all_args
from cursivetransformer.training.run import new_run
from cursivetransformer.training.step import PLAIN
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import run_script

STEPS = 40
WARM_UP = 5  # steps
# Kinds of operations. The first with a part that occurs in an operation's name counts.
KINDS = {
    "matrix products": ("mm", "linear", "gemm", "conv"),
    "attention": ("attention", "flash", "fmha"),
    "norms and softmax": ("norm", "softmax", "nll"),
    "copies and filling": (
        "copy",
        "cat",
        "fill",
        "zero",
        "index",
        "gather",
        "scatter",
        "clone",
        "embedding",
    ),
}
OTHER_KIND = "element by element, and the rest"


class Clock:
    """Adds up the seconds of calls under names, and keeps those of each first one."""

    def __init__(self, on_gpu: bool) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.first: dict[str, float] = {}
        self.on_gpu = on_gpu

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that adds the time of each call to `name`."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            result = function(*args, **kwargs)
            seconds = self.now() - start
            self.seconds[name] += seconds
            self.first.setdefault(name, seconds)
            return result

        return timed

    def now(self) -> float:
        """Return the time in seconds, once the device is done."""
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()


def kind_of(name: str) -> str:
    """Return the kind of an operation, by its name in lower case."""
    for kind, parts in KINDS.items():
        if any(part in name for part in parts):
            return kind
    return OTHER_KIND


def print_fractions(times: Mapping[str, float], total: float) -> None:
    """Print the fraction of each part in the total, the largest first."""
    for name, spent in sorted(times.items(), key=lambda item: item[1], reverse=True):
        print(f"  {name:35} {spent / total:6.1%}")


def measure_speed(trainer: Trainer, clock: Clock) -> None:
    """Print the time of a step and the tokens a second."""
    start, tokens = clock.now(), 0.0
    for _ in range(STEPS):
        tokens += float(trainer.train_step()[1])
    seconds = clock.now() - start
    print(
        f"{1000 * seconds / STEPS:.1f} ms a step, {tokens / seconds:,.0f} tokens/s, "
        f"real positions {trainer.loader.counts()['real_share']:.1%}"
    )


def measure_kinds(trainer: Trainer, on_gpu: bool) -> None:
    """Print the fraction of time of each kind of operation."""
    activities = [ProfilerActivity.CPU]
    if on_gpu:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        for _ in range(STEPS // 4):
            trainer.train_step()
    times: defaultdict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        own_time = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        times[kind_of(event.key.lower())] += own_time
    print_fractions(times, sum(times.values()))


def measure_parts(trainer: Trainer, clock: Clock) -> None:
    """Print the fraction of time of each part of a step."""
    parts: list[tuple[str, Any, str]] = [
        ("making the batch", trainer.loader, "sample_batch"),
        ("forward", trainer.loss, "training_nll"),
        ("backward", torch.Tensor, "backward"),
    ]
    for optimizer in trainer.optimizers:
        parts.append((f"optimizer: {type(optimizer).__name__}", optimizer, "step"))
    with ExitStack() as stack:
        for part, owner, method in parts:
            timed = clock.wrap(part, getattr(owner, method))
            stack.enter_context(mock.patch.object(owner, method, timed))
        start = clock.now()
        for _ in range(STEPS):
            trainer.train_step()
        total = clock.now() - start
    clock.seconds["clipping and the rest"] = total - sum(clock.seconds.values())
    print_fractions(clock.seconds, total)


def main() -> None:
    trainer = new_run(get_all_args(argv=["--wandb", "off", *sys.argv[1:]]))
    for _ in range(WARM_UP):
        trainer.train_step()
    on_gpu = trainer.config.device.startswith("cuda")
    clock = Clock(on_gpu)
    measure_speed(trainer, clock)
    trainer.training_step.use([PLAIN])  # a captured step has no parts
    measure_kinds(trainer, on_gpu)
    measure_parts(trainer, clock)


if __name__ == "__main__":
    run_script(main)
