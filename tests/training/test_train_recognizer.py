"""Training a pair of recognizers, with an interruption."""

import os
import signal

import pytest
import torch

from cursivetransformer.config.train import get_recognizer_args
from cursivetransformer.recognition.recognizer import load_recognizer
from cursivetransformer.training import train_recognizer as training
from cursivetransformer.training.train_recognizer import train_recognizers


def test_the_same_command_goes_on_where_it_was_stopped(made_up_bank, tmp_path, monkeypatch):
    def command(name, say=lambda sentence: None):
        settings = dict(dataset_name=str(made_up_bank), max_steps=10, batch_size=2, device="cpu")
        config = get_recognizer_args(use_argparse=False, **settings, out=str(tmp_path / name))
        return train_recognizers(config, say)

    one_loss, n_losses, told = training.ctc_loss, [], []

    def ctc_loss(*args):
        n_losses.append(1)
        if len(n_losses) == 15:  # the fifth of the second recognizer, whose eighth is its last then
            os.kill(os.getpid(), signal.SIGTERM)
        return one_loss(*args)

    whole = command("whole")
    monkeypatch.setattr(training, "ctc_loss", ctc_loss)
    with pytest.raises(SystemExit) as stopped:
        command("parts", told.append)
    assert stopped.value.code == 128 + signal.SIGTERM and len(n_losses) == 18
    assert told[-1] == "stopped; the same command goes on from here"
    parts = command("parts")
    assert len(n_losses) == 20
    assert {path.name for path in parts.iterdir()} == {"selection.pt", "evaluation.pt"}
    for path in parts.iterdir():
        a, b = (load_recognizer(file).net.state_dict() for file in (path, whole / path.name))
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_unfinished_training_with_other_settings_is_not_gone_on_with(
    made_up_bank, tmp_path, monkeypatch
):
    settings = dict(dataset_name=str(made_up_bank), max_steps=4, batch_size=2, device="cpu")
    settings["out"] = str(tmp_path)
    (tmp_path / "selection-training.pt").write_bytes(b"damaged")
    config = get_recognizer_args(use_argparse=False, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(training, "measure_recognizer", lambda *_: 1 / 0)  # crashes when trained
        with pytest.raises(ZeroDivisionError):
            train_recognizers(config, lambda sentence: None)
    n_steps, one_loss = [], training.ctc_loss
    monkeypatch.setattr(training, "ctc_loss", lambda *args: (n_steps.append(1), one_loss(*args))[1])
    for changes, expected in (({"seed": 1}, 8), ({"seed": 1}, 0), ({"learning_rate": 1e-3}, 8)):
        n_steps.clear()
        config = get_recognizer_args(use_argparse=False, **settings, **changes)
        train_recognizers(config, lambda sentence: None)
        assert len(n_steps) == expected, changes
