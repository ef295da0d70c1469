"""How a long run is going, and when it is asked to stop. Knows nothing of what is run."""

import signal
import time
from contextlib import contextmanager

import torch

SAME_WISH = 1.0  # seconds: torchrun passes on a Ctrl-C that its processes have heard already


class Meter:
    """Loss and speed since it was made; adds up on the device, so that the loop need not wait for it."""

    def __init__(self, device):
        self.sum, self.tokens = torch.zeros(
            2, dtype=torch.float64 if device != "mps" else torch.float32, device=device
        )
        self.steps = 0
        self.started = time.monotonic()

    def add(self, loss, tokens):
        self.sum += loss
        self.tokens += tokens
        self.steps += 1

    def loss(self):
        """Mean over the steps; waits for the device."""
        return float(self.sum) / max(1, self.steps)

    def seconds(self):
        return time.monotonic() - self.started

    def tokens_per_second(self):
        return float(self.tokens) / self.seconds()

    def line(self, step, max_steps):
        left = (max_steps - step) * self.seconds() / self.steps
        return (
            f"step {step}/{max_steps}  loss {self.loss():.3f}  {self.tokens_per_second():,.0f} tokens/s  "
            f"{left // 3600:.0f}:{left % 3600 // 60:02.0f}:{left % 60:02.0f} left"
        )


class _Stop:
    signal, asked = 0, 0.0


@contextmanager
def stop_signals():
    """Turn the first SIGINT or SIGTERM into a wish to stop, `stop.signal`; a later one interrupts at once."""
    stop = _Stop()

    def ask(number, frame):
        if stop.signal and time.monotonic() - stop.asked > SAME_WISH:
            raise KeyboardInterrupt
        if not stop.signal:
            stop.signal, stop.asked = number, time.monotonic()
            print("\nstopping after this step (once more to stop at once)", flush=True)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, as in some notebooks: the signals are somebody else's
        before = {}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
