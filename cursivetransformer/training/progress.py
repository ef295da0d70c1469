"""How a long run is going, and when it is asked to stop. Does not depend on what is run."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch

# torchrun forwards a Ctrl-C that its processes have received already, within this many seconds.
SAME_REQUEST_SECONDS = 1.0


class Meter:
    """Mean loss and speed since it was made.

    It sums on the device, so that the loop need not wait for the device.
    """

    def __init__(self, device: str) -> None:
        # Apple's devices have no float64.
        dtype = torch.float64 if device != "mps" else torch.float32
        self.loss_sum, self.tokens = torch.zeros(2, dtype=dtype, device=device)
        self.steps = 0
        self.started = time.monotonic()

    def add(self, loss: torch.Tensor, tokens: torch.Tensor) -> None:
        """Count a step: its loss, and the number of tokens."""
        self.loss_sum += loss
        self.tokens += tokens
        self.steps += 1

    def loss(self) -> float:
        """Return the mean over the steps; waits for the device."""
        return float(self.loss_sum) / max(1, self.steps)

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def tokens_per_second(self) -> float:
        """Return the speed; waits for the device."""
        return float(self.tokens) / self.seconds()

    def line(self, step: int, max_steps: int) -> str:
        """Return a progress line."""
        left = (max_steps - step) * self.seconds() / self.steps
        hours, minutes, seconds = left // 3600, left % 3600 // 60, left % 60
        return (
            f"step {step}/{max_steps}  loss {self.loss():.3f}  "
            f"{self.tokens_per_second():,.0f} tokens/s  "
            f"{hours:.0f}:{minutes:02.0f}:{seconds:02.0f} left"
        )


@dataclass
class StopRequest:
    """The signal that asked to stop, 0 for none, and when it came."""

    signal: int = 0
    time: float = 0.0


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request to stop; a later one interrupts at once."""
    stop = StopRequest()

    def request(number: int, frame: FrameType | None) -> None:
        if stop.signal and time.monotonic() - stop.time > SAME_REQUEST_SECONDS:
            raise KeyboardInterrupt
        if not stop.signal:
            stop.signal, stop.time = number, time.monotonic()
            print("\nstopping after this step (once more to stop at once)", flush=True)

    try:
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, request) for number in handled}
    except ValueError:  # in another thread, as in some notebooks, Python allows no handlers
        before = {}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
