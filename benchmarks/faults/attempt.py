"""Run an action in a process of its own, and judge how it ended.

The process is a fork of this one, which has imported everything, so that it starts in milliseconds.
This one must not train: a fork of a process that did would hang.
"""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cursivetransformer.utils.errors import run_script

MAX_SECONDS, MAX_BYTES = 20.0, 2 << 30
MAX_SENTENCE = 600  # characters of an error
OUTPUT = "output.txt"  # of an attempt, in its folder

Action = Callable[[], object]


@dataclass
class Outcome:
    """How an attempt ended.

    code: exit code, negative for a signal; seconds: that it took; mib: memory that it took beside
    that of the program; output: what it printed; fault: why it did not hold, or "".
    """

    code: int
    seconds: float
    mib: float
    output: str
    fault: str = ""

    @property
    def sentence(self) -> str:
        """The last line that was printed."""
        return (self.output.strip().splitlines() or [""])[-1]


def start(action: Action, folder: Path) -> int:
    """Start an action as a command runs it; return the number of its process.

    folder: the working directory, which also gets `OUTPUT`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # Only against the end of the machine; what an action takes is measured.
        limit = 8 * MAX_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        code = _exit_code(action)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _exit_code(action: Action) -> int:
    try:
        run_script(action)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def wait(pid: int, folder: Path, since: float, seconds: float = MAX_SECONDS) -> Outcome:
    """Wait for a started action, and kill it after so many seconds."""
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - since > seconds:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.002)
    took = time.monotonic() - since
    mib = max(0.0, usage.ru_maxrss / 1024 - own_mib())
    path = folder / OUTPUT
    output = path.read_text(errors="replace") if path.is_file() else ""
    outcome = Outcome(os.waitstatus_to_exitcode(status), took, mib, output)
    outcome.fault = judge(outcome, seconds)
    return outcome


def attempt(action: Action, folder: Path, seconds: float = MAX_SECONDS) -> Outcome:
    """Run an action to its end."""
    since = time.monotonic()
    return wait(start(action, folder), folder, since, seconds)


def judge(outcome: Outcome, seconds: float = MAX_SECONDS) -> str:
    """Return why an outcome is not that of a program that held, or ""."""
    if outcome.seconds > seconds:
        return f"hung for {outcome.seconds:.0f} s"
    if "Traceback" in outcome.output:
        return f"traceback: {outcome.sentence[:200]}"
    if outcome.code < 0:
        return f"killed by signal {-outcome.code}"
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code}"
    if outcome.code == 2 and not outcome.sentence.startswith("error: "):
        return f"no sentence: {outcome.sentence[:200]}"
    if outcome.code == 2 and len(outcome.sentence) > MAX_SENTENCE:
        return f"a sentence of {len(outcome.sentence)} characters"
    if outcome.mib > MAX_BYTES >> 20:
        return f"took {outcome.mib:.0f} MiB"
    return ""


def own_mib() -> float:
    """Return the memory that this process, and so each fork at its start, takes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)
