"""Files of format 4, which had other names for settings, weights and recognizers, still load."""

import dataclasses
from pathlib import Path

import pytest
import torch

from cursivetransformer.config.train import Config
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.models.checkpoint import (
    SHIPPED,
    Checkpoint,
    find_run,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from cursivetransformer.models.loss import BatchLoss, estimate_loss
from cursivetransformer.recognition.features import FeatureGrid
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    Recognizer,
    RecognizerConfig,
    load_recognizer,
    recognizer_from_state,
    recognizer_state,
)
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import shipped

FORMAT_4 = Path(__file__).with_name("format-4.pt")


@pytest.fixture
def content() -> dict:
    """What the file of format 4 holds."""
    return torch.load(FORMAT_4, weights_only=True)


@pytest.fixture
def checkpoint() -> Checkpoint:
    return load_checkpoint(FORMAT_4)


def test_its_settings_have_the_present_names(content, checkpoint):
    config = checkpoint.config
    assert (config.synthetic_interval, config.cooldown_fraction) == (250, 0.4)
    assert (config.recognizer_dir, config.read_words, config.log_every) == ("readers", 0, 3)
    renamed = {
        "test_share": "test_fraction",
        "init": "finetune",
        "own_share": "own_fraction",
        "splice_share": "splice_fraction",
        "pen_words": "synthetic_words",
        "pen_every": "synthetic_interval",
        "pen_named": "synthetic_named_fraction",
        "pen_faces": "synthetic_fonts",
        "cooldown_share": "cooldown_fraction",
        "reader_dir": "recognizer_dir",
        "best_by": "monitor",
        "best_from": "monitor_start",
    }
    assert renamed.keys() <= content["config"].keys()
    names = {setting.name for setting in dataclasses.fields(Config)}
    for name, value in content["config"].items():
        present = renamed.get(name, name)
        assert present in names and getattr(config, present) == value, name


def test_every_weight_finds_its_place(content, checkpoint):
    weights = checkpoint.model.state_dict()
    assert len(weights) == len(content["weights"])
    renamed = {"reader.": "trajectory_encoder.", "later.": "slot_heads."}
    for name, weight in content["weights"].items():
        for before, after in renamed.items():
            if name.startswith(before):
                name = after + name.removeprefix(before)
        assert torch.equal(weights[name], weight), name
    for before, after in renamed.items():
        assert any(name.startswith(before) for name in content["weights"])
        assert any(name.startswith(after) for name in weights)
        assert not any(name.startswith(before) for name in weights)


def test_the_parameters_keep_their_order(content, checkpoint):
    """The states of the optimizers are stored by the index of a parameter."""
    shapes = [tuple(weight.shape) for weight in content["weights"].values()]
    assert [tuple(p.shape) for p in checkpoint.model.parameters()] == shapes


def test_the_loss_on_the_held_out_words_is_the_stored_one(checkpoint, made_up_words):
    config, model = checkpoint.config, checkpoint.model
    loader = DataLoader(
        made_up_words,
        checkpoint.tokenizer,
        config,
        authors=model.config.authors,
    )
    nll = BatchLoss(model.eval(), config)
    per_token, _ = estimate_loss(nll, loader.evaluation("test"))
    assert per_token == pytest.approx(checkpoint.training["best_loss"], rel=1e-4)


def test_it_is_written_in_the_present_format(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    written = torch.load(tmp_path / "a.pt", weights_only=True)
    assert written["format"] == 5 and "reader" not in written
    again = load_checkpoint(tmp_path / "a.pt")
    assert again.config == checkpoint.config
    before, after = checkpoint.model.state_dict(), again.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_file_of_that_format_without_its_parts_is_refused_in_one_sentence(content, tmp_path):
    for damaged in ({"format": 4}, {**content, "model_config": 1}, {**content, "weights": []}):
        torch.save(damaged, tmp_path / "a.pt")
        with pytest.raises(UserError) as caught:
            load_checkpoint(tmp_path / "a.pt")
        assert "a.pt" in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_of_that_format_is_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "last.pt").write_bytes(FORMAT_4.read_bytes())
    assert find_run("a", tmp_path) == newest_checkpoint(tmp_path) == tmp_path / "a" / "last.pt"


def test_a_recognizer_of_that_format_comes_along(content, tmp_path):
    frame = FeatureGrid(0.013, 0.013, -0.3).as_dict()
    torch.manual_seed(0)
    recognizer = Recognizer(RecognizerConfig(" ab", frame, "digest", 7, 0.2))
    state = recognizer_state(recognizer)
    # The names of that version.
    state["config"]["test_share"] = state["config"].pop("test_fraction")
    state["config"]["half"] = "choosing"
    state["config"]["recipe"] = {"max_steps": 9, "pen_words": 30, "own_share": 0.6}
    torch.save({**content, "reader": state, "origin": {"base": "x"}}, tmp_path / "a.pt")
    checkpoint = load_checkpoint(tmp_path / "a.pt")
    assert checkpoint.origin == {"base": "x"} and checkpoint.recognizer is not None
    loaded = recognizer_from_state(checkpoint.recognizer)
    assert (loaded.config.half, loaded.config.test_fraction) == (SELECTION, 0.2)
    assert loaded.config.recipe == {"max_steps": 9, "synthetic_words": 30, "own_fraction": 0.6}
    weights = recognizer.net.state_dict()
    for name, weight in loaded.net.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-3)


def test_the_shipped_model_loads():
    content, checkpoint = torch.load(SHIPPED, weights_only=True), load_checkpoint(SHIPPED)
    assert checkpoint.model.config.authors and checkpoint.config.cooldown_fraction == 0.9
    assert torch.equal(
        checkpoint.model.slot_heads[0].head.weight, content["weights"]["later.0.head.weight"]
    )


@pytest.mark.parametrize("half", [SELECTION, EVALUATION])
def test_the_shipped_recognizers_load(half):
    recognizer = load_recognizer(shipped("recognizers") / "starter" / f"{half}.pt")
    assert (recognizer.config.half, recognizer.config.test_fraction) == (half, 0.1)
    assert recognizer.config.recipe["synthetic_words"] == 30_000
