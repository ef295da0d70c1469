"""Checkpoints are written whole, read safely, and found by name, folder and age."""

import dataclasses
import os
import pickle

import pytest
import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.models import checkpoint as checkpoints
from cursivetransformer.models.checkpoint import (
    Checkpoint,
    export,
    find_checkpoint,
    find_run,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from cursivetransformer.models.factory import make_model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.utils.errors import UserError


def small_checkpoint(**changes) -> Checkpoint:
    """A checkpoint of a tiny model with random weights."""
    tokenizer = make_tokenizer("polar", "abc")
    config = get_all_args(
        use_argparse=False,
        device="cpu",
        n_layer=2,
        n_embd=16,
        n_embd_context=16,
        n_head=2,
        n_ctx_head=2,
        wandb_api_key="sesame",
        **changes,
    )
    model = make_model(ModelConfig.from_settings(config, tokenizer, 0.2, 16, ["Ada"]), tokenizer)
    with torch.no_grad():  # zeros would hide mistakes
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return Checkpoint(model, tokenizer, config, {"step": 5}, "digest")


@pytest.mark.parametrize("kind", ["offset", "token"])
def test_all_comes_back_from_one_file(tmp_path, kind):
    before = small_checkpoint(max_steps=77, model=kind)
    save_checkpoint(tmp_path / "a.pt", before)
    after = load_checkpoint(tmp_path / "a.pt")
    prompt = torch.tensor([[before.tokenizer.word_id, before.tokenizer.pad_id], [5, 300]])
    text = torch.tensor([[2, 3]])
    assert torch.equal(before.model.prefill(prompt, text)[1], after.model.prefill(prompt, text)[1])
    assert after.tokenizer.state() == before.tokenizer.state()
    assert after.config == dataclasses.replace(before.config, wandb_api_key="")
    assert after.training == {"step": 5}
    assert (after.bank_digest, after.version) == ("digest", before.version)


def test_secrets_are_not_in_the_file(tmp_path):
    save_checkpoint(tmp_path / "a.pt", small_checkpoint())
    assert b"sesame" not in (tmp_path / "a.pt").read_bytes()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("exploded",)


def test_loading_runs_no_code_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "weights": Bomb()}, "bomb.pt")
    with pytest.raises(UserError, match="not a checkpoint"):
        load_checkpoint("bomb.pt")
    assert not (tmp_path / "exploded").exists()


