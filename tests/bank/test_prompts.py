"""Prompts and their coverage of characters and pairs."""

import string
from pathlib import Path

import numpy as np
import pytest

from cursivetransformer.bank.prompts import (
    EVERYDAY,
    FLAT_PROMPTS,
    MARKS,
    PROMPTS,
    WORDS,
    Coverage,
    choose_prompts,
    coverage,
    coverage_table,
    items_of,
    make_prompts,
    put_into_page,
    read_lines,
    save_prompts,
)
from cursivetransformer.config.synthesis import get_wordbank_args
from cursivetransformer.data.eval_texts import ENGLISH
from cursivetransformer.utils.errors import UserError

ROOT = Path(__file__).parent.parent.parent


def prompts_of(**settings):
    config = get_wordbank_args(use_argparse=False, **{"kind": "flat", **settings})
    return make_prompts(config, np.random.default_rng(config.seed))


@pytest.mark.parametrize("size, least", [(2500, 20), (1200, 8), (800, 3)])
def test_every_character_comes_often_enough_and_every_common_pair(size, least):
    prompts = prompts_of(size=size, least=least, seed=size)
    chars, pairs = coverage(prompts)
    assert len(prompts) == size
    assert (
        min(chars[char] for char in string.ascii_letters + string.digits + MARKS + "%+=@#*$")
        >= least
    )
    assert "0 missing" in coverage_table(prompts) and len(pairs) > 380


def test_the_shares_are_what_the_settings_say():
    plain = dict(
        size=800,
        least=0,
        pairs=0,
        short=0,
        random=0,
        numbers=0,
        capitals=0,
        all_capitals=0,
        punctuation=0,
        quotes=0,
        parentheses=0,
        joined=0,
        marks="",
    )
    words = set(read_lines(WORDS))
    assert set(prompts_of(**plain)) <= words
    share = lambda test, **settings: np.mean(
        [bool(test(prompt)) for prompt in prompts_of(**{**plain, **settings})]
    )
    assert share(lambda p: p[0].isdigit(), numbers=0.3) == pytest.approx(0.3, abs=0.05)
    assert share(lambda p: p not in words, random=0.5) == pytest.approx(0.5, abs=0.05)
    assert share(lambda p: p[0].isupper(), capitals=0.4) == pytest.approx(0.4, abs=0.05)
    assert share(lambda p: p[-1] in ".,;:!?", punctuation=0.3) == pytest.approx(0.3, abs=0.05)
    assert share(lambda p: p[0] == "(" and ")" in p, parentheses=0.2) == pytest.approx(
        0.2, abs=0.05
    )


def test_random_strings_are_flatter_than_english():
    words, strings = (
        coverage(read_lines(WORDS))[0],
        coverage(prompts_of(size=3000, random=1, short=0, numbers=0, least=0, pairs=0))[0],
    )
    rare = lambda counts: (
        sum(counts[char] for char in "jqxzvkw")
        / sum(counts[char] for char in string.ascii_lowercase)
    )
    assert rare(strings) > 2 * rare(words)


@pytest.mark.parametrize("kind, shipped", [("everyday", PROMPTS), ("flat", FLAT_PROMPTS)])
def test_what_ships_is_what_the_command_makes(tmp_path, kind, shipped):
    out = tmp_path / "again.txt"
    config = get_wordbank_args(use_argparse=False, kind=kind, out=str(out))
    save_prompts(config, lambda sentence: None)
    assert out.read_text() == shipped.read_text()
    assert len(set(read_lines(shipped))) == 2500


def test_the_flat_prompts_cover_every_character_and_pair():
    assert min(coverage(read_lines(FLAT_PROMPTS))[0].values()) >= 20
    assert "0 missing" in coverage_table(read_lines(FLAT_PROMPTS))


def share_of_pairs(texts, written):
    """Return the fraction of the pairs in texts that were written in others."""
    known = Coverage.of(written).pairs
    return np.mean([pair in known for text in texts for pair in items_of(text)[1]])


