"""Tests of the command `cursive`."""

import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

from cursivetransformer import __version__, cli
from cursivetransformer.bank.file import load_bank
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import shipped

ROOT = Path(__file__).parent.parent


def cursive(*arguments, folder=ROOT):
    """Run `python -m cursivetransformer` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "cursivetransformer", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments):
    result = cursive(*arguments)
    assert result.returncode == 0 and not result.stderr
    assert all(f"\n  {name} " in result.stdout for name in cli.COMMANDS)


def test_the_version_is_printed():
    result = cursive("--version")
    assert (result.returncode, result.stdout) == (0, f"cursive {__version__}\n")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["wirte"], "there is no command 'wirte'; cursive has write, record,"),
        (["bank", "chekc"], "there is no command 'chekc'; cursive bank has check, merge,"),
        (["synth", "--wrods", "5"], "there is no setting --wrods; did you mean --words?"),
        (["synth", "--fcaes", "own"], "there is no setting --fcaes; see --help"),
        (["bank", "check"], "the following arguments are required: bank; see --help"),
        (["bank", "check", "absent.json"], "absent.json"),
    ],
)
def test_a_mistake_exits_with_2_and_one_sentence(arguments, sentence, tmp_path):
    result = cursive(*arguments, folder=tmp_path)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr.startswith("error: ") and sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bank_is_checked(made_up_bank, made_up_words):
    result = cursive("bank", "check", made_up_bank)
    assert result.returncode == 0, result.stderr
    assert f"{len(made_up_words)} words, 0 faulty entries" in result.stdout
    entries = json.loads(made_up_bank.read_text())
    made_up_bank.write_text(json.dumps([*entries, {"no": "ink"}]))
    result = cursive("bank", "check", made_up_bank)
    assert result.returncode == 1 and "1 faulty entry," in result.stdout


def test_banks_are_merged(made_up_bank, made_up_words, tmp_path):
    result = cursive("bank", "merge", "all.json.zip", made_up_bank, made_up_bank, folder=tmp_path)
    assert result.stdout == f"all.json.zip: {len(made_up_words)} words\n", result.stderr
    assert len(load_bank(tmp_path / "all.json.zip")) == len(made_up_words)


def test_a_bank_is_advised_on(made_up_bank, tmp_path):
    result = cursive("bank", "advise", made_up_bank, folder=tmp_path)
    assert result.returncode == 0 and "loops-next.txt: " in result.stdout, result.stderr
    prompts = (tmp_path / "loops-next.txt").read_text(encoding="utf-8").splitlines()
    assert f"{len(prompts)} words to record next" in result.stdout
    cursive("bank", "advise", made_up_bank, "list.txt", folder=tmp_path)
    assert (tmp_path / "list.txt").read_text(encoding="utf-8").splitlines() == prompts


@pytest.mark.parametrize("has_browser", [True, False])
def test_the_recording_page_is_opened(monkeypatch, capsys, has_browser):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or has_browser)
    cli.record([])
    page = shipped("collect.html")
    assert opened == [page.as_uri()] and page.is_file()
    out = capsys.readouterr().out
    assert out.endswith(f"{page}\n") and ("no browser" in out) != has_browser


def test_a_model_is_exported(tmp_path, capsys):
    out = tmp_path / "b.pt"
    cli.export([str(shipped("base.pt")), str(out)])
    assert capsys.readouterr().out == f"{out}: {out.stat().st_size:,} bytes\n"
    assert load_checkpoint(out).training.keys() <= {"step", "best_loss", "seconds"}


@pytest.mark.parametrize("flag", ["--init", "--finetune"])
@pytest.mark.parametrize("command", ["train", "train-recognizer"])
def test_flags_of_earlier_versions_still_work(command, flag, tmp_path):
    arguments = [flag, "absent", "--start_from", "other", "--device", "cpu"]
    with pytest.raises(UserError, match="--finetune must be left out where --start_from"):
        cli.COMMANDS[command](arguments)


def test_usage_and_cures_name_the_command_as_it_was_called(tmp_path):
    usage = cursive("write", "--help", folder=tmp_path)
    assert usage.stdout.startswith("usage: cursive write")
    missing = cursive("evaluate", "--checkpoint", "none.pt", folder=tmp_path)
    assert missing.returncode == 2 and "train one with `cursive train`" in missing.stderr
