"""The training loop."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.training import run as runs
from cursivetransformer.training.run import new_run, resume_start, train
from cursivetransformer.utils.errors import UserError

ROOT = Path(__file__).parent.parent.parent
SMALL = dict(
    finetune="none",
    device="cpu",
    n_layer=1,
    n_embd=16,
    n_embd_context=16,
    n_head=2,
    n_ctx_head=2,
    batch_size=4,
    test_size=6,
    num_words=1,
    warmup_steps=2,
    print_every=2,
    log_every=4,
    wandb="off",
)

TIMES = {"seconds", "tokens_per_second"}  # differ between equal runs


@pytest.fixture
def small(made_up_bank, tmp_path, monkeypatch):
    """Settings of a tiny run; for speed no samples are drawn unless a test restores that."""
    monkeypatch.setattr(runs, "draw_samples", lambda model, loader, path: path.write_bytes(b""))

    def settings(**changes):
        return get_all_args(
            use_argparse=False,
            **{
                **SMALL,
                "dataset_name": str(made_up_bank),
                "run_dir": str(tmp_path / "runs"),
                "wandb_run_name": "a",
                **changes,
            },
        )

    return settings


def metrics(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: {k: v for k, v in row.items() if k not in TIMES} for row in rows}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("model", ["offset", "token"])
def test_a_resumed_run_has_the_metrics_of_an_uninterrupted_one(
    small, tmp_path, monkeypatch, capsys, optimizer, model
):
    kind = dict(optimizer=optimizer, model=model)
    train(small(max_steps=12, wandb_run_name="whole", **kind))
    resumed = get_all_args(
        use_argparse=False, device="cpu", resume="parts", run_dir=str(tmp_path / "runs")
    )
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(runs.Mixture, "start", lambda self: os.kill(os.getpid(), signal.SIGTERM))
        train(small(max_steps=12, wandb_run_name="parts", **kind))
    assert ended.value.code == 128 + signal.SIGTERM
    assert f"continue with: python train.py --resume {tmp_path}" in capsys.readouterr().out
    # Stopped between two evaluations, as a signal would, with the schedule of the whole run.
    run_until(resume_start(tmp_path / "runs" / "parts" / "settings.json", resumed), 6)
    train(resumed)
    whole, parts = (tmp_path / "runs" / name for name in ("whole", "parts"))
    expected, got = metrics(whole), metrics(parts)
    assert list(got) == list(expected) == [4, 8, 12]
    for step in (4, 8, 12):
        assert got[step] == expected[step]
    a, b = (load_checkpoint(folder / "last.pt") for folder in (whole, parts))
    assert all(
        torch.equal(x, y)
        for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values())
    )


def run_until(trainer, step):
    """Run a trainer and ask it to stop, as Ctrl-C does, after `step` steps."""
    one_step = trainer.train_step

    def counted():
        result = one_step()
        if trainer.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    trainer.train_step = counted
    with pytest.raises(SystemExit) as ended:
        trainer.run()
    assert ended.value.code == 128 + signal.SIGINT and trainer.step == step


@pytest.mark.parametrize(
    "kind", [dict(model="offset"), dict(model="token", num_words=2, min_words=2)]
)
def test_training_learns_and_writes_all_its_files(made_up_bank, tmp_path, kind):
    config = get_all_args(
        use_argparse=False,
        **{**SMALL, "log_every": 30, **kind},
        dataset_name=str(made_up_bank),
        run_dir=str(tmp_path),
        wandb_run_name="a",
        max_steps=60,
        learning_rate=1e-2,
    )
    best = train(config)
    assert best == tmp_path / "a" / "best.pt"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "best.pt",
        "last.pt",
        "metrics.jsonl",
        "settings.json",
        "samples-000030.png",
        "samples-000060.png",
    }
    losses = [row["test_loss"] for row in metrics(tmp_path / "a").values()]
    assert losses[1] < losses[0] < 6.2, "below the loss of guessing, ln 523 = 6.26"


@pytest.mark.parametrize("monitor_start, kept", [(0.0, 1), (0.5, 3), (0.6, 3), (1.0, 4)])
def test_the_best_is_the_newest_model_until_models_compete(small, monitor_start, kept):
    run = new_run(
        small(max_steps=4, log_every=1, monitor_start=monitor_start), lambda sentence: None
    )
    losses = {"train": [1.0] * 4, "test": [1.0, 5.0, 3.0, 4.0]}
    run.evaluate = lambda split: (losses[split][run.step - 1], 1.0)
    best = load_checkpoint(run.run()).training
    assert (
        best["step"] == best["best_step"] == kept and best["best_loss"] == losses["test"][kept - 1]
    )


def test_training_goes_on_where_compiling_fails(small, monkeypatch):
    def broken(function, **options):
        def raises(*inputs):
            raise RuntimeError("no compiler\nand more")

        return raises

    monkeypatch.setattr(torch, "compile", broken)
    told = []
    new_run(small(max_steps=4, compile="on", wandb_run_name="on"), told.append).run()
    train(small(max_steps=4, wandb_run_name="off"), lambda sentence: None)
    assert sum("torch.compile failed (no compiler)" in sentence for sentence in told) == 1
    folders = [Path(small().run_dir) / name for name in ("on", "off")]
    assert metrics(folders[0])[4]["test_loss"] == pytest.approx(
        metrics(folders[1])[4]["test_loss"], rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["offset", "token"])
def test_a_compiled_run_has_the_losses_of_an_uncompiled_one(small, model):
    told = []
    for name in ("on", "off"):
        train(small(max_steps=8, compile=name, wandb_run_name=name, model=model), told.append)
    on, off = (metrics(Path(small().run_dir) / name) for name in ("on", "off"))
    assert not any("failed" in sentence for sentence in told)
    for step in off:
        assert on[step]["test_loss"] == pytest.approx(off[step]["test_loss"], rel=1e-3)


def test_a_loss_that_is_no_number_stops_and_names_the_last_good_checkpoint(small):
    trainer = new_run(small(max_steps=20))
    one_step = trainer.train_step

    def diverging():
        if trainer.step == 5:
            with torch.no_grad():
                trainer.model.head.weight.fill_(float("nan"))
        return one_step()

    trainer.train_step = diverging
    with pytest.raises(UserError, match="diverged; the last good checkpoint is .*last.pt"):
        trainer.run()
    saved = load_checkpoint(trainer.folder / "last.pt")
    assert saved.training["step"] == 4 and all(
        torch.isfinite(w).all() for w in saved.model.state_dict().values()
    )


def test_a_resumed_run_refuses_what_would_make_it_another(small, tmp_path):
    run_dir = str(tmp_path / "runs")
    train(small(max_steps=4))

    def resume(**changes):
        train(
            get_all_args(
                use_argparse=False, device="cpu", run_dir=run_dir, **{"resume": "a", **changes}
            )
        )

    with pytest.raises(UserError, match="--n_layer 2 is not what"):
        resume(n_layer=2, max_steps=8)
    with pytest.raises(UserError, match="trained for its 4 steps already"):
        resume()
    with pytest.raises(UserError, match="no run or checkpoint 'b'"):
        resume(resume="b")
    with pytest.raises(UserError, match="holds a run already"):
        train(small(max_steps=4))
    bank = tmp_path / "loops.json"
    entries = json.loads(bank.read_text())
    bank.write_text(json.dumps(entries[1:]))
    with pytest.raises(UserError, match="is not the one that"):
        resume(max_steps=8)
    bank.write_text(json.dumps(entries[:1]))
    with pytest.raises(UserError, match="at least 2"):
        train(small(wandb_run_name="few"))


def test_a_run_goes_on_past_its_first_goal_and_from_a_file(small, tmp_path):
    train(small(max_steps=4))
    path = str(tmp_path / "runs" / "a" / "last.pt")
    train(get_all_args(use_argparse=False, device="cpu", local_checkpoint_path=path, max_steps=8))
    assert list(metrics(tmp_path / "runs" / "a")) == [4, 8]


def test_memory_does_not_grow_with_steps(small):
    trainer = new_run(small(max_steps=10**6, batch_size=64))

    def steps(n):
        for _ in range(n):
            trainer.train_step()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = steps(60)
    assert (
        steps(240) - before < 15_000
    )  # kilobytes; 240 batches alone are more, and their activations many times that


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_stop_and_the_run_goes_on(made_up_bank, tmp_path, number):
    settings = [
        word
        for name, value in {
            **SMALL,
            "log_every": 100_000,
            "dataset_name": made_up_bank,
            "run_dir": tmp_path,
            "wandb_run_name": "a",
            "max_steps": 100_000,
        }.items()
        for word in (f"--{name}", str(value))
    ]
    process = subprocess.Popen(
        [sys.executable, "train.py", *settings],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if "the model learns (step " in line:
            break
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(60) == 128 + number, rest
    step = int(re.search(r"stopped at step (\d+)", rest).group(1))
    assert load_checkpoint(tmp_path / "a" / "last.pt").training["step"] == step
    command = [
        sys.executable,
        "train.py",
        "--device",
        "cpu",
        "--resume",
        str(tmp_path / "a"),
        "--max_steps",
        str(step + 3),
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (
        result.returncode == 0
        and f"continuing {tmp_path / 'a' / 'last.pt'} at step {step}" in result.stdout
    )


def test_a_user_s_mistake_is_one_sentence_and_exit_code_2(tmp_path):
    for arguments, sentence in (
        (["--max_stepz", "3"], "did you mean"),
        (["--dataset_name", "none.json"], "no file none.json"),
    ):
        result = subprocess.run(
            [sys.executable, "train.py", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert (
            result.returncode == 2
            and result.stderr.startswith("error: ")
            and sentence in result.stderr
        )
        assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
