"""How a long run is going, and which random numbers come next.

Does not depend on what is run.
"""

import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

LINE_SECONDS = 10.0  # between two lines of progress where the output is no terminal
NEARLY_ALL = 0.95  # of the letters misread; scribble can have more errors than letters


class Meter:
    """Mean loss and speed since it was made.

    It sums on the device, so that the loop need not wait for the device.

    Args:
        device: of the losses.
        loss_sum: sum over steps that were made before.
        steps: number of these.
    """

    def __init__(self, device: str, loss_sum: float = 0.0, steps: int = 0) -> None:
        # Apple's devices have no float64.
        dtype = torch.float64 if device != "mps" else torch.float32
        self.loss_sum, self.tokens = torch.tensor([loss_sum, 0], dtype=dtype, device=device)
        self.steps = steps
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


class Console:
    """Prints sentences, and one line of progress that is replaced on a terminal.

    Args:
        say: takes the sentences.
        shown: whether to print progress at all.
    """

    def __init__(self, say: Callable[[str], object] | None = None, shown: bool = True) -> None:
        self._say = say or _print_now
        self._shown = shown
        self._line_open = False
        self._last_line = -math.inf

    def say(self, sentence: str) -> None:
        """Print a sentence below the progress."""
        self.close()
        self._say(sentence)

    def progress(self, line: str) -> None:
        """Print progress: in place on a terminal, else as a line, but not too often."""
        if not self._shown:
            return
        if sys.stdout.isatty():
            # A line that wraps could not be replaced.
            line = line[: shutil.get_terminal_size().columns - 1]
            print("\r\033[K" + line, end="", flush=True)
            self._line_open = True
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            print(line, flush=True)

    def close(self) -> None:
        """End the line of progress."""
        if self._line_open:
            print()
            self._line_open = False


def _print_now(sentence: str) -> None:
    print(sentence, flush=True)


@dataclass
class Stage:
    """A part of a long work.

    Attributes:
        name: what is done, for people.
        total: number of its steps.
        cost: expected seconds of a step, which count until some are timed.
        done: steps done.
        timed: how many of them were timed here, and not before an interruption.
        seconds: that these took.
    """

    name: str
    total: int
    cost: float
    done: int = 0
    timed: int = 0
    seconds: float = 0.0


class Progress:
    """How much of a work is done and how long the rest takes: one estimate for all its stages.

    Args:
        stages: all parts of the work, in any order.
        console: where progress is shown.
    """

    def __init__(self, stages: Sequence[Stage], console: Console | None = None) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.console = console or Console()
        self._clock = time.monotonic()

    def begin(self, name: str, done: int = 0) -> None:
        """Begin a stage of which `done` steps were done before."""
        self.stages[name].done = done
        self._clock = time.monotonic()

    def reach(self, name: str, done: int) -> None:
        """Note that `done` steps of a stage are done; the time since the last note was theirs."""
        stage, now = self.stages[name], time.monotonic()
        stage.timed += done - stage.done
        stage.seconds += now - self._clock
        stage.done, self._clock = done, now

    def finish(self, name: str) -> None:
        """Note that a stage is done."""
        self.reach(name, self.stages[name].total)

    def show(self, name: str, numbers: str, note: str = "") -> None:
        """Show progress.

        Args:
            name: the stage that is going on.
            numbers: what stands behind it, in brackets.
            note: what else a person should know.
        """
        note = f", {note}" if note else ""
        self.console.progress(
            f"{math.floor(100 * self.fraction())}% done, "
            f"{format_seconds(self.seconds_left())} left{note}: {name} ({numbers})"
        )

    def fraction(self) -> float:
        """Return the fraction of the whole work that is done."""
        seconds = [(stage, self._step_seconds(stage)) for stage in self.stages.values()]
        total = sum(stage.total * step for stage, step in seconds)
        return sum(stage.done * step for stage, step in seconds) / total if total else 1.0

    def seconds_left(self) -> float:
        """Return how long the rest of all stages takes."""
        return sum(
            (stage.total - stage.done) * self._step_seconds(stage) for stage in self.stages.values()
        )

    def _step_seconds(self, stage: Stage) -> float:
        """Return the seconds of a step: as timed, or as expected on a machine this fast."""
        if stage.timed:
            return stage.seconds / stage.timed
        expected = sum(other.timed * other.cost for other in self.stages.values())
        spent = sum(other.seconds for other in self.stages.values() if other.timed)
        return stage.cost * (spent / expected if expected else 1.0)


def format_seconds(seconds: float) -> str:
    """Return a time as people say it: "less than a minute", "4 min", "1 h 20 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_misread(error: float) -> str:
    """Return a character error rate as people say it: "12 of 100 letters"."""
    return "nearly all letters" if error >= NEARLY_ALL else f"{100 * error:.2g} of 100 letters"


def random_states() -> dict[str, Any]:
    """Return the states of torch's global random number generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"random_state": torch.get_rng_state(), "cuda_random_states": cuda}


def restore_random_states(states: dict[str, Any]) -> None:
    """Continue with the random numbers that follow `random_states`."""
    torch.set_rng_state(states["random_state"].cpu())
    cuda = states["cuda_random_states"]
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in cuda])
