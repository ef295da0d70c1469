"""A run that was saved in format 4 is continued."""

import math
import shutil

import pytest
import torch

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.training import run as runs
from cursivetransformer.training.run import resume_run, train
from tests.models.test_format_4 import FORMAT_4


@pytest.fixture
def config(made_up_bank, tmp_path, monkeypatch) -> Config:
    """Settings that continue a copy of the run to step 8; its samples are not drawn."""
    monkeypatch.setattr(runs, "draw_samples", lambda model, loader, path: path.write_bytes(b""))
    (tmp_path / "runs" / "a").mkdir(parents=True)
    shutil.copyfile(FORMAT_4, tmp_path / "runs" / "a" / "last.pt")
    return get_all_args(
        use_argparse=False,
        device="cpu",
        run_dir=str(tmp_path / "runs"),
        dataset_name=str(made_up_bank),
        resume="a",
        max_steps=8,
    )


def test_the_bank_of_the_run_is_that_of_the_tests(config):
    _, digest = load_banks(config.dataset_name, False, print)
    assert digest == load_checkpoint(FORMAT_4).bank_digest


def test_the_states_of_the_optimizers_are_restored(config, tmp_path):
    saved = load_checkpoint(FORMAT_4)
    trainer = resume_run(tmp_path / "runs" / "a" / "last.pt", config)
    assert trainer.step == 6
    for optimizer, stored in zip(trainer.optimizers, saved.training["optimizers"], strict=True):
        state = optimizer.state_dict()["state"]
        assert state.keys() == stored["state"].keys()
        for index, tensors in stored["state"].items():
            for name, value in tensors.items():
                assert torch.equal(state[index][name], value)


def test_the_run_trains_on(config, tmp_path):
    before = load_checkpoint(FORMAT_4)
    train(config)
    after = load_checkpoint(tmp_path / "runs" / "a" / "last.pt")
    assert after.training["step"] == 8 and math.isfinite(after.training["best_loss"])
    assert after.training["best_loss"] < before.training["best_loss"]
    assert (after.config.max_steps, after.config.synthetic_interval) == (8, 250)
    weights = before.model.state_dict()
    changed = [n for n, w in after.model.state_dict().items() if not torch.equal(w, weights[n])]
    assert {name.partition(".")[0] for name in changed} >= {"slot_heads", "trajectory_encoder"}