def test_the_first_hundred_everyday_prompts_serve_a_letter():
    prompts = read_lines(PROMPTS)
    first = prompts[:100]
    assert set(first) <= set(read_lines(EVERYDAY)), "no random strings"
    chars = coverage(first)[0]
    usual = string.ascii_letters + string.digits + ".,!?'\"-"
    assert all(chars[char] for char in usual), "every letter and digit comes"
    assert min(chars[char] for char in string.digits) >= 2
    # Four in five pairs of an English text have been written after 50 prompts, nine in ten after
    # 100, beginnings and ends of words among them.
    flat = read_lines(FLAT_PROMPTS)
    for name, chosen in (
        ("everyday", first),
        ("flat", choose_prompts(flat, 100, Coverage.of(flat))),
    ):
        shares = [share_of_pairs(ENGLISH.split(), chosen[:n]) for n in (50, 100)]
        n_characters = sum(map(len, chosen))
        print(f"{name}: {n_characters} characters, pairs {shares[0]:.1%} and {shares[1]:.1%}")
        assert shares[0] > 0.8 and shares[1] > 0.9
    assert {"It is", "Dear Anna,", "12:30"} <= set(prompts[:300])
    assert any(prompt.startswith("I am") for prompt in first)
    assert chars["."] >= 5 and chars[","] >= 5, "as the end of a word, where a letter has them"
    said = {word for prompt in first for word in prompt.split()}
    assert {"I", "It", "the", "of", "you", "have", "Dear"} <= said


def test_a_prompt_gains_less_the_more_of_it_was_written():
    wanted = Coverage.of(["the cat"] * 10)
    written = Coverage.of([])
    first = written.gain("the", wanted)
    written.add("the")
    assert 0 < written.gain("the", wanted) < first
    assert written.gain("cat", wanted) > written.gain("the", wanted)
    assert written.gain("xyz", wanted) == 0
    assert choose_prompts(["xyz", "the", "cat", "cat"], 9, wanted) == ["the", "cat", "xyz"]
    assert choose_prompts(["the", "cat"], 1, wanted, done={"the"}) == ["cat"]


def test_the_recording_page_carries_the_prompts_that_ship_and_takes_others(tmp_path):
    page = (ROOT / "collect.html").read_text(encoding="utf-8")
    assert f'id="wordbank">\n{PROMPTS.read_text()}</script>' in page
    assert f'id="flat-wordbank">\n{FLAT_PROMPTS.read_text()}</script>' in page
    again = tmp_path / "again.html"
    again.write_text(page, encoding="utf-8")
    config = get_wordbank_args(use_argparse=False, page=str(again))
    save_prompts(config, lambda sentence: None)
    assert again.read_text(encoding="utf-8") == page, "English too is what the command makes"
    other = tmp_path / "other.html"
    other.write_text(page, encoding="utf-8")
    put_into_page(other, [r"a\1", "b&c"])
    assert '<script type="text/plain" id="wordbank">\na\\1\nb&c\n</script>' in other.read_text(
        encoding="utf-8"
    )
    changed = other.read_text(encoding="utf-8").replace("'sha256-", "'sha256-stale")
    other.write_text(changed, encoding="utf-8")
    put_into_page(other, read_lines(PROMPTS))
    assert other.read_text(encoding="utf-8") == page
    put_into_page(other, ["other"], list_id="flat-wordbank")
    lines = other.read_text(encoding="utf-8")
    assert 'id="flat-wordbank">\nother\n</script>' in lines
    assert f'id="wordbank">\n{PROMPTS.read_text()}</script>' in lines
    for path, prompts, sentence in (
        (PROMPTS, ["a"], "has no list of prompts"),
        (tmp_path / "none.html", ["a"], "cannot be read"),
        (other, ["</Script>"], "would end the page's list"),
    ):
        with pytest.raises(UserError, match=sentence):
            put_into_page(path, prompts)


def test_mistakes_are_told():
    for settings, sentence in (
        (dict(random=0.9, short=0.5), "--random must be so small"),
        (dict(size=0), "--size"),
        (dict(marks="é"), "printable ASCII"),
    ):
        with pytest.raises(UserError, match=sentence):
            get_wordbank_args(use_argparse=False, **settings)
