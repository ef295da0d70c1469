"""Batches made with tensors: the same tokens as the plain reference, and what is sampled."""

from typing import Any

import numpy as np
import pytest
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.data.dataset import IGNORE, InkStore
from cursivetransformer.data.packing import (
    PackedBatch,
    Pool,
    SampleBatch,
    as_rows,
    example_lengths,
    pack,
    sample_examples,
)
from cursivetransformer.data.tokenizer import TEXT_PAD, TOKENIZERS, Tokenizer
from cursivetransformer.ink.augment import sample_transforms
from tests.data.reference import Batch, InkArrays, make_batch, sample_rates, sample_word_ids
from tests.made_up import tokenizer_for

N = 60


def both_ways(
    words: list[Word],
    name: str = "polar",
    augmented: bool = True,
    max_length: int = 10**6,
    capacity: int | None = None,
) -> tuple[Tokenizer, Batch, PackedBatch]:
    """Make the same `N` examples with the reference and with `pack`."""
    tokenizer, rng = tokenizer_for(words, name), np.random.default_rng(1)
    ids = sample_word_ids(rng, np.arange(len(words)), N, 1, 4)
    rates = sample_rates(rng, N, 0.65, 0.1)
    matrices = sample_transforms(rng, N, 0.4, 0.2, 0.04) if augmented else None
    store = InkStore.from_words(words, tokenizer)
    examples = SampleBatch(
        torch.as_tensor(ids),
        torch.as_tensor(rates),
        None if matrices is None else torch.as_tensor(matrices),
    )
    return (
        tokenizer,
        make_batch(InkArrays.from_store(store), tokenizer, ids, rates, matrices, max_length),
        pack(store, tokenizer, examples, max_length, capacity),
    )


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("longest", [10**6, 800])
def test_packed_examples_are_those_of_the_reference_token_for_token(
    words: list[Word], name: str, augmented: bool, longest: int
) -> None:
    tokenizer, batch, packed = both_ways(words, name, augmented, longest)
    tokens, targets = as_rows(packed, tokenizer.word_id, batch.tokens.shape[1])
    np.testing.assert_array_equal(tokens, batch.tokens)
    np.testing.assert_array_equal(targets, batch.targets)
    text = packed.text.numpy()[:, : batch.text.shape[1]]
    np.testing.assert_array_equal(text, batch.text)
    assert (packed.text[:, text.shape[1] :] == TEXT_PAD).all()
    assert int(packed.n_tokens) == batch.lengths.sum() == int((packed.targets != IGNORE).sum())
    assert int(packed.n_offsets) == batch.offsets.sum()
    assert int(packed.cut) == batch.cut
    assert int(packed.clamped) == batch.clamped
    assert batch.cut > 0 or longest > 800 or len(words) < 100


def test_positions_know_their_example_their_place_and_their_word(words: list[Word]) -> None:
    tokenizer, _, packed = both_ways(words)
    starts = [0] + packed.lengths.cumsum(0).tolist()
    for example in range(N):
        part = slice(starts[example], starts[example + 1])
        assert (packed.example[part] == example).all()
        assert packed.position[part].tolist() == list(range(packed.lengths[example]))
    is_word = packed.tokens[:, 0] == tokenizer.word_id
    last_word = torch.where(is_word, torch.arange(len(is_word)), 0).cummax(0).values
    assert torch.equal(packed.word_start, last_word)
    assert (packed.tokens[is_word, 1:] == tokenizer.pad_id).all()
    assert (packed.tokens[~is_word] < tokenizer.word_id).all()


