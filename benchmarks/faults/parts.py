"""The parts of the trial: each yields cases, a description and how it ended."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Not used here, but slow to import for each fork that needs them.
import torch._dynamo

import cursivetransformer.evaluation.report
import cursivetransformer.training.run  # noqa: F401
from benchmarks.faults import mutants
from benchmarks.faults.attempt import OUTPUT, Action, Outcome, attempt, start, wait
from cursivetransformer import cli
from cursivetransformer.bank.file import load_bank, read_entries, write_entries
from cursivetransformer.config.args import Settings, setting_fields
from cursivetransformer.config.sample import EvaluationSettings, SampleConfig
from cursivetransformer.config.synthesis import SynthSettings, WordbankSettings
from cursivetransformer.config.train import Config, RecognizerTrainingConfig
from cursivetransformer.models.checkpoint import SHIPPED, STARTED
from cursivetransformer.recognition.recognizer import SELECTION, load_recognizer
from cursivetransformer.recognition.recognizer import SHIPPED as RECOGNIZERS
from cursivetransformer.utils.io import shipped

ROOT = Path(__file__).parents[2]
N_WORDS, STEPS = 60, 6  # of the bank and the training that are tried
SMALL = [
    *("--n_layer", "2", "--n_embd", "16", "--n_embd_context", "16", "--n_head", "2"),
    *("--n_ctx_head", "2", "--batch_size", "2", "--test_size", "4", "--read_words", "0"),
    *("--log_every", "3", "--print_every", "1", "--wandb", "off", "--device", "cpu"),
    *("--finetune", "none", "--max_steps", str(STEPS)),
]
GONE_SECONDS = 30.0  # in which processes end whose parent was killed
VARYING = ("seconds", "tokens_per_second")  # metrics that no two runs share


@dataclass
class Case:
    """One thing that was tried.

    name: what was tried; outcome: how it ended; file: that it was about.
    """

    name: str
    outcome: Outcome
    file: Path | None = None


class Trial:
    """What the parts share: a folder, a bank, a finished small run, and random numbers.

    Args:
        folder: for all files.
        seed: of the random numbers.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.bank = folder / "words.json"
        entries = read_entries(shipped("starter.json.zip"))
        write_entries(self.bank, entries[:N_WORDS])
        # Imports in this process what forks would each import; it does not train.
        page = ["--checkpoint", "base", "--recognizer_dir", "none", "--respell", "1"]
        with contextlib.redirect_stdout(io.StringIO()):
            cli.write(["hi", *page, "--out", str(folder / "hi.png")])
        self.run = self.train_to_end("good")

    def rng(self, part: str, number: int) -> np.random.Generator:
        """Return the random numbers of a case, which depend on nothing else."""
        return np.random.default_rng([self.seed, *part.encode(), number])

    def new_folder(self, name: str) -> Path:
        """Return an empty folder; what had its name is gone."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def training(self, name: str, *more: str, run_dir: str = "runs") -> Action:
        """Return what trains a run of that name in the working directory."""
        words = ["--dataset_name", str(self.bank), "--run_dir", run_dir, *SMALL]
        if name:
            words += ["--wandb_run_name", name]
        return lambda: cli.train([*words, *more])

    def train_to_end(self, name: str) -> Path:
        """Train a run; return its folder."""
        folder = self.new_folder(name)
        outcome = attempt(self.training("run"), folder, 120)
        if outcome.fault or outcome.code:
            raise SystemExit(f"no run to try things on: {outcome.output}")
        return folder / "runs" / "run"


# Files


def files(trial: Trial, kind: str) -> Iterator[Case]:
    """Try changed files of a kind, without end: a bank, a checkpoint and so on."""
    good, action = _FILES[kind](trial)
    data = good.read_bytes()
    is_json = good.suffix == ".json"
    content: Any = json.loads(data) if is_json else torch.load(good, weights_only=True)
    folder = trial.new_folder(kind)
    unchanged = attempt(lambda: action(Path(shutil.copy(good, folder))), folder)
    if unchanged.fault or unchanged.code:
        raise SystemExit(f"a good {kind} does not work: {unchanged.sentence}")
    number = 0
    while True:
        folder = trial.new_folder(kind)
        path = folder / good.name
        rng = trial.rng(kind, number)
        damaged = False
        if is_json:
            changed = mutants.bank_mutant(rng, data, content)
        else:
            changed, damaged = mutants.tensor_mutant(rng, data, content, folder)
        if kind == "bank" and rng.random() < 0.2:
            path = path.with_suffix(".json.zip")
            changed = mutants.zip_container(rng, "words.json", changed)
        path.write_bytes(changed)
        outcome = attempt(lambda path=path: action(path), folder)
        outcome.fault = outcome.fault or _believed(folder)
        if damaged and not outcome.fault and not outcome.code:
            outcome.fault = _differs(changed, content)
        yield Case(f"{kind} {number}", outcome, path)
        number += 1


def strange(trial: Trial) -> Iterator[Case]:
    """Try what is no file at all in the place of each kind of file."""
    for kind, make in _FILES.items():
        good, action = make(trial)
        folder = trial.new_folder("strange")
        for path in mutants.strange_files(folder, good.suffix):
            place = folder / path.stem / good.name
            place.parent.mkdir(exist_ok=True)
            if path.exists() or path.is_symlink():
                path.rename(place)
            outcome = attempt(lambda action=action, place=place: action(place), folder)
            yield Case(f"{kind} {path.name}", outcome)


def _believed(folder: Path) -> str:
    """Return what a hostile file achieved though no error was told, or ""."""
    if (folder / mutants.MARKER).exists():
        return "its code was run"
    page = folder / "page.svg"
    if page.is_file() and "nan" in page.read_text():
        return "it wrote ink that is not finite"
    return ""


def _differs(changed: bytes, content: Any) -> str:
    """Return what is wrong if the weights of a damaged file that was used are others, or ""."""
    weights = torch.load(io.BytesIO(changed), weights_only=True)["weights"]
    good = content["weights"]
    same = weights.keys() == good.keys() and all(
        torch.equal(weights[name], good[name]) for name in good
    )
    return "" if same else "damaged weights were used"


def _bank_files(trial: Trial) -> tuple[Path, Callable[[Path], object]]:
    def use(path: Path) -> None:
        load_bank(path)
        cli.bank(["merge", "merged.json.zip", str(path)])
        cli.bank(["check", str(path)])

    return trial.bank, use


def _checkpoint_files(trial: Trial) -> tuple[Path, Callable[[Path], object]]:
    def use(path: Path) -> None:
        cli.export([str(path), "exported.pt"])
        model = ["--checkpoint", "exported.pt", "--respell", "1", "--recognizer_dir", "none"]
        cli.write(["hi", *model, "--out", "page.svg"])

    return SHIPPED, use


def _resumed_files(trial: Trial) -> tuple[Path, Callable[[Path], object]]:
    def use(path: Path) -> None:
        cli.train(["--resume", str(path), "--max_steps", str(STEPS + 1), "--wandb", "off"])

    return trial.run / "last.pt", use


def _recognizer_files(trial: Trial) -> tuple[Path, Callable[[Path], object]]:
    words = load_bank(trial.bank)[:3]

    def use(path: Path) -> None:
        recognizer = load_recognizer(path)
        recognizer.examine([word.points for word in words], [word.text for word in words])

    return RECOGNIZERS / "starter" / f"{SELECTION}.pt", use


def _settings_files(trial: Trial) -> tuple[Path, Callable[[Path], object]]:
    def use(path: Path) -> None:
        cli.train(["--resume", str(path.parent), "--max_steps", "1", "--wandb", "off"])

    return trial.run / STARTED, use


_FILES: dict[str, Callable[[Trial], tuple[Path, Callable[[Path], object]]]] = {
    "bank": _bank_files,
    "checkpoint": _checkpoint_files,
    "resumed checkpoint": _resumed_files,
    "recognizer": _recognizer_files,
    "settings": _settings_files,
}


# Kills


def kills(trial: Trial) -> Iterator[Case]:
    """Kill a training at a random moment or inside a write, resume it, compare it, without end."""
    since = time.monotonic()
    whole = _result(trial.train_to_end("whole"))
    seconds = time.monotonic() - since
    number = 0
    while True:
        rng = trial.rng("kills", number)
        folder = trial.new_folder("killed")
        run = folder / "runs" / "run"
        pid = start(trial.training("run"), folder)
        inside = rng.random() < 0.5
        _sleep_until(
            rng.uniform(0, 1.1 * seconds),
            lambda run=run, inside=inside: inside and any(run.glob(".*.part*")),
        )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        resumable = any((run / name).exists() for name in (STARTED, "last.pt"))
        is_done = (run / "last.pt").exists() and _steps(run) == STEPS
        more = ["--resume", str(run)] if resumable else []
        outcome = Outcome(0, 0, 0, "")
        if not is_done:
            outcome = attempt(trial.training("" if resumable else "run", *more), folder, 60)
        if not outcome.fault and outcome.code:
            outcome.fault = f"could not go on: {outcome.sentence[:200]}"
        if not outcome.fault and _result(run) != whole:
            outcome.fault = "the end differs from that of a run that was never killed"
        # A run that was killed after its last checkpoint is not opened again.
        if not outcome.fault and not is_done and list(run.glob(".*.part*")):
            outcome.fault = "half a file stayed"
        yield Case(f"kill {number}", outcome)
        number += 1


def _steps(run: Path) -> int:
    return int(torch.load(run / "last.pt", weights_only=True)["training"]["step"])


def _result(run: Path) -> tuple[Any, ...]:
    """Return what must not depend on interruptions: all weights and metrics of a run."""
    results: list[Any] = []
    for name in ("last.pt", "best.pt"):
        content = torch.load(run / name, weights_only=True)
        results += [weight.numpy().tobytes() for weight in content["weights"].values()]
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        results.append({key: value for key, value in row.items() if key not in VARYING})
    return tuple(map(repr, results))


def _sleep_until(seconds: float, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.0005)


# Full disks


def disks(trial: Trial) -> Iterator[Case]:
    """Fill a small disk at various moments of various works."""
    disk = trial.new_folder("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        raise Skipped("needs the right to mount a tmpfs")
    try:
        yield from _fill(trial, disk)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(trial: Trial, disk: Path) -> Iterator[Case]:
    out = ["--respell", "1", "--recognizer_dir", "none", "--checkpoint", "base", "--out"]
    endings = ("svg", "png", "pdf", "gif", "gcode", "json", "animated.svg")
    works: dict[str, Action] = {
        "training": trial.training("run", run_dir=str(disk)),
        "export": lambda: cli.export([str(trial.run / "last.pt"), str(disk / "a.pt")]),
        "synth": lambda: cli.synth(["--words", "40", "--out", str(disk / "a.json.zip")]),
        "merge": lambda: cli.bank(["merge", str(disk / "b.json"), str(trial.bank)]),
        **{
            f"write {e}": lambda e=e: cli.write(["hi " * 20, *out, str(disk / f"a.{e}")])
            for e in endings
        },
    }
    for name, work in works.items():
        for free in (0, 4, 40, 160, 480, 700, 900):  # KiB
            for path in disk.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            folder = trial.new_folder("works")
            left = shutil.disk_usage(disk).free - (free << 10)
            (disk / "filler").write_bytes(bytes(left))
            outcome = attempt(work, folder, 60)
            told = "full" in outcome.sentence or "No space" in outcome.sentence
            if not outcome.fault and outcome.code and not (str(disk) in outcome.sentence and told):
                outcome.fault = f"does not say which disk is full: {outcome.sentence[:200]}"
            if not outcome.fault and list(disk.rglob(".*.part*")):
                outcome.fault = "half a file stayed"
            if not outcome.fault and name == "training" and outcome.code:
                outcome.fault = _goes_on(trial, disk, folder)
            yield Case(f"{name}, {free} KiB", outcome)


def _goes_on(trial: Trial, disk: Path, folder: Path) -> str:
    """Resume a run whose disk has room again; return what went wrong, or ""."""
    (disk / "filler").unlink()
    run = disk / "run"
    resumable = any((run / name).exists() for name in (STARTED, "last.pt"))
    if resumable and (run / "last.pt").exists() and _steps(run) == STEPS:
        return ""
    more = ["--resume", str(run)] if resumable else []
    work = trial.training("" if resumable else "run", *more, run_dir=str(disk))
    outcome = attempt(work, folder, 60)
    return outcome.fault or (outcome.code and f"cannot go on: {outcome.sentence[:200]}") or ""


# Two of everything


def twins(trial: Trial) -> Iterator[Case]:
    """Start two trainings at once, with one name and without."""
    for name in ("run", "", "resumed"):
        folder = trial.new_folder("twins")
        more: list[str] = []
        if name == "resumed":
            shutil.copytree(trial.run, folder / "runs" / "run")
            more = ["--resume", "run", "--max_steps", str(STEPS + 4)]
        places = [folder / "a", folder / "b"]
        pids = []
        since = time.monotonic()
        for place in places:
            place.mkdir()
            action = trial.training("" if more else name, *more, run_dir=str(folder / "runs"))
            pids.append(start(action, place))
        ends = [wait(pid, place, since, 60) for pid, place in zip(pids, places)]
        outcome = max(ends, key=lambda end: (bool(end.fault), end.code))
        codes = sorted(end.code for end in ends)
        runs = list((folder / "runs").glob("*/last.pt"))
        good = codes == [0, 0] and len(runs) == 2 if not name else codes == [0, 2]
        if not outcome.fault and not good:
            outcome.fault = f"both ended with {codes} and {len(runs)} runs"
        yield Case(name or "default names", outcome)


# Processes


def processes(trial: Trial) -> Iterator[Case]:
    """Kill one of several processes that belong together; the others must end too."""
    for victim in ("worker", "agent", "trainer with synthetic words"):
        folder = trial.new_folder("processes")
        many = victim != "trainer with synthetic words"
        launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2"] if many else []
        command = [sys.executable, *launcher, str(ROOT / "train.py")]
        words = ["--dataset_name", str(trial.bank), *SMALL, "--wandb_run_name", "run"]
        words += ["--max_steps", "1000000", "--log_every", "20"]
        words += [] if many else ["--synthetic_words", "30", "--synthetic_interval", "5"]
        with open(folder / OUTPUT, "w") as output:
            agent = subprocess.Popen(
                [*command, *words], cwd=folder, stdout=output, stderr=output, start_new_session=True
            )
        last = folder / "runs" / "run" / "last.pt"
        _sleep_until(120, last.exists)
        group = _session(agent.pid)
        workers = [pid for pid in group if pid != agent.pid]
        os.kill(workers[0] if victim == "worker" else agent.pid, signal.SIGKILL)
        killed = time.monotonic()
        _sleep_until(GONE_SECONDS, lambda agent=agent: agent.poll() is not None)
        left = group
        while left and time.monotonic() - killed < GONE_SECONDS:
            agent.poll()
            left = [pid for pid in left if _is_running(pid)]
            time.sleep(0.1)
        took = time.monotonic() - killed
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        fault = f"{len(left)} processes lived on" if left or not workers else ""
        if not fault and not last.exists():
            fault = "nothing was saved"
        if not fault:
            done = str(_steps(last.parent) + 2)
            more = ["--resume", str(last.parent), "--max_steps", done, "--wandb", "off"]
            end = attempt(lambda more=more: cli.train(more), folder, 60)
            fault = end.fault or (f"cannot go on: {end.sentence[:200]}" if end.code else "")
        yield Case(f"{victim} killed", Outcome(0, took, 0, "", fault))


def _session(leader: int) -> list[int]:
    """Return the processes that were started by a process, directly or not, and itself."""
    group = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ProcessLookupError):
            pid = int(path.name)
            if leader in (pid, *_ancestors(pid)):
                group.append(pid)
    return group


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Flags

ABSURD = (
    *("nan", "inf", "-inf", "-1", "0", "1e9", "2e9", str(2**64), "1e308", "", " ", "9" * 5000),
    *("x" * 300, "a\0b", "\udc80", "\x1b[31m", "-", ",", "1,", "/dev/full", "/dev/zero", "/", "é"),
)


def flags(trial: Trial) -> Iterator[Case]:
    """Give absurd values to every setting of every command, without end."""
    model = ["--checkpoint", "base", "--recognizer_dir", "none"]
    page = [*model, "--respell", "1", "--out", "page.svg"]
    evaluation = ["--checkpoint", str(trial.run / "last.pt"), "--max_words", "1", "--best_of", "1"]
    recognizers = ["--dataset_name", str(trial.bank), "--max_steps", "1", "--out", "r"]
    commands: list[tuple[type[Settings], Callable[[list[str]], object], list[str]]] = [
        (Config, cli.train, ["--dataset_name", str(trial.bank), *SMALL, "--max_steps", "1"]),
        (RecognizerTrainingConfig, cli.train_recognizer, [*recognizers, "--batch_size", "2"]),
        (SampleConfig, cli.write, ["hi", *page]),
        (EvaluationSettings, cli.evaluate, evaluation),
        (WordbankSettings, cli.bank_prompts, ["--size", "20", "--out", "p.txt"]),
        (SynthSettings, cli.synth, ["--words", "3", "--writers", "2", "--out", "s.json"]),
    ]
    cases = [
        (run, base, field.name, value)
        for settings, run, base in commands
        for field in setting_fields(settings)
        for value in ABSURD
    ]
    order = trial.rng("flags", 0).permutation(len(cases))
    for index in order:
        run, base, name, value = cases[index]
        folder = trial.new_folder("flags")
        words = [*base, f"--{name}={value}"]
        outcome = attempt(lambda run=run, words=words: run(words), folder)
        shown = value if len(value) < 20 else f"{value[:10]}..."
        yield Case(f"{run.__name__} --{name}={shown!r}", outcome)


class Skipped(Exception):
    """A part cannot be tried here; the message says why."""


PARTS: dict[str, Callable[[Trial], Iterator[Case]]] = {
    **{kind: lambda trial, kind=kind: files(trial, kind) for kind in _FILES},
    "strange files": strange,
    "kills": kills,
    "full disks": disks,
    "two at once": twins,
    "processes": processes,
    "flags": flags,
}
SLOW = ("processes", "full disks", "two at once", "strange files")  # end by themselves
