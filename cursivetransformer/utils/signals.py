"""SIGINT (Ctrl-C) and SIGTERM: they interrupt a work at once, or where it can be saved."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

# torchrun forwards a Ctrl-C that its processes have received already, within this many seconds.
SAME_REQUEST_SECONDS = 1.0
PARENT = os.getppid()  # the process that started this one; it may be gone when torch is imported

Handler = Callable[[int, FrameType | None], None]


@dataclass
class StopRequest:
    """The signal that asked to stop, 0 for none, and when it came."""

    signal: int = 0
    time: float = 0.0

    def accept(self, number: int) -> bool:
        """Note a signal; return whether it is another one than the last."""
        before, self.time = self.time, time.monotonic()
        is_new = not self.signal or self.time - before > SAME_REQUEST_SECONDS
        self.signal = self.signal or number
        return is_new


class Stopped(KeyboardInterrupt):
    """A signal has stopped the work; its number is the argument."""


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM, like SIGINT, raise `Stopped` wherever the program is.

    C code and the import of modules may turn it into an error of theirs, as may the end of another
    process that was stopped too: whatever ends the block after a signal is raised as `Stopped`.
    """
    stop = StopRequest()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.accept(number):
            if sys.stdout.isatty():
                _print_from_handler("")  # ends a line of progress
            raise Stopped(number)

    with _handlers(interrupt):
        try:
            yield
        except Exception as error:
            if stop.signal:
                raise Stopped(stop.signal) from error
            raise


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request to stop; a later one interrupts at once."""
    stop = StopRequest()

    def request(number: int, frame: FrameType | None) -> None:
        is_first = not stop.signal
        if not stop.accept(number):
            return
        if not is_first:
            raise Stopped(number)
        _print_from_handler("\nstopping after this step (once more to stop at once)")

    with _handlers(request):
        yield stop


def default_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once, without a word."""
    with suppress(ValueError):  # in another thread Python allows no handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)


def _print_from_handler(sentence: str) -> None:
    # The signal may have come within another print, where Python allows none.
    with suppress(RuntimeError, OSError):
        print(sentence, flush=True)


@contextmanager
def _handlers(handler: Handler) -> Iterator[None]:
    """Handle SIGINT and SIGTERM."""
    before: dict[int, Any] = {}
    try:
        for handled in (signal.SIGINT, signal.SIGTERM):
            before[handled] = signal.signal(handled, handler)
    except ValueError:  # in another thread, as in some notebooks, Python allows no handlers
        pass
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
