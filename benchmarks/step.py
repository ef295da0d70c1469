"""Where the time of a training step goes: by part of the step, and by kind of operation.

    python -m benchmarks.step [settings of train.py]

The parts are timed by the clock, waiting for the device after each; the kinds are torch's profiler's own times of operations, of
the device where there is one.
"""

import sys
import time
from collections import Counter

import torch
from torch.profiler import ProfilerActivity, profile

from cursivetransformer.config.train import get_all_args
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import run_script

STEPS, WARM_UP = 40, 5
KINDS = {  # by the first name that an operation's contains
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


class Clock:
    """Adds up the seconds of calls under names."""

    def __init__(self, device):
        self.seconds, self.device = Counter(), device

    def wrap(self, name, function):
        def timed(*inputs, **options):
            start = self.now()
            result = function(*inputs, **options)
            self.seconds[name] += self.now() - start
            return result

        return timed

    def now(self):
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()


def kind_of(name):
    return next(
        (kind for kind, parts in KINDS.items() if any(part in name for part in parts)),
        "element by element, and the rest",
    )


def main():
    trainer = Trainer.start(get_all_args(argv=["--wandb", "off", *sys.argv[1:]]))
    for _ in range(WARM_UP):
        trainer.train_step()
    clock = Clock(trainer.config.device)
    start, tokens = clock.now(), 0.0
    for _ in range(STEPS):
        tokens += float(trainer.train_step()[1])
    seconds = clock.now() - start
    print(
        f"{1000 * seconds / STEPS:.1f} ms a step, {tokens / seconds:,.0f} tokens/s, real positions {trainer.loader.counts()['real_share']:.1%}"
    )

    kinds = Counter()
    with profile(
        activities=[
            ProfilerActivity.CPU,
            *([ProfilerActivity.CUDA] if clock.device.startswith("cuda") else []),
        ]
    ) as profiler:
        for _ in range(STEPS // 4):
            trainer.train_step()
    for event in profiler.key_averages():
        own = (
            event.self_device_time_total
            if clock.device.startswith("cuda")
            else event.self_cpu_time_total
        )
        kinds[kind_of(event.key.lower())] += own
    for kind, own in kinds.most_common():
        print(f"  {kind:35} {own / sum(kinds.values()):6.1%}")

    trainer.loader.train_batch = clock.wrap("making the batch", trainer.loader.train_batch)
    trainer.nll.training_nll = clock.wrap("forward", trainer.nll.training_nll)
    for optimizer in trainer.optimizers:
        optimizer.step = clock.wrap(f"optimizer: {type(optimizer).__name__}", optimizer.step)
    backward = torch.Tensor.backward
    torch.Tensor.backward = clock.wrap("backward", backward)
    try:
        start = clock.now()
        for _ in range(STEPS):
            trainer.train_step()
        total = clock.now() - start
    finally:
        torch.Tensor.backward = backward
    clock.seconds["clipping and the rest"] = total - sum(clock.seconds.values())
    for name, seconds in clock.seconds.most_common():
        print(f"  {name:35} {seconds / total:6.1%}")


if __name__ == "__main__":
    run_script(main)
