"""Which words a run uses, their ink as tensors, and the plain batching that `pack` is tested by."""

from typing import Any

import numpy as np
import pytest

from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.data.dataset import (
    IGNORE,
    NO_WORD,
    InkStore,
    split_words,
    usable_words,
)
from cursivetransformer.data.tokenizer import TEXT_PAD, TOKENIZERS, Tokenizer, make_tokenizer
from cursivetransformer.ink.augment import downsample, sample_transforms
from cursivetransformer.utils.errors import UserError
from tests.data.reference import (
    InkArrays,
    make_batch,
    plain_example,
    sample_rates,
    sample_word_ids,
)
from tests.made_up import tokenizer_for


def settings(**changes: Any) -> Config:
    changes = {"device": "cpu", "test_size": 20, "batch_size": 8, **changes}
    return get_all_args(use_argparse=False, **changes)


def arrays_of(words: list[Word], tokenizer: Tokenizer) -> InkArrays:
    return InkArrays.from_store(InkStore.from_words(words, tokenizer))


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("augmented", [False, True])
def test_the_fast_way_equals_the_plain_way_token_for_token(
    words: list[Word], name: str, augmented: bool
) -> None:
    tokenizer, rng = tokenizer_for(words, name), np.random.default_rng(1)
    words = [word for word in words[:300] if len(word.points) < 700]
    max_length = 700 * tokenizer.n_slots
    ids = sample_word_ids(rng, np.arange(len(words)), 40, 1, 4)
    rates = sample_rates(rng, 40, 0.65, 0.1)
    matrices = sample_transforms(rng, 40, 0.4, 0.2, 0.04) if augmented else None
    batch = make_batch(arrays_of(words, tokenizer), tokenizer, ids, rates, matrices, max_length)
    for row in range(40):
        example = [words[i] for i in ids[row] if i != NO_WORD]
        matrix = np.eye(2, dtype=np.float32) if matrices is None else matrices[row]
        tokens, text = plain_example(example, tokenizer, rates[row], matrix, max_length)
        n = batch.lengths[row]
        assert n == len(tokens)
        # Sums of two products may round differently in the two ways, and then cross a bin's edge.
        assert (batch.tokens[row, :n] != tokens).mean() < (0.005 if augmented else 1e-9)
        assert "".join(tokenizer.alphabet[i - 1] for i in batch.text[row] if i != TEXT_PAD) == text


def test_targets_are_the_next_tokens_and_padding_is_ignored(words: list[Word]) -> None:
    tokenizer, rng = tokenizer_for(words), np.random.default_rng(0)
    ids = sample_word_ids(rng, np.arange(len(words)), 20, 1, 3)
    arrays = arrays_of(words, tokenizer)
    batch = make_batch(arrays, tokenizer, ids, np.full(20, 0.65), None, 10**6)
    for tokens, targets, n, offsets in zip(
        batch.tokens, batch.targets, batch.lengths, batch.offsets
    ):
        np.testing.assert_array_equal(targets[: n - 1], tokens[1:n])
        assert targets[n - 1] == tokenizer.end_id
        assert (targets[n:] == IGNORE).all() and (tokens[n:] == tokenizer.pad_id).all()
        n_words = (tokens[:n] == tokenizer.word_id).sum()
        assert n == n_words + tokenizer.n_slots * offsets


def test_an_example_that_is_too_long_is_cut_at_a_word_with_its_text(words: list[Word]) -> None:
    tokenizer, rng = tokenizer_for(words), np.random.default_rng(2)
    store = InkStore.from_words(words, tokenizer)
    max_length = int(store.token_counts(0.6).max()) + 50
    ids = sample_word_ids(rng, np.arange(len(words)), 60, 4, 4)
    arrays = InkArrays.from_store(store)
    batch = make_batch(arrays, tokenizer, ids, np.full(60, 0.6), None, max_length)
    space = tokenizer.encode_text(" ")[0]
    assert 0 < batch.cut <= 60
    assert batch.cut == sum((batch.text[row] == space).sum() < 4 for row in range(60))
    assert batch.lengths.max() <= max_length
    for row in range(60):
        n_words = (batch.tokens[row] == tokenizer.word_id).sum()
        text = "".join(tokenizer.alphabet[i - 1] for i in batch.text[row] if i != TEXT_PAD)
        assert text == "".join(words[i].text + " " for i in ids[row, :n_words])


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 0.6, 0.65, 0.7])
def test_words_take_the_tokens_of_the_points_they_keep(
    words: list[Word], name: str, rate: float
) -> None:
    tokenizer = tokenizer_for(words, name)
    counts = InkStore.from_words(words, tokenizer).token_counts(rate)
    points = [len(downsample(word.points, rate)) for word in words]
    assert counts.tolist() == [1 + tokenizer.n_slots * n for n in points]


def test_no_test_word_is_trained_on(words: list[Word]) -> None:
    train, test = split_words(words, 0.1, seed=3)
    assert len(train) + len(test) == len(words) and len(test) >= 1
    assert not {words[i].text for i in train} & {words[i].text for i in test}
    np.testing.assert_array_equal(split_words(words, 0.1, seed=3)[1], test)
    assert not np.array_equal(split_words(words, 0.1, seed=4)[1], test)


def test_words_that_cannot_be_learnt_are_left_out_and_told(made_up_words: list[Word]) -> None:
    messages: list[str] = []
    few_letters = make_tokenizer("polar", "abcdehilnorst")
    kept = usable_words(made_up_words, few_letters, settings(), messages.append)
    assert len(kept) < len(made_up_words) and "outside --alphabet" in messages[0]
    assert not any("u" in word.text for word in kept)
    messages.clear()
    tokenizer = tokenizer_for(made_up_words)
    kept = usable_words(made_up_words, tokenizer, settings(max_seq_length=80), messages.append)
    assert 0 < len(kept) < len(made_up_words) and "--max_seq_length" in messages[0]
    with pytest.raises(UserError, match="too short for any word"):
        config = settings(max_seq_length=64, downsample_mean=0.05)
        usable_words(made_up_words, tokenizer, config, messages.append)
    with pytest.raises(UserError, match="characters of --alphabet alone"):
        usable_words(made_up_words, make_tokenizer("polar", "xyz"), settings(), messages.append)
    with pytest.raises(UserError, match="at least 2 are needed"):
        split_words(made_up_words[:1], 0.1, 0)
