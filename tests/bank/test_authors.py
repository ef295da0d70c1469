"""Authors and their indices, in a bank and in the batches of a loader."""

import numpy as np
import pytest
import torch

from cursivetransformer.bank.authors import (
    author_indices,
    author_names,
    find_author,
    hand_indices,
)
from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.eval_texts import evaluation_words
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.utils.errors import UserError
from tests.made_up import made_up_words


def words_of(*authors):
    return [
        Word(word.text, author, word.points) for word, author in zip(made_up_words(), authors * 60)
    ]


def test_authors_are_numbered_by_how_much_they_wrote():
    words = words_of("Ada", "Ben", "Ben", "unknown")
    assert author_names(words) == ["Ben", "Ada"]
    assert author_indices(words, ["Ben", "Ada"])[:4].tolist() == [2, 1, 1, 0]
    assert hand_indices(words)[:5].tolist() == [0, 1, 1, 2, 0]
    assert find_author("", ["Ben"]) == 1
    assert find_author("", []) == 0
    assert find_author("unknown", ["Ben"]) == 0
    assert find_author("ben", ["Ada", "Ben"]) == 2
    with pytest.raises(UserError, match="did you mean Ben"):
        find_author("Bern", ["Ada", "Ben"])
    with pytest.raises(UserError, match="it knows Ada"):
        find_author("Zacharias", ["Ada"])


def loader_of(words, names, **changes):
    config = get_all_args(
        use_argparse=False,
        **{"device": "cpu", "batch_size": 8, "num_words": 3, "test_size": 40, **changes},
    )
    return DataLoader(
        words,
        make_tokenizer("polar", "abcdehilnorstu"),
        config,
        lambda sentence: None,
        authors=names,
    )


def test_a_batch_says_who_wrote_and_so_does_an_evaluation():
    """Every word of an example is by the author that the batch names."""
    words = words_of("Ada", "Ben", "someone else")
    loader = loader_of(words, ["Ada", "Ben"], author_dropout=0)
    wrote = {
        tuple(loader.tokenizer.encode_text(word.text)): index
        for word, index in zip(loader.words, loader.author_indices)
    }
    space = int(loader.tokenizer.encode_text(" ")[0])
    for packed in [
        *(loader.train_batch(step) for step in range(20)),
        *loader.evaluation("test"),
        *loader.evaluation("train"),
    ]:
        for row, author in zip(packed.text, packed.authors.tolist()):
            ids, word = row[row > 0].tolist(), []
            for i in ids:
                if i == space:
                    assert wrote[tuple(word)] == author
                    word = []
                else:
                    word.append(i)
    dropped = loader_of(words, ["Ada", "Ben"], author_dropout=1)
    assert not any(dropped.train_batch(step).authors.any() for step in range(5))


def test_fresh_words_are_trained_on_and_held_out_texts_are_not():
    words, rng = words_of("Ada"), np.random.default_rng(0)
    loader = loader_of(words, ["Ada"], author_dropout=0)
    held_out = {loader.words[i].text for i in loader.test_ids}
    spared = [Word(text, "Ada", words[0].points) for text in [*held_out, "a", "the"]]
    assert {"a", "the"} <= evaluation_words()
    fresh = [
        Word("".join(rng.permutation(list("hello"))) + "tu", f"stranger {i % 5}", words[0].points)
        for i in range(200)
    ]
    before = [packed.tokens for packed in loader.evaluation("test")]
    loader.set_mixture(fresh + spared + [Word("q?", "Ada", words[0].points)])
    drawn, authors = set(), set()
    for step in range(60):
        packed = loader.train_batch(step)
        authors |= set(packed.authors.tolist())
        for row in packed.text:
            drawn |= set(
                "".join(loader.tokenizer.alphabet[i - 1] for i in row[row > 0].tolist()).split()
            )
    fresh_texts = {word.text for word in fresh}
    assert len(drawn & fresh_texts) > 20 and drawn - fresh_texts and authors == {0, 1}
    assert not drawn & (held_out | {"a", "the", "q?"})
    assert all(
        torch.equal(a, packed.tokens) for a, packed in zip(before, loader.evaluation("test"))
    )
    loader.set_mixture([])
    assert not any(
        word in fresh_texts
        for step in range(20)
        for row in loader.train_batch(step).text
        for word in "".join(loader.tokenizer.alphabet[i - 1] for i in row[row > 0].tolist()).split()
    )
