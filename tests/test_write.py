"""From a text to a file, as `sample.py` does it: python -m pytest tests/test_write.py"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cursivetransformer.config import get_all_args
from cursivetransformer.trainer import train
from tests.made_up import made_up_words
from tests.test_trainer import SMALL

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A folder with one short run."""
    from cursivetransformer.bank import write_entries
    from cursivetransformer.bank_entry import word_to_entry

    folder = tmp_path_factory.mktemp("write")
    write_entries(folder / "loops.json", [word_to_entry(word) for word in made_up_words()])
    train(get_all_args(use_argparse=False, **{**SMALL, "log_every": 40}, max_steps=40, dataset_name=str(folder / "loops.json"),
                       run_dir=str(folder / "runs"), wandb_run_name="a"))
    return folder / "runs"


def sample(run_dir, *arguments):
    command = [sys.executable, str(ROOT / "sample.py"), "--run_dir", str(run_dir), *arguments]
    return subprocess.run(command, cwd=run_dir.parent, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_a_text_becomes_a_picture_and_the_same_seed_the_same_bytes(run_dir, tmp_path):
    pages = []
    for i, seed in enumerate("778"):
        out = tmp_path / f"{i}.svg"
        result = sample(run_dir, "hello trust\nbad", "--out", str(out), "--seed", seed, "--line-width", "40")
        assert result.returncode == 0 and f"wrote 3 words to {out}" in result.stdout, result.stderr
        pages.append(out.read_bytes())
    assert pages[0] == pages[1] != pages[2]
    assert len(list(ET.fromstring(pages[0]).iter("{http://www.w3.org/2000/svg}path"))) >= 3
    assert sample(run_dir, "ab", "--out", str(tmp_path / "a.png")).returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments, sentence", [
    (["hello", "world"], "put a text of several words in quotes"),
    ([], "there is no text to write"),
    (["   "], "there is no text to write"),
    (["hi Zoë"], "never seen 'Z', 'ë'"),
    (["hi", "--out", "a.doc"], "must be one of .svg, .png"),
    (["hi", "--out", "loops.json/a.svg"], "cannot be written"),
    (["hi", "--checkpoint", "none.pt"], "there is no checkpoint none.pt"),
    (["hi", "--checkpoint", "loops.json"], "not a checkpoint of this program"),
    (["hi", "--author", "Adda"], "knows no author 'Adda'"),
    (["h" * 100], "break the word"),
])
def test_mistakes_are_one_sentence_exit_code_2_and_no_file(run_dir, arguments, sentence):
    before = set(run_dir.parent.iterdir())
    result = sample(run_dir, *arguments)
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and sentence in result.stderr, result.stderr
    assert set(run_dir.parent.iterdir()) == before


def test_a_missing_character_may_be_skipped_and_quotes_are_folded(run_dir, tmp_path):
    result = sample(run_dir, "hi Zoë’s", "--missing", "skip", "--out", str(tmp_path / "a.svg"))
    assert result.returncode == 0 and "wrote 2 words" in result.stdout


def test_an_author_writes_in_one_hand_and_all_hands_are_shown(run_dir, tmp_path):
    """The made-up bank has one author, whom a model takes unless told otherwise."""
    pages = []
    for i, author in enumerate(["", "nobody", "unknown"]):
        out = tmp_path / f"{i}.svg"
        assert sample(run_dir, "hello", "--out", str(out), *(["--author", author] if author else [])).returncode == 0
        pages.append(out.read_bytes())
    assert pages[0] == pages[1] != pages[2]
    result = sample(run_dir, "hello bad", "--list-authors", "--out", str(tmp_path / "hands.png"))
    assert result.returncode == 0 and result.stdout.splitlines()[-3:-1] == ["nobody", "unknown"] and "drew 2 hands" in result.stdout, result.stderr
    assert (tmp_path / "hands.png").read_bytes().startswith(b"\x89PNG")
