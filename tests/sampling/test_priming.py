"""Recorded words whose style is followed."""

import pytest

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.ink.augment import downsample
from cursivetransformer.sampling.priming import find_primer
from cursivetransformer.utils.errors import UserError
from tests.made_up import LETTERS, made_up_words

TOKENIZER = make_tokenizer("polar", LETTERS)


@pytest.fixture
def bank(tmp_path):
    words = made_up_words(10)
    for word in words[5:]:
        word.author = "Ada Byron"
    path = tmp_path / "words.json"
    write_entries(path, [*map(word_to_entry, words), {"metadata": {}, "points": []}])
    return path


def test_an_entry_is_found_by_its_number_and_thinned(bank):
    word = find_primer(f"{bank}#7", TOKENIZER, 0.6, 30)
    whole = find_primer(f"{bank}#7", TOKENIZER, 0.0, 30)
    assert word.text == whole.text == made_up_words(10)[7].text and word.author == "Ada Byron"
    assert (word.points == downsample(whole.points, 0.6)).all() and len(word.points) < 0.5 * len(
        whole.points
    )


def test_an_author_s_longest_word_of_up_to_eight_letters_is_taken(bank):
    word = find_primer(f"{bank}#ada byron", TOKENIZER, 0.0, 30)
    assert word.author == "Ada Byron" and len(word.text) == max(
        len(word.text) for word in made_up_words(10)[5:]
    )
    assert find_primer(str(bank), TOKENIZER, 0.0, 4).text in [
        word.text for word in made_up_words(10) if len(word.text) == 4
    ]


@pytest.mark.parametrize(
    "what, sentence",
    [
        ("#11", "entries 0 to 10"),
        ("#10", "entry 10 is faulty"),
        ("#Bob", "no words by 'Bob'; it has Ada Byron, nobody"),
        ("x#1", "there is no file"),
    ],
)
def test_what_is_not_there_is_told(bank, what, sentence):
    with pytest.raises(UserError, match=sentence):
        find_primer(f"{bank}{what}", TOKENIZER, 0.0, 30)


def test_what_cannot_be_followed_is_told(bank):
    with pytest.raises(UserError, match="never seen"):
        find_primer(f"{bank}#7", make_tokenizer("polar", "z"), 0.0, 30)
    with pytest.raises(UserError, match="too long"):
        find_primer(f"{bank}#7", TOKENIZER, 0.0, 1)
    with pytest.raises(UserError, match="no word there is short enough"):
        find_primer(str(bank), make_tokenizer("polar", "z"), 0.0, 30)


def test_an_entry_of_an_empty_bank_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "empty.json"
    path.write_text("[]")
    with pytest.raises(UserError, match="empty.json has no entries"):
        find_primer(f"{path}#0", make_tokenizer("polar", "abc"), 0.0, 10)
