"""Tests of the exit codes of commands."""

import pytest

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


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 / 0)
