"""Texts to evaluate on: which words they hold, and how random strings resemble a bank's."""

import string

import numpy as np

from cursivetransformer.data.eval_texts import (
    DIGITS_AND_PUNCTUATION,
    ENGLISH,
    random_strings,
    text_sets,
)

ALPHABET = string.printable
TEXTS = ["Shtz", "61582.", "pusqs", "UNGO", '"itp', "3.9"] * 5


def test_no_word_was_trained_on_and_all_can_be_spelt() -> None:
    plain, none = text_sets(ALPHABET, TEXTS)
    assert none == 0 and list(plain) == ["English", "random", "digits and punctuation"]
    assert (
        plain["English"] == ENGLISH.split()
        and plain["digits and punctuation"] == DIGITS_AND_PUNCTUATION.split()
    )
    fewer, left_out = text_sets(string.ascii_letters + ".", [*TEXTS, "ferry", "coffee"])
    words = [word for words in fewer.values() for word in words]
    assert (
        left_out > 0
        and {"ferry", "coffee"}.isdisjoint(words)
        and set("".join(words)) <= set(string.ascii_letters + ".")
    )
    assert "digits and punctuation" in fewer and "soon" not in fewer["digits and punctuation"]


def test_the_english_has_every_small_letter() -> None:
    assert set(string.ascii_lowercase) <= set(ENGLISH)


def test_random_strings_are_like_a_banks_and_none_of_them() -> None:
    made = random_strings(TEXTS, 100, np.random.default_rng(0))
    assert (
        made
        == random_strings(TEXTS, 100, np.random.default_rng(0))
        != random_strings(TEXTS, 100, np.random.default_rng(1))
    )
    assert len(set(made)) == 100 and not set(made) & set(TEXTS)

    def pattern(text: str) -> str:
        return "".join(
            "9" if char.isdigit() else "A" if char.isupper() else "a" if char.isalpha() else "."
            for char in text
        )

    assert {pattern(text) for text in made} <= {pattern(text) for text in TEXTS}
    assert random_strings(["a"], 10, np.random.default_rng(0)) == []
