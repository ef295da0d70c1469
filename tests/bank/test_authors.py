"""Authors and their indices, in a bank and in the batches of a loader."""

import numpy as np
import pytest
import torch

from cursivetransformer.bank.authors import (
    ME,
    assign_hands,
    author_indices,
    author_names,
    describe_hands,
    find_author,
    hand_indices,
    name_hands,
    offered_authors,
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


def test_only_the_hands_that_a_model_was_fine_tuned_to_are_offered():
    names = ["Mia", "Edith", "Ada"]
    assert offered_authors(names, []) == names
    assert offered_authors(names, {"Mia": "abc"}) == ["Mia"]
    assert find_author("ada", names, ["Edith", "Ada"]) == 3, "the index is that of the model"
    with pytest.raises(UserError, match="mia.pt writes as Mia; the hand of edith .* base$"):
        find_author("edith", names, ["Mia"], "mia.pt")
    with pytest.raises(UserError, match="mia.pt knows no author 'Max'; did you mean Mia?"):
        find_author("Max", names, ["Mia"], "mia.pt")


@pytest.mark.parametrize(
    "authors, hands, expected",
    [
        (["unknown"], "auto", {"unknown": ME}),
        (["Mia", "unknown"], "auto", {"Mia": "Mia", "unknown": "Mia"}),
        (
            ["Mia K", "Mia K", "mia  k", "MiaK "],
            "auto",
            dict.fromkeys(["Mia K", "mia  k", "MiaK "]),
        ),
        (["Mia", "Tom", "unknown", "tom"], "auto", {"Mia": "Mia", "unknown": ME}),
        (["Tom", "Mia", "unknown", "tom"], "one", {"Mia": "Tom", "unknown": "Tom", "tom": "Tom"}),
        (["Mia", "mia", "unknown"], "named", {"Mia": "Mia", "mia": "mia", "unknown": ME}),
    ],
)
def test_one_bank_is_one_hand_unless_its_names_say_otherwise(authors, hands, expected):
    words = words_of(*authors)
    names = name_hands(words, hands)
    assert names.keys() == set(authors)
    for author, hand in expected.items():
        assert names[author] == (hand or "Mia K")
    named = assign_hands(words, hands)
    assert [word.author for word in named] == [names[word.author] for word in words]
    assert all(a.points is b.points for a, b in zip(named, words))


def test_a_sentence_says_which_hands_there_are_where_one_may_not_expect_it():
    assert describe_hands(words_of("Mia"), "auto") == ""
    assert describe_hands(words_of("unknown"), "auto") == ""
    joined = describe_hands(words_of("Mia", "unknown")[:5], "auto")
    assert joined.startswith("the 5 words are taken for one hand, Mia, also 2 without a name; ")
    several = describe_hands(words_of("Mia", "Tom", "mia")[:6], "auto")
    assert several == (
        "the words are by 2 hands, Mia (4 words) and Tom (2 words); --hands one takes them for one"
    )


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