def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path):
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    save_checkpoint(good, small_checkpoint())
    data = good.read_bytes()
    content = torch.load(good, weights_only=True)
    cases = {
        "cut short": data[: len(data) // 2],
        "is not a checkpoint": b"hello",
        "not a checkpoint of this program, or": b"",
        "not a checkpoint of this program, or it": pickle.dumps([1, 2]),
    }
    for sentence, content_bytes in cases.items():
        bad.write_bytes(content_bytes)
        with pytest.raises(UserError, match=sentence) as caught:
            load_checkpoint(bad)
        assert "\n" not in str(caught.value)
    for sentence, value in {
        "weights alone": content["weights"],
        "in format 99": {**content, "format": 99},
        "does not fit this version": {**content, "weights": {}},
        "does not fit": {k: v for k, v in content.items() if k != "tokenizer"},
        "may hold weights alone": [1],
        "fit this version": {**content, "model_config": {**content["model_config"], "new_idea": 1}},
    }.items():
        torch.save(value, bad)
        with pytest.raises(UserError, match=sentence) as caught:
            load_checkpoint(bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize(
    "keys, value, named",
    [
        ("config", None, "config"),
        ("config.min_words", 0, "config.min_words"),
        ("config.seed", [1], "config.seed"),
        ("config.min_words", 50, "min_words"),
        ("model_config.n_head", 0, "model_config.n_head"),
        ("model_config.n_head", 3, "model_config.n_embd"),
        ("model_config.n_layer", 10**6, "model_config.n_layer"),
        ("model_config.n_layer", 40, "model_config is that of a larger model"),
        ("model_config.max_text", 10**9, "model_config is that of a larger model"),
        ("model_config.n_chars", 90, "model_config.n_chars"),
        ("model_config.authors", [5], "model_config.authors.0"),
        ("model_config.mean_width", 0.0, "model_config.mean_width"),
        ("tokenizer.radius_edges", [], "tokenizer.radius_edges"),
        ("tokenizer.alphabet", 7, "tokenizer.alphabet"),
        ("training", [1], "training"),
        ("origin", [1], "origin"),
        ("origin.recorded", {"Ada": 7}, "origin.recorded.Ada"),
        ("recognizer", {"config": 1}, "config"),
        ("recognizer", {"config": {}, "weights": {}}, "config.alphabet"),
        ("weights.authors.weight", 5, "weights.authors.weight"),
    ],
)
def test_a_value_that_does_not_fit_is_named(tmp_path, keys, value, named):
    save_checkpoint(tmp_path / "a.pt", small_checkpoint())
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    part, _, key = keys.partition(".")
    if key:
        content[part][key] = value
    else:
        content[part] = value
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=f"does not fit this version .*: (--)?{named}"):
        load_checkpoint(tmp_path / "a.pt")


def test_runs_are_found_by_name_folder_file_and_age(tmp_path):
    for age, name in enumerate(["old", "new"]):
        for file in ("best.pt", "last.pt"):
            save_checkpoint(tmp_path / name / file, small_checkpoint())
            os.utime(tmp_path / name / file, (1000 + age, 1000 + age))
    assert newest_checkpoint(tmp_path) == tmp_path / "new" / "best.pt"
    assert find_run("last", tmp_path) == tmp_path / "new" / "last.pt"
    old = tmp_path / "old" / "last.pt"
    os.utime(old, (2**32, 2**32))  # a clock was wrong
    assert find_run("last", tmp_path) == tmp_path / "new" / "last.pt"
    assert newest_checkpoint(tmp_path) == tmp_path / "new" / "best.pt"
    assert find_run("old", tmp_path) == find_run(str(old.parent), "elsewhere") == old
    assert find_run(str(tmp_path / "old" / "best.pt"), "elsewhere") == tmp_path / "old" / "best.pt"
    with pytest.raises(UserError, match="has new, old"):
        find_run("middle", tmp_path)
    with pytest.raises(UserError, match="no trained model"):
        newest_checkpoint(tmp_path / "nowhere")


def test_an_exported_model_writes_the_same_and_is_small(tmp_path):
    before = small_checkpoint()
    before.training.update(optimizers=[{"state": torch.zeros(100_000)}], best_loss=1.5)
    save_checkpoint(tmp_path / "a.pt", before)
    export(tmp_path / "a.pt", tmp_path / "b.pt")
    after = load_checkpoint(tmp_path / "b.pt")
    assert after.training == {"step": 5, "best_loss": 1.5}
    assert (tmp_path / "b.pt").stat().st_size < (tmp_path / "a.pt").stat().st_size / 4
    exported = after.model.state_dict().values()
    for (name, weight), half in zip(before.model.state_dict().items(), exported):
        torch.testing.assert_close(weight, half, rtol=1e-3, atol=1e-3, msg=name)
        assert half.dtype == weight.dtype


def test_without_a_run_the_shipped_model_is_taken_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path / "base.pt")
    messages = []
    runs = tmp_path / "runs"
    with pytest.raises(UserError, match="no trained model"):
        find_checkpoint("", runs, messages.append)
    save_checkpoint(tmp_path / "base.pt", small_checkpoint())
    assert find_checkpoint("", runs, messages.append) == tmp_path / "base.pt"
    assert "comes with the project" in messages[0]
    save_checkpoint(runs / "own" / "last.pt", small_checkpoint())
    assert find_checkpoint("", runs, messages.append) == runs / "own" / "last.pt"
    assert len(messages) == 1
    assert str(find_checkpoint("x.pt", runs, messages.append)) == "x.pt"
