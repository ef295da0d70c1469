"""Batches on the device: python -m pytest tests/test_packing.py"""

import numpy as np
import pytest
import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataset import IGNORE, Ink, draw_word_ids, make_batch
from cursivetransformer.data.packing import (
    InkTensors,
    Pool,
    SampleBatch,
    as_rows,
    draw_samples,
    example_lengths,
    pack,
)
from cursivetransformer.data.tokenizer import TEXT_PAD, TOKENIZERS, make_tokenizer
from cursivetransformer.ink.augment import sample_rates, sample_transforms

N = 60


def tokenizer_for(words, name="polar"):
    return make_tokenizer(name, "".join(word.text for word in words))


def both_ways(
    words, name="polar", augmented=True, least=1, most=4, longest=10**6, capacity=None, seed=1
):
    """The same `N` examples made by the reference on arrays, and packed on tensors."""
    tokenizer, rng = tokenizer_for(words, name), np.random.default_rng(seed)
    ids = draw_word_ids(rng, np.arange(len(words)), N, least, most)
    rates = sample_rates(rng, N, 0.65, 0.1)
    matrices = sample_transforms(rng, N, 0.4, 0.2, 0.04) if augmented else None
    ink = Ink(words, tokenizer)
    examples = SampleBatch(
        torch.as_tensor(ids),
        torch.as_tensor(rates),
        torch.as_tensor(matrices) if augmented else None,
    )
    tensors = InkTensors(ink, tokenizer)
    return (
        tokenizer,
        make_batch(ink, tokenizer, ids, rates, matrices, longest),
        pack(tensors, tokenizer, examples, longest, capacity),
    )


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("longest", [10**6, 800])
def test_packed_examples_are_those_of_the_reference_token_for_token(
    words, name, augmented, longest
):
    tokenizer, batch, packed = both_ways(words, name, augmented, longest=longest)
    tokens, targets = as_rows(packed, tokenizer.word_id, batch.tokens.shape[1])
    np.testing.assert_array_equal(tokens, batch.tokens)
    np.testing.assert_array_equal(targets, batch.targets)
    text = packed.text.numpy()[:, : batch.text.shape[1]]
    np.testing.assert_array_equal(text, batch.text)
    assert (packed.text[:, text.shape[1] :] == TEXT_PAD).all()
    assert int(packed.n_tokens) == batch.lengths.sum() == int((packed.targets != IGNORE).sum())
    assert (int(packed.n_offsets), int(packed.cut), int(packed.clamped)) == (
        batch.offsets.sum(),
        batch.cut,
        batch.clamped,
    )
    assert batch.cut > 0 or longest > 800 or len(words) < 100


def test_positions_know_their_example_their_place_and_their_word(words):
    tokenizer, _, packed = both_ways(words)
    starts = [0] + packed.lengths.cumsum(0).tolist()
    for example in range(N):
        at = slice(starts[example], starts[example + 1])
        assert (packed.example[at] == example).all()
        assert packed.position[at].tolist() == list(range(packed.lengths[example]))
    is_word = packed.tokens[:, 0] == tokenizer.word_id
    assert torch.equal(
        packed.word_start, torch.where(is_word, torch.arange(len(is_word)), 0).cummax(0).values
    )
    assert (packed.tokens[is_word, 1:] == tokenizer.pad_id).all() and (
        packed.tokens[~is_word] < tokenizer.word_id
    ).all()


