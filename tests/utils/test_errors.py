"""Tests of the exit codes of commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cursivetransformer.bank.registry import find_bank
from cursivetransformer.utils.errors import UserError, run_script


@pytest.mark.parametrize(
    "error, status, sentence",
    [
        (UserError("there is no bank"), 2, "error: there is no bank\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_mistake_and_an_interrupt_end_with_a_sentence(capsys, error, status, sentence):
    def fail():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_script(fail)
    assert (ended.value.code, capsys.readouterr().err) == (status, sentence)


def test_a_file_that_the_system_refuses_is_told_in_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        run_script(lambda: Path("n" * 300).stat())
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.startswith("error: nnn")
    assert told.endswith("nnn cannot be used: File name too long\n")
    with pytest.raises(ConnectionError):
        run_script(lambda: (_ for _ in ()).throw(ConnectionError("a bug, as it names no file")))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_output_is_told_in_a_sentence():
    script = "from cursivetransformer.utils.errors import *; run_script(lambda: print('words'))"
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    sentence = "error: the output cannot be used: its disk is full\n"
    assert (result.returncode, result.stderr) == (2, sentence)


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 / 0)


def test_a_sentence_never_repeats_a_long_argument(capsys):
    with pytest.raises(SystemExit):
        run_script(lambda: find_bank("9" * 5000 + ".json"))
    sentence = capsys.readouterr().err
    assert len(sentence) < 300 and sentence.startswith("error: 999")
    assert "999.json " in sentence
