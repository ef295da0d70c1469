"""Compare fixed numbers of CPU threads with the one that training chooses by itself.

    python -m benchmarks.threads [--busy 1] [--seconds 30] [--rounds 2] [settings of train.py]

`--busy` processes keep a core busy each, as another program would. Every number of threads trains
in a process of its own, in turn.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.options import take_options
from cursivetransformer.config.train import get_all_args
from cursivetransformer.training.run import new_run
from cursivetransformer.training.threads import ThreadTuner
from cursivetransformer.utils.errors import run_script

WARM_UP = 3  # steps


def measure(n_threads: int, seconds: float, settings: list[str]) -> float:
    """Return the tokens a second of training with a number of threads, 0 for the chosen one."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["--device", "cpu", "--wandb", "off", "--read_words", "0", "--run_dir", folder]
        trainer = new_run(get_all_args(argv=[*given, *settings]), lambda sentence: None)
        for _ in range(WARM_UP):
            trainer.train_step()
        start, n_tokens = time.monotonic(), 0.0
        with ThreadTuner(n_threads) as threads:
            while time.monotonic() - start < seconds:
                step_tokens = float(trainer.train_step()[1])
                threads.note(step_tokens)
                n_tokens += step_tokens
        return n_tokens / (time.monotonic() - start)


def _keep_busy() -> None:
    while True:
        pass


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    """Keep `n` cores busy."""
    processes = [multiprocessing.Process(target=_keep_busy, daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def main() -> None:
    defaults = {"busy": "1", "seconds": "30", "rounds": "2", "measure": ""}
    options, settings = take_options(sys.argv[1:], defaults)
    seconds = float(options["seconds"])
    if options["measure"]:
        print(json.dumps(measure(int(options["measure"]), seconds, settings)))
        return
    n_cores = os.cpu_count() or 1
    speeds: dict[int, list[float]] = {n: [] for n in (*range(1, n_cores + 1), 0)}
    command = [sys.executable, "-m", "benchmarks.threads", "--seconds", options["seconds"]]
    with busy_processes(int(options["busy"])):
        for _ in range(int(options["rounds"])):  # in turn, so that the machine's load affects all
            for n in speeds:
                result = subprocess.run(
                    [*command, "--measure", str(n), *settings],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                speeds[n].append(json.loads(result.stdout.splitlines()[-1]))
    best = max(statistics.mean(rates) for n, rates in speeds.items() if n)
    print(
        f"{n_cores} cores, {options['busy']} kept busy by others\n\n"
        "| threads | tokens a second | of the best fixed number |\n| --- | ---: | ---: |"
    )
    for n, rates in speeds.items():
        mean = statistics.mean(rates)
        print(f"| {n or 'chosen'} | {mean:,.0f} | {mean / best:.0%} |")


if __name__ == "__main__":
    run_script(main)