def test_a_given_room_changes_nothing_but_what_lies_behind_or_does_not_fit(words):
    tokenizer, _, snug = both_ways(words)
    total = len(snug.tokens)
    for capacity in (total + 100, total, total - 1, total // 2):
        _, _, packed = both_ways(words, capacity=capacity)
        there = packed.example < N
        n = int(there.sum())
        assert len(packed.tokens) == capacity and there[:n].all() and n <= min(capacity, total)
        assert n == total if capacity >= total else n in snug.lengths.cumsum(0).tolist(), (
            "only whole examples are left out"
        )
        assert torch.equal(packed.tokens[:n], snug.tokens[:n]) and torch.equal(
            packed.targets[:n], snug.targets[:n]
        )
        assert (packed.tokens[n:] == tokenizer.pad_id).all() and (
            packed.targets[n:] == IGNORE
        ).all()
        assert (
            int(packed.n_tokens) == int((packed.targets != IGNORE).sum())
            and int(packed.lengths.sum()) == n
        )


def settings(**changes):
    return get_all_args(use_argparse=False, device="cpu", **changes)


def pool_of(*ids):
    return Pool.of(np.arange(*ids), np.zeros(len(range(*ids)), int), np.ones(len(range(*ids)), int))


def test_an_example_is_of_one_hand():
    """However the hands lie mixed in the bank, and however many words each has."""
    hands = np.array([2, 0, 1, 0, 2, 0, 0, 3])
    pool = Pool.of(100 + np.arange(8), hands, np.where(hands == 3, 0, hands + 1))
    drawn = draw_samples(
        torch.Generator().manual_seed(0),
        pool,
        4000,
        settings(min_words=1, num_words=3, author_dropout=0.25),
    )
    of = torch.as_tensor(hands)[(drawn.word_ids - 100).clamp(min=0)]
    here = drawn.word_ids >= 0
    assert ((of == of[:, :1]) | ~here).all() and set(drawn.word_ids[here].tolist()) == set(
        range(100, 108)
    )
    named = drawn.authors > 0
    assert (drawn.authors[named] == of[named, 0] + 1).all() and not named[of[:, 0] == 3].any()
    assert 0.7 < named[of[:, 0] < 3].float().mean() < 0.8
    first = torch.bincount(drawn.word_ids[:, 0] - 100, minlength=8)
    assert first.min() > 400 and first.max() < 600, "every word is as likely as any other"


def test_draws_follow_the_settings(made_up_words):
    config, generator = settings(min_words=2, num_words=4), torch.Generator().manual_seed(0)
    drawn = draw_samples(generator, pool_of(10, 30), 4000, config)
    words = (drawn.word_ids >= 0).sum(1)
    assert set(words.tolist()) == {2, 3, 4} and set(
        drawn.word_ids[drawn.word_ids >= 0].tolist()
    ) == set(range(10, 30))
    assert 0.6 <= drawn.rates.min() < 0.602 and 0.698 < drawn.rates.max() <= 0.7
    again = draw_samples(torch.Generator().manual_seed(0), pool_of(10, 30), 4000, config)
    assert torch.equal(drawn.word_ids, again.word_ids) and torch.equal(
        drawn.matrices, again.matrices
    )
    assert draw_samples(generator, pool_of(5), 3, config, augment=False).matrices is None
    tokenizer = tokenizer_for(made_up_words)
    ink = InkTensors(Ink(made_up_words, tokenizer), tokenizer)
    torch.testing.assert_close(
        example_lengths(ink, tokenizer, drawn, 10**6), pack(ink, tokenizer, drawn, 10**6).lengths
    )


def test_no_step_waits_for_the_host_when_the_room_is_given(made_up_words):
    """A tensor whose value the host must know would break the traced graph in two."""
    tokenizer, config = tokenizer_for(made_up_words), settings()
    ink = InkTensors(Ink(made_up_words, tokenizer), tokenizer)

    def make(word_ids, rates, matrices):
        packed = pack(ink, tokenizer, SampleBatch(word_ids, rates, matrices), 800, capacity=900)
        return packed.tokens, packed.targets, packed.text, *as_rows(packed, tokenizer.word_id, 800)

    drawn = draw_samples(torch.Generator().manual_seed(0), pool_of(len(made_up_words)), 8, config)
    inputs = drawn.word_ids, drawn.rates, drawn.matrices
    traced = torch.compile(make, fullgraph=True, backend="eager")(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(traced, make(*inputs)))
