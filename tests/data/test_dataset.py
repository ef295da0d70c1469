"""Batches: python -m pytest tests/test_dataset.py"""

import numpy as np
import pytest

from benchmarks.pipeline import plain_example
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataset import (
    IGNORE,
    NO_WORD,
    Ink,
    draw_word_ids,
    make_batch,
    split_words,
    usable_words,
)
from cursivetransformer.data.tokenizer import TEXT_PAD, TOKENIZERS, make_tokenizer
from cursivetransformer.ink.augment import sample_rates, sample_transforms
from cursivetransformer.utils.errors import UserError


def settings(**changes):
    return get_all_args(
        use_argparse=False, **{"device": "cpu", "test_size": 20, "batch_size": 8, **changes}
    )


def tokenizer_for(words, name="polar"):
    return make_tokenizer(name, "".join(word.text for word in words))


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("augmented", [False, True])
def test_the_fast_way_equals_the_plain_way_token_for_token(words, name, augmented):
    tokenizer, rng = tokenizer_for(words, name), np.random.default_rng(1)
    words = [word for word in words[:300] if len(word.points) < 700]
    longest = 700 * tokenizer.n_slots
    ids = draw_word_ids(rng, np.arange(len(words)), 40, 1, 4)
    rates = sample_rates(rng, 40, 0.65, 0.1)
    matrices = sample_transforms(rng, 40, 0.4, 0.2, 0.04) if augmented else None
    batch = make_batch(Ink(words, tokenizer), tokenizer, ids, rates, matrices, longest)
    for row in range(40):
        example = [words[i] for i in ids[row] if i != NO_WORD]
        tokens, text = plain_example(
            example,
            tokenizer,
            rates[row],
            matrices[row] if augmented else np.eye(2, dtype=np.float32),
            longest,
        )
        n = batch.lengths[row]
        assert n == len(tokens)
        # Sums of two products may round differently in the two ways, and then cross the edge of a bin.
        assert (batch.tokens[row, :n] != tokens).mean() < (0.005 if augmented else 1e-9)
        assert "".join(tokenizer.alphabet[i - 1] for i in batch.text[row] if i != TEXT_PAD) == text


def test_targets_are_the_next_tokens_and_padding_is_ignored(words):
    tokenizer, rng = tokenizer_for(words), np.random.default_rng(0)
    ids = draw_word_ids(rng, np.arange(len(words)), 20, 1, 3)
    batch = make_batch(Ink(words, tokenizer), tokenizer, ids, np.full(20, 0.65), None, 10**6)
    for tokens, targets, n, offsets in zip(
        batch.tokens, batch.targets, batch.lengths, batch.offsets
    ):
        np.testing.assert_array_equal(targets[: n - 1], tokens[1:n])
        assert targets[n - 1] == tokenizer.end_id
        assert (targets[n:] == IGNORE).all() and (tokens[n:] == tokenizer.pad_id).all()
        n_words = (tokens[:n] == tokenizer.word_id).sum()
        assert n == n_words + tokenizer.n_slots * offsets


def test_an_example_that_is_too_long_is_cut_at_a_word_with_its_text(words):
    tokenizer, rng = tokenizer_for(words), np.random.default_rng(2)
    longest = int(Ink(words, tokenizer).token_counts(tokenizer, 0.6).max()) + 50
    ids = draw_word_ids(rng, np.arange(len(words)), 60, 4, 4)
    batch = make_batch(Ink(words, tokenizer), tokenizer, ids, np.full(60, 0.6), None, longest)
    assert 0 < batch.cut <= 60
    assert batch.cut == sum(
        (batch.text[row] == tokenizer.encode_text(" ")[0]).sum() < 4 for row in range(60)
    )
    assert batch.lengths.max() <= longest
    for row in range(60):
        n_words = (batch.tokens[row] == tokenizer.word_id).sum()
        text = "".join(tokenizer.alphabet[i - 1] for i in batch.text[row] if i != TEXT_PAD)
        assert text == "".join(words[i].text + " " for i in ids[row, :n_words])


def test_no_test_word_is_trained_on(words):
    train, test = split_words(words, 0.1, seed=3)
    assert len(train) + len(test) == len(words) and len(test) >= 1
    assert not {words[i].text for i in train} & {words[i].text for i in test}
    np.testing.assert_array_equal(split_words(words, 0.1, seed=3)[1], test)
    assert not np.array_equal(split_words(words, 0.1, seed=4)[1], test)


def test_words_that_cannot_be_learnt_are_left_out_and_told(made_up_words):
    told = []
    kept = usable_words(
        made_up_words, make_tokenizer("polar", "abcdehilnorst"), settings(), told.append
    )
    assert len(kept) < len(made_up_words) and "outside --alphabet" in told[0]
    assert not any("u" in word.text for word in kept)
    told.clear()
    kept = usable_words(
        made_up_words, tokenizer_for(made_up_words), settings(max_seq_length=80), told.append
    )
    assert 0 < len(kept) < len(made_up_words) and "--max_seq_length" in told[0]
    with pytest.raises(UserError, match="too short for any word"):
        usable_words(
            made_up_words,
            tokenizer_for(made_up_words),
            settings(max_seq_length=64, downsample_mean=0.05),
            told.append,
        )
    with pytest.raises(UserError, match="characters of --alphabet alone"):
        usable_words(made_up_words, make_tokenizer("polar", "xyz"), settings(), told.append)
    with pytest.raises(UserError, match="at least 2 are needed"):
        split_words(made_up_words[:1], 0.1, 0)
