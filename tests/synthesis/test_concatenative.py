"""New words in a hand from recorded ones."""

import string
from dataclasses import replace

import numpy as np
import pytest

from cursivetransformer.bank.prompts import WORDS, read_lines
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.eval_texts import evaluation_words
from cursivetransformer.ink import measures
from cursivetransformer.ink.augment import transform
from cursivetransformer.recognition.recognizer import SHIPPED, load_recognizer
from cursivetransformer.synthesis.concatenative import make_spliced_words

N = 60


def hand_slant(words):
    return measures.hand_slant([word.points for word in words])


@pytest.fixture(scope="module")
def recognizer():
    return load_recognizer(SHIPPED / "starter" / "selection.pt")


def test_spliced_words_are_read_as_their_texts_and_half_are_everyday_ones_but_no_judged_ones(
    recognizer,
):
    words = [word for word in load_banks("starter")[0] if word.author == "Ada"]
    everyday = set(read_lines(WORDS))
    made = make_spliced_words(get_all_args(use_argparse=False, splice_words=N), words, recognizer)
    texts = [word.text for word in made]
    assert (
        0.6 * N <= len(made) <= N
        and {word.author for word in made} == {"Ada"}
        and not evaluation_words() & set(texts)
    )
    assert recognizer.read([word.points for word in made]) == texts
    english = [text.strip(string.punctuation).lower() in everyday for text in texts]
    assert np.mean(english[-15:]) > np.mean(english[:15]) + 0.3


def test_each_hand_has_new_words_of_its_own_in_its_share(recognizer):
    bank = load_banks("starter")[0]
    words = [word for word in bank if word.author == "Ada"][:80] + [
        word for word in bank if word.author == "Ben"
    ][:40]
    made = make_spliced_words(get_all_args(use_argparse=False, splice_words=N), words, recognizer)
    ada, ben = (sum(word.author == name for word in made) for name in ("Ada", "Ben"))
    assert ada + ben == len(made) and ben >= 8 and 1.3 < ada / ben < 3.5
    assert all(word.points[:, 0].min() == 0 for word in made)


def test_a_slanted_hand_is_cut_as_well_as_an_upright_one(recognizer):
    words = [word for word in load_banks("starter")[0] if word.author == "Ada"][:80]
    upright = -hand_slant(words)
    made = {}
    for slant in (upright, upright + 0.65):
        slanted = [
            replace(
                word, points=transform(word.points, np.array([[1, 0], [-slant, 1]], np.float32))
            )
            for word in words
        ]
        assert hand_slant(slanted) == pytest.approx(slant - upright, abs=0.15)
        made[slant] = make_spliced_words(
            get_all_args(use_argparse=False, splice_words=N), slanted, recognizer
        )
        assert hand_slant(made[slant]) == pytest.approx(slant - upright, abs=0.2)
    assert len(made[upright + 0.65]) > 0.75 * len(made[upright])


def test_no_words_make_none(recognizer):
    assert (
        make_spliced_words(get_all_args(use_argparse=False, splice_words=N), [], recognizer) == []
    )
