"""Try what goes wrong, and print how much of it was tried and held.

    python -m benchmarks.faults [--minutes 10] [--cases 0] [--only NAMES] [--seed 0] [--keep DIR]

Held is what ends within 20 seconds and 2 GiB, with the work done or with one sentence, without a
traceback, with nothing lost, and without running code from a file. The minutes are divided among
the parts that have no end; `--cases` ends each of these after so many cases instead. `--only` takes
names of the table, joined by commas. `--keep` takes the files of cases that did not hold. A case
depends on its number and the seed alone. Needs Linux; a part that needs more says so.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from benchmarks.faults.parts import PARTS, SLOW, Case, Skipped, Trial


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts; return the number of cases that did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(argv)
    names = options.only.split(",")
    torch.set_num_threads(1)
    os.environ["WANDB_MODE"] = "offline"
    end = time.monotonic() + 60 * options.minutes
    print("| part | tried | held | longest | most memory | first that did not hold |")
    print("| --- | --- | --- | --- | --- | --- |")
    n_faults = 0
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), options.seed)
        # Those that end by themselves come first, and leave the rest of the time to the others.
        names.sort(key=lambda name: name not in SLOW)
        for position, name in enumerate(names):
            share = (end - time.monotonic()) / (len(names) - position)
            cases = PARTS[name](trial)
            if name not in SLOW and options.cases:
                cases = islice(cases, options.cases)
            elif name not in SLOW:
                cases = _until(cases, time.monotonic() + share)
            n_faults += _try(name, cases, options.keep)
    return n_faults


def _until(cases: Iterator[Case], end: float) -> Iterator[Case]:
    for case in cases:
        yield case
        if time.monotonic() > end:
            return


def _try(name: str, cases: Iterator[Case], keep: Path | None) -> int:
    """Run the cases of a part, and print its row; return how many did not hold."""
    tried = n_faults = 0
    seconds = mib = 0.0
    first = ""
    try:
        for case in cases:
            tried += 1
            seconds, mib = max(seconds, case.outcome.seconds), max(mib, case.outcome.mib)
            if not case.outcome.fault:
                continue
            n_faults += 1
            print(f"{case.name}: {case.outcome.fault}", file=sys.stderr)
            first = first or f"{case.name}: {case.outcome.fault}"
            if keep and case.file and case.file.is_file():
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(case.file, keep / f"{case.name}{case.file.suffix}")
    except Skipped as reason:
        first = f"not tried: {reason}"
    held = tried - n_faults
    print(
        f"| {name} | {tried:,} | {held:,} | {seconds:.1f} s | {mib:.0f} MiB | {first} |", flush=True
    )
    return n_faults


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
