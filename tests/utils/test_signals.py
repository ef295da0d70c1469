"""Tests of Ctrl-C and SIGTERM."""

import os
import signal

import pytest

from cursivetransformer.utils.signals import Stopped, signals_interrupt, stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_at_once_or_where_the_work_can_be_saved(number):
    before = signal.getsignal(number)
    with signals_interrupt():
        with stop_signals() as stop:
            os.kill(os.getpid(), number)
            assert stop.signal == number
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), number)
        assert stopped.value.args == (number,)
    assert signal.getsignal(number) == before
