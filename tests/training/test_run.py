"""Beginning with the weights of another model."""

import numpy as np
import pytest
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import get_all_args
from cursivetransformer.models.checkpoint import load_checkpoint, save_checkpoint
from cursivetransformer.training.run import init_from, train
from cursivetransformer.utils.errors import UserError
from tests.models.test_checkpoint import small_checkpoint
from tests.training.test_trainer import small  # noqa: F401


def config_for(path, **settings):
    return get_all_args(use_argparse=False, device="cpu", start_from=str(path), **settings)


def words_by(*authors, text="ab"):
    points = np.array([[0, 0, 1], [1, 1, 0]], np.float32)
    return [Word(text, author, points) for author in authors]


def test_weights_shape_and_alphabet_are_taken_and_hands_are_kept_by_name(tmp_path):
    source = small_checkpoint()
    save_checkpoint(tmp_path / "a.pt", source)
    words = words_by("Zoe", "Zoe", "Ada")
    # Hands that nothing is trained on would be forgotten.
    assert init_from(config_for(tmp_path / "a.pt"), words)[1].config.authors == ["Zoe", "Ada"]
    config, model, tokenizer = init_from(config_for(tmp_path / "a.pt", replay="starter"), words)
    assert (config.n_layer, config.n_embd, model.config.authors[:2]) == (
        2,
        16,
        ["Zoe", "Ada"],
    ) and tokenizer.alphabet == source.tokenizer.alphabet
    theirs = source.model.authors.weight
    assert torch.equal(model.authors.weight[:3], theirs[[0, 0, 1]]) and not torch.equal(
        theirs[0], theirs[1]
    )
    assert model.config.authors[2:] == source.model.config.authors[1:] and torch.equal(
        model.authors.weight[3:], theirs[2:]
    )
    prompt, text = torch.tensor([[tokenizer.word_id, tokenizer.pad_id]]), torch.tensor([[2, 3]])
    torch.testing.assert_close(
        model.prefill(prompt, text, torch.tensor([2]))[1],
        source.model.prefill(prompt, text, torch.tensor([1]))[1],
    )


def test_a_setting_that_contradicts_the_shape_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.pt", small_checkpoint())
    with pytest.raises(UserError, match="--n_layer 3 is not what .* was trained with"):
        init_from(config_for(tmp_path / "a.pt", n_layer=3), words_by("Ada"))
    with pytest.raises(UserError, match="there is no checkpoint"):
        init_from(config_for(tmp_path / "none.pt"), words_by("Ada"))


def test_new_characters_are_added_and_old_ones_write_as_before(tmp_path):
    source = small_checkpoint()
    save_checkpoint(tmp_path / "a.pt", source)
    _, model, tokenizer = init_from(config_for(tmp_path / "a.pt"), words_by("Zoe", text="äb~"))
    before = source.tokenizer
    assert (
        tokenizer.alphabet == "".join(sorted(set(before.alphabet) | set("ä~")))
        and (tokenizer.radius_edges == before.radius_edges).all()
    )
    prompt = torch.tensor([[tokenizer.word_id, tokenizer.pad_id]])
    logits = [
        m.prefill(prompt, torch.tensor(t.encode_text("ab "))[None])[1]
        for m, t in ((model, tokenizer), (source.model, before))
    ]
    torch.testing.assert_close(*logits)
    # An ä begins as an a, a character like no other as the mean of all.
    theirs, ours = source.model.text.chars.weight, model.text.chars.weight
    assert torch.equal(ours[tokenizer.encode_text("ä")], theirs[before.encode_text("a")])
    torch.testing.assert_close(ours[tokenizer.encode_text("~")[0]], theirs[1:].mean(0))


def test_texts_longer_than_the_model_has_seen_find_room(tmp_path):
    source = small_checkpoint()
    save_checkpoint(tmp_path / "a.pt", source)
    _, model, tokenizer = init_from(config_for(tmp_path / "a.pt"), words_by("Zoe", text="ab" * 40))
    assert model.config.max_text >= 2 * 81
    assert torch.isfinite(
        model.prefill(
            torch.tensor([[tokenizer.word_id, tokenizer.pad_id]]),
            torch.tensor(tokenizer.encode_text("ab" * 60))[None],
        )[1]
    ).any()


def test_a_run_that_starts_from_another_is_ahead_of_a_new_one(small):  # noqa: F811
    """And goes on by itself when it is resumed, without the file it began with."""
    quiet = lambda sentence: None
    first = train(small(max_steps=40, log_every=40, read_words=0), quiet)
    losses = {}
    for name, settings in (("new", {}), ("continued", {"start_from": str(first)})):
        folder = train(
            small(
                max_steps=4,
                wandb_run_name=name,
                read_words=0,
                warmup_steps=0,
                learning_rate=1e-5,
                muon_learning_rate=1e-5,
                **settings,
            ),
            quiet,
        ).parent
        losses[name] = load_checkpoint(folder / "last.pt").training["best_loss"]
    assert losses["continued"] < losses["new"] - 0.3
    first.unlink()
    train(get_all_args(use_argparse=False, resume=str(folder), max_steps=6, device="cpu"), quiet)
