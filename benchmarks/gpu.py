"""All figures of a card in one call of nine minutes, as a table.

    python -m benchmarks.gpu [--out gpu.json] [--before FOLDER] [--device cuda]

Every stage runs in a process of its own with a limit of its own, so that one that hangs or fails
costs no other its figures. `--before` names a checkout of an earlier commit, whose whole default
run is timed too. On another device it shows that the stages work.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.options import take_options
from benchmarks.sampling import TEXT
from benchmarks.step import Clock
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.models.checkpoint import SHIPPED, load_checkpoint
from cursivetransformer.sampling.generate import generate_words
from cursivetransformer.training.run import new_run
from cursivetransformer.training.step import COMPILED, COMPILED_GRAPH, GRAPH, PLAIN, TrainingStep
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import UserError, run_script
from cursivetransformer.utils.io import atomic_path

TOTAL_SECONDS = 540
TIMED_STEPS = 200
Figures = dict[str, Any]


def config_for(device: str, *settings: str) -> Config:
    folder = tempfile.mkdtemp()
    given = ["--device", device, "--preset", "gpu", "--wandb", "off", "--run_dir", folder]
    return get_all_args(argv=[*given, *settings])


def clock_of(device: str) -> Clock:
    return Clock(device.startswith("cuda"))


def describe_card(device: str) -> Figures:
    """Name the card and what drives it."""
    if not device.startswith("cuda"):
        return {"card": device, "torch": torch.__version__}
    properties = torch.cuda.get_device_properties(device)
    return {
        "card": properties.name,
        "compute capability": f"{properties.major}.{properties.minor}",
        "memory, GiB": round(properties.total_memory / 2**30),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
    }


def run_tests(device: str) -> Figures:
    """Run the tests that need a card."""
    command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "tests/test_cuda.py"]
    figures: Figures = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        for line in job.stdout:
            sys.stderr.write(line)
            for outcome in ("PASSED", "FAILED", "SKIPPED", "ERROR"):
                if f" {outcome}" in line:
                    name = line.split("::")[-1].split()[0]
                    figures[f"test {name}"] = outcome.lower()
                    print(json.dumps(figures), flush=True)  # what is known if the limit comes
    return figures


def time_steps(device: str, *settings: str) -> Figures:
    """Time a step in every way, and how long it takes to get ready for it."""
    figures: Figures = {}
    clock = clock_of(device)
    ways = [GRAPH, PLAIN, COMPILED_GRAPH, COMPILED] if clock.on_gpu else [PLAIN, COMPILED]
    name = " ".join(settings) or "--batch_size 64 --n_embd 96"
    for way in ways:
        trainer = new_run(config_for(device, *settings), lambda sentence: None)
        start = clock.now()
        trainer.training_step.use([way, PLAIN])
        trainer.train_step()
        ready = clock.now() - start
        if trainer.training_step.ways[0] != way:
            figures[f"{name}: {way.name}"] = "failed"
            continue
        start, n = clock.now(), 0
        while n < TIMED_STEPS and time.perf_counter() - start < 20:
            trainer.train_step()
            n += 1
        figures[f"{name}: {way.name}, ms a step"] = round(1000 * (clock.now() - start) / n, 3)
        figures[f"{name}: {way.name}, seconds until the first step"] = round(ready, 2)
        print(json.dumps(figures), flush=True)  # what is known if the limit comes
    return figures


def time_run(device: str, *settings: str) -> Figures:
    """Time the parts of a whole default run."""
    clock = clock_of(device)
    start = clock.now()
    trainer = new_run(config_for(device, *settings), lambda sentence: None)
    figures = {"default run: start, s": round(clock.now() - start, 2)}
    parts: list[tuple[Any, str, str]] = [
        (TrainingStep, "use", "capturing and compiling"),
        (Trainer, "evaluate", "evaluations"),
        (Trainer, "save", "checkpoints"),
        (DataLoader, "set_mixture", "fresh words"),
        (trainer.callbacks, "draw_samples", "previews"),
    ]
    if trainer.callbacks.reading_error is not None:
        parts.append((trainer.callbacks, "reading_error", "reading words back"))
    for owner, method, name in parts:
        setattr(owner, method, clock.wrap(name, getattr(owner, method)))
    start = clock.now()
    trainer.run()
    total = clock.now() - start
    for name, seconds in clock.seconds.items():
        figures[f"default run: {name}, s"] = round(seconds, 2)
        figures[f"default run: the first of these, s ({name})"] = round(clock.first[name], 2)
    figures["default run: training and the rest, s"] = round(total - sum(clock.seconds.values()), 2)
    rows = (trainer.folder / "metrics.jsonl").read_text().splitlines()
    last = json.loads(rows[-1])
    figures["default run: steps"] = last["step"]
    figures["default run: held-out nats per offset"] = round(last["test_nats_per_offset"], 3)
    if "reading_error" in last:
        figures["default run: characters misread"] = round(last["reading_error"], 4)
    return figures


def time_whole_run(folder: str, device: str, *settings: str) -> Figures:
    """Time `train.py` of a checkout from the outside."""
    with tempfile.TemporaryDirectory() as out:
        given = ["--device", device, "--preset", "gpu", "--wandb", "off", "--run_dir", out]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "train.py", *given, *settings],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - start
        rows = next(Path(out).glob("*/metrics.jsonl")).read_text().splitlines()
    trained = json.loads(rows[-1])["seconds"]
    name = f"train.py of {Path(folder).resolve().name}"
    return {f"{name}: all, s": round(seconds, 1), f"{name}: training, s": round(trained, 1)}


def time_decoding(device: str) -> Figures:
    """Time the writing of few and of many words, on the device and on the CPU."""
    figures = {}
    checkpoint = load_checkpoint(SHIPPED)
    for place in dict.fromkeys((device, "cpu")):
        clock = clock_of(place)
        model = checkpoint.model.eval().to(place)
        for n_words in (9, 120, 600):
            words = (TEXT.split() * (1 + n_words // len(TEXT.split())))[:n_words]
            times = []
            for seed in range(3):
                start = clock.now()
                written = generate_words(model, checkpoint.tokenizer, words, seed=seed)
                times.append(clock.now() - start)
            n_tokens = sum(2 * len(word.points) for word in written)
            name = f"writing {n_words} words on {place}"
            figures[f"{name}, s"] = round(float(np.median(times)), 2)
            figures[f"{name}, tokens a second"] = round(n_tokens / float(np.median(times)))
    return figures


def stop_and_resume(device: str, *settings: str) -> Figures:
    """Stop a run by SIGTERM, and time that and how long going on takes."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "train.py", "--device", device, "--run_dir", out]
        first = [*command, "--preset", "gpu", "--wandb", "off", "--wandb_run_name", "a"]
        job = subprocess.Popen(
            [*first, "--max_steps", "100000", "--log_every", "100000", *settings],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert job.stdout is not None
        for line in job.stdout:
            if "the model learns (step " in line:
                break
        start = time.perf_counter()
        job.send_signal(signal.SIGTERM)
        job.communicate()
        stopped = time.perf_counter() - start
        step = load_checkpoint(Path(out) / "a" / "last.pt").training["step"]
        again = [*command, "--resume", "a", "--max_steps", str(step + 5)]
        start = time.perf_counter()
        subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
        resumed = time.perf_counter() - start
    return {
        "SIGTERM until all is saved, s": round(stopped, 2),
        "exit code after SIGTERM": job.returncode,
        "resuming, 5 steps and an evaluation, s": round(resumed, 2),
    }


STAGES: dict[str, Callable[..., Figures]] = {
    "card": describe_card,
    "tests": run_tests,
    "steps": time_steps,
    "run": time_run,
    "decoding": time_decoding,
    "stop": stop_and_resume,
    "before": time_whole_run,
}


def plan(before: str, device: str, settings: list[str]) -> list[tuple[int, list[str]]]:
    """Return the stages in the order of their worth, each with its limit in seconds."""
    stages = [
        (20, ["card", device]),
        (130, ["tests", device]),
        (90, ["run", device, *settings]),
        (60, ["steps", device, *settings]),
        (60, ["decoding", device]),
        (45, ["stop", device, *settings]),
    ]
    if before:
        stages += [(150, ["before", before, device, *settings])]
    for shape in (["--batch_size", "256"], ["--n_embd", "192", "--n_head", "6"]):
        stages.append((60, ["steps", device, *settings, *shape]))
    return stages


def run_stage(arguments: list[str], limit: float) -> Figures:
    """Run a stage in its own process; return its figures, or why there are none."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--stage", *arguments]
    name = " ".join(arguments)
    # A session of its own, whose processes all end with the limit.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as job:
        try:
            printed, errors = job.communicate(timeout=limit)
            failure = f"exit code {job.returncode}" if job.returncode else ""
        except subprocess.TimeoutExpired:
            os.killpg(job.pid, signal.SIGKILL)
            printed, errors = job.communicate()
            failure = f"not done in {limit:.0f} s"
    sys.stderr.write(errors[-6000:])
    figures: Figures = {}
    for line in printed.splitlines():
        if line.startswith("{"):
            figures.update(json.loads(line))
    if failure:
        figures[f"stage {name}"] = failure
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--stage"]:
        name, *arguments = sys.argv[2:]
        print(json.dumps(STAGES[name](*arguments)), flush=True)
        return
    defaults = {"out": "gpu.json", "before": "", "device": "cuda", "seconds": str(TOTAL_SECONDS)}
    options, settings = take_options(sys.argv[1:], defaults)
    device = options["device"]
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("torch sees no NVIDIA card here; --device cpu shows that the stages work")
    end = time.monotonic() + float(options["seconds"])
    figures: Figures = {}
    for limit, arguments in plan(options["before"], device, settings):
        seconds = min(limit, end - time.monotonic())
        if seconds < 5:
            figures[f"stage {' '.join(arguments)}"] = "no time was left"
            continue
        print(f"{' '.join(arguments)} ...", flush=True)
        figures.update(run_stage(arguments, seconds))
        with atomic_path(options["out"]) as path:
            path.write_text(json.dumps(figures, indent=1) + "\n")
    print("\n| figure | value |\n| --- | ---: |")
    for name, value in figures.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    run_script(main)
