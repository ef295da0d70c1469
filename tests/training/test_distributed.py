"""Several processes that train one model."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.training.distributed import process_group
from cursivetransformer.utils.errors import UserError

ROOT = Path(__file__).parent.parent.parent
SMALL = dict(
    finetune="none",
    device="cpu",
    n_layer=2,
    n_embd=16,
    n_embd_context=16,
    n_head=2,
    n_ctx_head=2,
    batch_size=4,
    test_size=6,
    warmup_steps=2,
    print_every=5,
    log_every=10,
    wandb="off",
)
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
ALONE = [sys.executable]


def command(start, run_dir, **settings):
    return [
        *start,
        "train.py",
        *(
            word
            for name, value in {"run_dir": run_dir, **settings}.items()
            for word in (f"--{name}", str(value))
        ),
    ]


def run(start, run_dir, **settings):
    result = subprocess.run(
        command(start, run_dir, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def run_script(path):
    """Run a script in two processes."""
    return subprocess.run(
        [*TORCHRUN, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def losses(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: (row["train_loss"], row["test_loss"], row["batch_loss"]) for row in rows}


@pytest.mark.parametrize("model", ["offset", pytest.param("token", marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does_and_either_goes_on_from_the_other(
    made_up_bank, tmp_path, model
):
    settings = dict(SMALL, model=model, dataset_name=made_up_bank, max_steps=20)
    run(ALONE, tmp_path, wandb_run_name="one", **settings)
    told = run(TORCHRUN, tmp_path, wandb_run_name="two", **settings)
    assert told.count("run folder") == told.count("step 20:") == told.count("done:") == 1, (
        "one of them speaks"
    )
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        path.name for path in (tmp_path / "one").iterdir()
    }
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert list(one) == list(two) == [10, 20]
    for step in one:  # the sums are made in another order
        assert two[step] == pytest.approx(one[step], rel=1e-4)
    run(TORCHRUN, tmp_path, resume="one", max_steps=30)
    run(ALONE, tmp_path, resume="two", max_steps=30)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert list(one) == list(two) == [10, 20, 30] and two[30] == pytest.approx(one[30], rel=1e-3)


def start_endless(made_up_bank, run_dir):
    """Two processes in training, and their process ids once they have made some steps."""
    settings = dict(
        SMALL, dataset_name=made_up_bank, wandb_run_name="a", max_steps=10**6, log_every=10**6
    )
    job = subprocess.Popen(
        command(TORCHRUN, run_dir, **settings),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in job.stdout:
        if "the model learns (step " in line:
            break
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(job.pid)], capture_output=True, text=True
    )
    return job, [int(pid) for pid in found.stdout.split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux, to name the threads")
def test_no_thread_of_the_group_outlives_it(tmp_path):
    """A thread that frees a tensor while Python exits may, rarely, abort the process."""
    script = tmp_path / "a.py"
    script.write_text("""
from pathlib import Path
from types import SimpleNamespace
import torch
from cursivetransformer.training.distributed import process_group
def threads():
    return sorted(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
with process_group(SimpleNamespace(batch_size=2, device="cpu")) as (group, device):
    weight = torch.nn.Parameter(torch.ones(3))
    weight.sum().backward()
    group.all_reduce([weight.grad])
    torch.optim.AdamW([weight]).step()
    during = threads()
if group.first:
    print("during:", *during)
    print("after:", *threads())
""")
    told = run_script(script)
    assert told.returncode == 0, told.stderr
    during, after = told.stdout.splitlines()
    assert "gloo" in during and "gloo" not in after


needs_ps = pytest.mark.skipif(
    shutil.which("ps") is None, reason="needs ps, to find torchrun's processes"
)


@needs_ps
def test_a_process_that_dies_ends_the_job_with_a_message(made_up_bank, tmp_path):
    job, pids = start_endless(made_up_bank, tmp_path)
    os.kill(pids[-1], signal.SIGKILL)
    told = job.communicate(timeout=100)[0]
    assert job.returncode != 0
    assert "another process of this training ended" in told or "SIGKILL" in told, told
    assert "--resume" in told or "Signal 9" in told, told


@needs_ps
def test_ctrl_c_saves_once_and_stops_all(made_up_bank, tmp_path):
    job, pids = start_endless(made_up_bank, tmp_path)
    for pid in (job.pid, *pids):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    told = job.communicate(timeout=100)[0]
    assert job.returncode != 0 and told.count("stopped at step") == 1, told
    step = load_checkpoint(tmp_path / "a" / "last.pt").training["step"]
    assert f"stopped at step {step};" in told and step % 10 == 0


@needs_ps
def test_where_torchrun_is_killed_its_processes_save_and_end(made_up_bank, tmp_path):
    job, pids = start_endless(made_up_bank, tmp_path)
    job.kill()
    told = job.communicate(timeout=30)[0]  # ends when all have ended
    step = load_checkpoint(tmp_path / "a" / "last.pt").training["step"]
    assert f"stopped at step {step};" in told


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError"])
def test_a_process_that_waits_for_ever_ends_with_the_others(tmp_path, end):
    """As one does whose GPU waits for the part of a process that has ended."""
    script = tmp_path / "a.py"
    script.write_text(f"""
import os, signal, threading, time
from types import SimpleNamespace
from cursivetransformer.training import distributed
distributed.BEAT_SECONDS, distributed.DEAD_SECONDS, distributed.GRACE_SECONDS = 0.1, 1.0, 0.2
with distributed.process_group(SimpleNamespace(batch_size=2, device="cpu")) as (group, device):
    group.any(False)
    if group.rank == 1:
        time.sleep(0.3)
        {end}
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # what torchrun sends first
    threading.Event().wait()
""")
    told = run_script(script)
    assert told.returncode != 0
    assert "error: another process of this training ended" in told.stderr
    assert "process 1 has stopped" in told.stderr


def test_an_unequal_share_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match="--batch_size 8 does not divide by the 3 processes"):
        with process_group(get_all_args(use_argparse=False, device="cpu", batch_size=8)):
            pass


def test_one_process_alone_adds_nothing_up():
    with process_group(get_all_args(use_argparse=False, device="cpu")) as (group, device):
        x = torch.ones(3)
        group.all_reduce([x])
        assert (
            torch.equal(x, torch.ones(3))
            and group.first
            and device == "cpu"
            and group.broadcast(lambda: 5) == 5
        )
        assert group.any(True) and not group.any(0)
