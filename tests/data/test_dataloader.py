"""The batches of a run: the same for every step, however many processes make them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataloader import DataLoader, arrange
from cursivetransformer.data.dataset import NO_WORD
from cursivetransformer.data.packing import PackedBatch, as_rows, row_lengths
from cursivetransformer.data.tokenizer import make_tokenizer

WORD = 520  # its id in the polar tokenizer


def loader(
    words: list[Word], rank: int = 0, size: int = 1, fixed: bool = False, **changes: Any
) -> DataLoader:
    changes = {"device": "cpu", "test_size": 40, "batch_size": 8, **changes}
    return DataLoader(
        words,
        make_tokenizer("polar", "".join(word.text for word in words)),
        get_all_args(use_argparse=False, **changes),
        lambda message: None,
        rank,
        size,
        fixed,
    )


def examples_of(packed: PackedBatch) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the tokens and the text of each example of a batch, in no order."""
    ends = packed.lengths.cumsum(0).tolist()
    texts = [tuple(row[row > 0].tolist()) for row in packed.text]
    return {
        (tuple(packed.tokens[end - n : end].flatten().tolist()), text)
        for end, n, text in zip(ends, packed.lengths.tolist(), texts)
    }


def test_batches_are_a_function_of_the_step_alone(words: list[Word]) -> None:
    forward, backward = loader(words), loader(words)
    tokens = {step: forward.train_batch(step).tokens for step in range(12)}
    for step in reversed(range(12)):
        assert torch.equal(backward.train_batch(step).tokens, tokens[step])
    assert not torch.equal(tokens[0][:50], tokens[1][:50])
    assert not torch.equal(loader(words, seed=1).train_batch(0).tokens[:50], tokens[0][:50])


def test_examples_repeat_after_train_size(words: list[Word]) -> None:
    data = loader(words, train_size=128)
    assert torch.equal(data.train_batch(1).tokens, data.train_batch(1 + 128 // 8).tokens)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_processes_share_a_batch_and_lose_nothing(
    words: list[Word], size: int, fixed: bool
) -> None:
    whole = loader(words).train_batch(3)
    parts = [loader(words, rank, size, fixed).train_batch(3) for rank in range(size)]
    examples = [examples_of(part) for part in parts]
    assert examples_of(whole) == set.union(*examples) and sum(map(len, examples)) == 8
    assert sum(int(part.n_tokens) for part in parts) == int(whole.n_tokens)


def test_no_position_is_padding_and_with_a_fixed_room_few_are(real_words: list[Word]) -> None:
    snug, fixed = loader(real_words), loader(real_words, batch_size=64, fixed=True)
    for step in range(30):
        snug.train_batch(step)
        packed = fixed.train_batch(step)
        assert len(packed.tokens) == fixed.capacity
        assert int(packed.position[packed.example < 64].max()) < fixed.width
    assert snug.counts()["real_share"] == 1
    assert 0.8 < fixed.counts()["real_share"] < 1


def words_in_rows(batches: list[PackedBatch]) -> list[tuple[int, ...]]:
    """Return the tokens of every word of batches, sorted."""
    words = []
    for packed in batches:
        lengths = row_lengths(packed)
        rows, _ = as_rows(packed, WORD, int(lengths.max()))
        for row, n in zip(rows, lengths):
            starts = (row[:n] == WORD).nonzero()[1:, 0]
            words += [tuple(word.tolist()) for word in row[:n].tensor_split(starts)]
    return sorted(words)


def test_evaluation_words_are_fixed_and_the_same_ink_for_every_model(words: list[Word]) -> None:
    """Nats per offset of two recipes may be compared only if both are of the same ink."""
    recipes = [
        dict(num_words=2),
        dict(num_words=2, augment=False, downsample_width=0.02),
        dict(num_words=4, min_words=4, max_seq_length=1050),
    ]
    for split in ("train", "test"):
        inks = []
        for recipe in recipes:
            batches = loader(words, **recipe).evaluation(split)
            n_offsets = sum(int(packed.n_offsets) for packed in batches)
            n_tokens = sum(int(packed.n_tokens) for packed in batches)
            inks.append((words_in_rows(batches), n_offsets, n_tokens))
        assert inks[0] == inks[1] == inks[2]
        n_words = len(loader(words).test_ids) if split == "test" else 40
        assert len(inks[0][0]) == min(40, n_words)


def test_words_are_arranged_as_full_as_rows_can_be() -> None:
    tokens = {1: 50, 2: 60, 3: 100, 4: 10, 5: 10, 6: 10, 7: 10}
    one_hand = dict.fromkeys(tokens, 0)
    assert arrange([1, 2, 3, 4, 5, 6, 7], tokens, 3, 120, one_hand).tolist() == [
        [1, 2, NO_WORD],
        [3, 4, 5],
        [6, 7, NO_WORD],
    ]
    assert arrange([3], tokens, 1, 100, one_hand).tolist() == [[3]]
    assert arrange([4, 5, 6, 7], tokens, 3, 120, {**one_hand, 5: 1, 6: 1}).tolist() == [
        [4, NO_WORD, NO_WORD],
        [5, 6, NO_WORD],
        [7, NO_WORD, NO_WORD],
    ]


def test_a_fixed_room_grows_for_longer_words_that_come_later(words: list[Word]) -> None:
    """Regression: the width was that of the bank's words, and other words may be longer."""
    short = [replace(word, text=word.text[:3]) for word in words]
    for word in short:
        word.points = word.points[:20].copy()
        word.points[-1, 2] = 0
    data = loader(short, fixed=True, own_fraction=0.1)
    width = data.width
    longer = [
        replace(word, text=4 * word.text[:3], points=np.resize(word.points, (800, 3)))
        for word in words[:20]
    ]
    data.set_mixture(longer)
    longest = max(int(data.train_batch(step).lengths.max()) for step in range(6))
    assert width < longest <= data.width
