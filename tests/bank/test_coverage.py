"""What a small bank lacks, and what to record next."""

import string
from collections import Counter

import numpy as np
import pytest

from cursivetransformer.bank.coverage import (
    MIN_WORDS,
    advise,
    missing_and_rare_characters,
    next_prompts,
    odd_words,
)
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import PROMPTS, Coverage, coverage, read_lines
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.cli import bank_advise
from cursivetransformer.ink.strokes import resize
from cursivetransformer.utils.errors import UserError
from tests.shapes import shape_words

POINTS = np.array([[0, 0, 1], [0.1, -0.14, 1], [0.2, 0, 0]], np.float32)


def words_of(*texts):
    return [Word(text, "Ada", POINTS) for text in texts]


def test_characters_that_lack_are_named_letters_first():
    text = string.ascii_letters.replace("q", "").replace("Z", "") + "..."
    missing, rare = missing_and_rare_characters(words_of(text, text, text, "q"))
    assert missing[:2] == [",", "Z"] and "." not in missing and rare == ["q"]


def test_the_next_prompts_bring_what_lacks():
    words = words_of(
        *[char * 12 for char in string.ascii_letters + string.digits if char not in "kx"]
    )
    chosen = next_prompts(words, 12)
    assert len(set(chosen)) == 12 and set(chosen) <= set(read_lines(PROMPTS))
    counts = Counter("".join(next_prompts(words, 40)))
    assert counts["k"] >= 3 and counts["x"] >= 1
    assert coverage(next_prompts([], 60))[0].keys() >= set(string.ascii_lowercase)
    assert next_prompts(words_of("ab", "ba"), 5, ["ab", "ba"]) == []
    wanted = Coverage.of(["then", "other"])
    assert next_prompts([], 1, ["xyz", "the"], wanted) == ["the"]


def test_a_recorded_phrase_is_not_offered_again():
    whole = next_prompts([], 300)
    phrase = next(text for text in whole if " " in text)
    words = [Word(text, "Ada", POINTS, {"phrase": phrase}) for text in phrase.split()]
    assert phrase in whole and phrase not in next_prompts(words, 300)
    missing, rare = missing_and_rare_characters(words_of("I don't", "ab"))
    assert " " not in missing + rare


def test_words_unlike_the_others_are_named_and_an_uneven_hand_is_told():
    words = shape_words(40, seed=1)
    odd, uneven = odd_words(words)
    words[7].points = resize(words[7].points, 4)
    found, _ = odd_words(words)
    assert 7 in found and "size" in found[7] and set(found) - {7} <= set(odd)
    rng = np.random.default_rng(0)
    for word in words:
        word.points = resize(word.points, np.exp(rng.normal(0, 0.5)))
    assert any("size" in sentence for sentence in odd_words(words)[1])


def test_real_and_synthetic_hands_are_even():
    words = [word for word in load_banks("starter")[0] if word.author == "Dov"]
    odd, uneven = odd_words(words)
    assert uneven == [] and len(odd) < 0.03 * len(words)


@pytest.mark.parametrize(
    "n, said, listed", [(5, "too few", 95), (30, "first impression", 70), (150, "", 30)]
)
def test_advice_fits_the_size_of_the_bank(n, said, listed):
    messages, prompts = advise(words_of(*["abc" + "de" * (i % 7) for i in range(n)]))
    assert said in messages[0] and len(prompts) == listed
    assert any(
        sentence.startswith("never recorded: ") and " f " in sentence for sentence in messages
    )


def test_a_complete_bank_needs_no_list():
    messages, prompts = advise(words_of(*read_lines(PROMPTS)[:900]))
    assert prompts == [] and not any(
        "lack" in sentence or "never" in sentence for sentence in messages
    )


def test_the_command_writes_a_list_that_the_page_takes(tmp_path, monkeypatch, capsys):
    write_entries(tmp_path / "mine.json", [word_to_entry(word) for word in shape_words(12)])
    monkeypatch.chdir(tmp_path)
    bank_advise([str(tmp_path / "mine.json")])
    messages = capsys.readouterr().out
    assert f"{MIN_WORDS - 12} more at least" in messages and "mine-next.txt: 88 words" in messages
    lines = (tmp_path / "mine-next.txt").read_text().splitlines()
    assert len(lines) == 88 and all(line.strip() == line and line for line in lines)
    bank_advise([str(tmp_path / "mine.json"), str(tmp_path / "other.txt")])
    assert (tmp_path / "other.txt").read_text().splitlines() == lines
    with pytest.raises(UserError, match="bank"):
        bank_advise([])
