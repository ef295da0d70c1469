"""Prompts and their coverage of characters and pairs."""

import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cursivetransformer.bank.prompts import (
    MARKS,
    PROMPTS,
    WORDS,
    coverage,
    coverage_table,
    make_prompts,
    put_into_page,
    read_lines,
)
from cursivetransformer.config.synthesis import get_wordbank_args
from cursivetransformer.utils.errors import UserError

ROOT = Path(__file__).parent.parent.parent


def prompts_of(**settings):
    config = get_wordbank_args(use_argparse=False, **settings)
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


def test_what_ships_covers_what_it_should_and_is_what_the_command_makes(tmp_path):
    out = tmp_path / "again.txt"
    result = subprocess.run(
        [sys.executable, "-m", "cursivetransformer", "bank", "prompts", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0 and "0 missing" in result.stdout
    assert out.read_text() == PROMPTS.read_text()
    assert min(coverage(read_lines(PROMPTS))[0].values()) >= 20


def test_the_recording_page_carries_the_prompts_that_ship_and_takes_others(tmp_path):
    page = (ROOT / "collect.html").read_text(encoding="utf-8")
    assert f'id="wordbank">\n{PROMPTS.read_text()}</script>' in page
    other = tmp_path / "other.html"
    other.write_text(page, encoding="utf-8")
    put_into_page(other, [r"a\1", "b&c"])
    assert '<script type="text/plain" id="wordbank">\na\\1\nb&c\n</script>' in other.read_text(
        encoding="utf-8"
    )
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
