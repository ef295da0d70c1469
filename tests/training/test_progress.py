"""How far a long run is, in words that a person understands."""

import pytest

from cursivetransformer.training import progress as progresses
from cursivetransformer.training.progress import (
    Console,
    Progress,
    Stage,
    format_misread,
    format_seconds,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: a list with the time."""
    now = [0.0]
    monkeypatch.setattr(progresses.time, "monotonic", lambda: now[0])
    return now


def test_one_estimate_holds_for_all_stages_and_learns_how_fast_the_machine_is(clock):
    progress = Progress([Stage("read", 10, 1.0), Stage("write", 40, 2.0)])
    assert progress.seconds_left() == 90 and progress.fraction() == 0
    progress.begin("read")
    clock[0] = 15
    progress.reach("read", 5)
    # Three times as slow as expected, so the other stage will be too.
    assert progress.seconds_left() == 3 * 85 and progress.fraction() == pytest.approx(5 / 90)
    clock[0] = 30
    progress.finish("read")
    progress.begin("write")
    clock[0] = 40
    progress.reach("write", 10)  # faster than thought: its own speed counts now
    assert progress.seconds_left() == 30 and progress.fraction() == pytest.approx(40 / 70)
    clock[0] = 70
    progress.finish("write")
    assert progress.seconds_left() == 0 and progress.fraction() == 1


def test_what_was_done_before_an_interruption_takes_no_time(clock):
    progress = Progress([Stage("read", 10, 1.0)])
    clock[0] = 100
    progress.begin("read", 8)
    clock[0] = 102
    progress.reach("read", 9)
    assert progress.seconds_left() == 2 and progress.fraction() == 0.9


def test_where_no_terminal_is_there_is_a_line_every_few_seconds_at_most(clock, capsys):
    console, told = Console(), []
    for second in range(22):
        clock[0] = second
        console.progress(f"second {second}")
    console.say("done")
    Console(told.append, shown=False).progress("unseen")
    assert capsys.readouterr().out.splitlines() == ["second 0", "second 10", "second 20", "done"]
    assert told == []


def test_on_a_terminal_one_line_is_replaced_and_never_wraps(monkeypatch, capsys):
    monkeypatch.setattr(progresses.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "20")
    console = Console()
    console.progress("1% done " + "x" * 99)
    console.progress("2% done")
    console.say("a sentence")
    first, second = capsys.readouterr().out.split("\r\033[K")[1:]
    assert len(first) == 19 and second == "2% done\na sentence\n"


def test_a_line_says_first_what_a_writer_understands(clock, capsys):
    progress = Progress([Stage("the model learns", 100, 3.0, done=25)])
    progress.show("the model learns", "loss 1.234 nats per token", "12 of 100 letters misread")
    assert capsys.readouterr().out == (
        "25% done, 4 min left, 12 of 100 letters misread: "
        "the model learns (loss 1.234 nats per token)\n"
    )
    assert [format_seconds(s) for s in (0, 29, 61, 3599, 4800)] == [
        "less than a minute",
        "less than a minute",
        "1 min",
        "1 h 0 min",
        "1 h 20 min",
    ]
    assert [format_misread(e) for e in (0, 0.007, 0.123, 0.97, 1.63)] == [
        "0 of 100 letters",
        "0.7 of 100 letters",
        "12 of 100 letters",
        "nearly all letters",
        "nearly all letters",
    ]