def test_a_given_room_changes_nothing_but_what_lies_behind_or_does_not_fit(
    words: list[Word],
) -> None:
    tokenizer, _, snug = both_ways(words)
    total = len(snug.tokens)
    for capacity in (total + 100, total, total - 1, total // 2):
        _, _, packed = both_ways(words, capacity=capacity)
        used = packed.example < N
        n = int(used.sum())
        assert len(packed.tokens) == capacity and used[:n].all() and n <= min(capacity, total)
        if capacity >= total:
            assert n == total
        else:
            assert n in snug.lengths.cumsum(0).tolist(), "only whole examples are left out"
        assert torch.equal(packed.tokens[:n], snug.tokens[:n])
        assert torch.equal(packed.targets[:n], snug.targets[:n])
        assert (packed.tokens[n:] == tokenizer.pad_id).all()
        assert (packed.targets[n:] == IGNORE).all()
        assert int(packed.n_tokens) == int((packed.targets != IGNORE).sum())
        assert int(packed.lengths.sum()) == n


def settings(**changes: Any) -> Config:
    return get_all_args(use_argparse=False, device="cpu", **changes)


def pool_of(ids: range) -> Pool:
    """Make a pool of words by one author, who has a name."""
    return Pool.from_arrays(np.array(ids), np.zeros(len(ids), int), np.ones(len(ids), int))


def test_an_example_is_of_one_hand() -> None:
    """However the hands lie mixed in the bank, and however many words each has."""
    hands = np.array([2, 0, 1, 0, 2, 0, 0, 3])
    pool = Pool.from_arrays(100 + np.arange(8), hands, np.where(hands == 3, 0, hands + 1))
    config = settings(min_words=1, num_words=3, author_dropout=0.25)
    examples = sample_examples(torch.Generator().manual_seed(0), pool, 4000, config)
    hand = torch.as_tensor(hands)[(examples.word_ids - 100).clamp(min=0)]
    used = examples.word_ids >= 0
    assert ((hand == hand[:, :1]) | ~used).all()
    assert set(examples.word_ids[used].tolist()) == set(range(100, 108))
    named = examples.authors > 0
    assert (examples.authors[named] == hand[named, 0] + 1).all()
    assert not named[hand[:, 0] == 3].any()
    assert 0.7 < named[hand[:, 0] < 3].float().mean() < 0.8
    first = torch.bincount(examples.word_ids[:, 0] - 100, minlength=8)
    assert first.min() > 400 and first.max() < 600, "every word is as likely as any other"


def test_draws_follow_the_settings(made_up_words: list[Word]) -> None:
    config, generator = settings(min_words=2, num_words=4), torch.Generator().manual_seed(0)
    examples = sample_examples(generator, pool_of(range(10, 30)), 4000, config)
    used = examples.word_ids >= 0
    assert set(used.sum(1).tolist()) == {2, 3, 4}
    assert set(examples.word_ids[used].tolist()) == set(range(10, 30))
    assert 0.6 <= examples.rates.min() < 0.602 and 0.698 < examples.rates.max() <= 0.7
    again = sample_examples(torch.Generator().manual_seed(0), pool_of(range(10, 30)), 4000, config)
    assert torch.equal(examples.word_ids, again.word_ids)
    assert torch.equal(examples.matrices, again.matrices)
    assert sample_examples(generator, pool_of(range(5)), 3, config, augment=False).matrices is None
    tokenizer = tokenizer_for(made_up_words)
    store = InkStore.from_words(made_up_words, tokenizer)
    torch.testing.assert_close(
        example_lengths(store, examples, 10**6), pack(store, tokenizer, examples, 10**6).lengths
    )


def test_rates_stay_in_their_range() -> None:
    rates = sample_rates(np.random.default_rng(0), 10_000, 0.65, 0.1)
    assert 0.6 <= rates.min() < 0.605 and 0.695 < rates.max() <= 0.7


def test_no_step_waits_for_the_host_when_the_room_is_given(made_up_words: list[Word]) -> None:
    """A tensor whose value the host needs would break the traced graph in two."""
    tokenizer, config = tokenizer_for(made_up_words), settings()
    store = InkStore.from_words(made_up_words, tokenizer)

    def make(
        word_ids: torch.Tensor, rates: torch.Tensor, matrices: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        packed = pack(store, tokenizer, SampleBatch(word_ids, rates, matrices), 800, capacity=900)
        return packed.tokens, packed.targets, packed.text, *as_rows(packed, tokenizer.word_id, 800)

    pool = pool_of(range(len(made_up_words)))
    examples = sample_examples(torch.Generator().manual_seed(0), pool, 8, config)
    inputs = examples.word_ids, examples.rates, examples.matrices
    traced = torch.compile(make, fullgraph=True, backend="eager")(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(traced, make(*inputs)))
