"""Words that are written while a model trains."""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import FLAT_PROMPTS, read_lines
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.config.train import get_all_args
from cursivetransformer.synthesis import online
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.online import (
    WORDS_PER_NEW_HAND,
    OnlineSynthesizer,
    RemoteError,
    hands_of_bank,
    synthesize_batch,
)
from cursivetransformer.synthesis.synthesizer import make_hands, write_bank
from cursivetransformer.training import run as runs
from cursivetransformer.training.run import train
from cursivetransformer.utils.errors import UserError
from tests.training.test_trainer import SMALL

ROOT = Path(__file__).parent.parent.parent
SETTINGS = SimpleNamespace(
    seed=3, synthetic_words=120, synthetic_named_fraction=0.5, synthetic_fonts="own"
)
# A batch of these takes minutes.
LONG = SimpleNamespace(**{**vars(SETTINGS), "synthetic_words": 60_000})
OWN = load_fonts("own")


@pytest.fixture(scope="module")
def bank():
    """Words of two synthetic hands."""
    return list(write_bank(read_lines(FLAT_PROMPTS)[:60], make_hands(OWN, 2), 0))


@pytest.fixture
def synthesizer(bank):
    synthesizer = OnlineSynthesizer(bank, SETTINGS)
    yield synthesizer
    synthesizer.close()


def same(words, others):
    return [word.text for word in words] == [word.text for word in others] and all(
        np.array_equal(a.points, b.points) for a, b in zip(words, others)
    )


def test_the_hands_of_a_bank_are_made_again(bank):
    hands = hands_of_bank(bank, OWN)
    assert [hand.name for hand in hands] == ["Ada", "Ben"]
    assert hands[1].parameters == make_hands(OWN, 2)[1].parameters
    bank[0].metadata.pop("writerSeed")
    assert len(hands_of_bank(bank[:1], OWN)) == 0
    bank[0].metadata["writerSeed"] = 1


def test_a_batch_is_a_function_of_its_number(bank):
    one, again, other = (synthesize_batch(bank, SETTINGS, number) for number in (4, 4, 5))
    assert same(one, again) and not same(one, other) and len(one) == 120
    authors = [word.author for word in one]
    assert authors.count("Ada") == authors.count("Ben") == 30
    new = {author for author in authors if author not in ("Ada", "Ben")}
    assert len(new) == -(-60 // WORDS_PER_NEW_HAND)
    assert not new & {word.author for word in other}
    assert all(author.startswith("stranger 1000") for author in new)


def test_another_process_writes_the_next_batch(bank, synthesizer):
    for number in (0, 1, 5, 6):
        assert same(synthesizer.words(number), synthesize_batch(bank, SETTINGS, number))


def test_numbers_may_come_in_any_order(bank, synthesizer):
    expected = {number: synthesize_batch(bank, SETTINGS, number) for number in (0, 1, 7)}
    for number in (7, 0, 0, 1, 0, 7, 1):
        assert same(synthesizer.words(number), expected[number])


def test_the_next_batch_is_written_ahead(synthesizer):
    synthesizer.words(3)
    worker = synthesizer._workers[0]
    assert worker.connection.poll(60)
    assert online._receive(worker.connection, worker.process).number == 4


def test_several_processes_write_what_one_writes(bank):
    synthesizer = OnlineSynthesizer(bank, SETTINGS, 3)
    try:
        for number in (2, 3, 0):
            assert same(synthesizer.words(number), synthesize_batch(bank, SETTINGS, number))
    finally:
        synthesizer.close()


def test_an_error_in_the_other_process_is_raised_as_it_was(bank):
    settings = SimpleNamespace(**{**vars(SETTINGS), "synthetic_fonts": "gothic"})
    synthesizer = OnlineSynthesizer(bank, settings)
    try:
        for number in (0, 1):
            with pytest.raises(UserError, match="not 'gothic'") as caught:
                synthesizer.words(number)
            assert isinstance(caught.value.__cause__, RemoteError)
            assert "in load_fonts" in str(caught.value.__cause__)
    finally:
        synthesizer.close()


def test_ctrl_c_in_the_terminal_leaves_the_other_process_alone(bank, synthesizer):
    synthesizer.words(0)
    os.kill(synthesizer._workers[0].process.pid, signal.SIGINT)
    for number in (1, 2, 3):
        assert same(synthesizer.words(number), synthesize_batch(bank, SETTINGS, number))


def _die_while_sending(connection, words, config, worker, n_workers):
    """Send the beginning of a reply, then die. Runs in the other process."""
    os.write(connection.fileno(), struct.pack("!i", 1000) + b"half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_in_the_middle_of_its_words_is_told_and_not_waited_for(
    bank, monkeypatch
):
    """Regression: the trainer waited for the rest for ever, and so did Python's exit."""
    monkeypatch.setattr(online, "_serve_batches", _die_while_sending)
    synthesizer, messages = OnlineSynthesizer(bank, SETTINGS), []

    def ask():
        try:
            synthesizer.words(0)
        except UserError as error:
            messages.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    assert not asking.is_alive() and "was killed" in messages[0]
    synthesizer.close()


def test_closing_does_not_wait_for_words(bank):
    """Ctrl-C must not hang until thousands of words are written that nobody will read."""
    synthesizer = OnlineSynthesizer(bank, LONG)
    worker = online._start_worker(bank, LONG, 0, 1)
    synthesizer._workers = [worker]
    worker.connection.send(0)
    time.sleep(1)
    start = time.monotonic()
    synthesizer.close()
    assert not worker.process.is_alive() and time.monotonic() - start < 5
    synthesizer.close()  # again


def test_a_process_that_was_killed_is_told(synthesizer):
    synthesizer.words(0)
    synthesizer._workers[0].process.kill()
    with pytest.raises(UserError, match="was killed"):
        for number in range(5, 10):
            synthesizer.words(number)


def test_a_process_that_is_killed_while_it_is_waited_for_is_told(bank):
    synthesizer, messages = OnlineSynthesizer(bank, LONG), []

    def ask():
        with pytest.raises(UserError, match="was killed") as caught:
            synthesizer.words(0)
        messages.append(str(caught.value))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(2)
    synthesizer._workers[0].process.kill()
    asking.join(10)
    assert not asking.is_alive() and len(messages) == 1
    synthesizer.close()


EXIT = """
from types import SimpleNamespace
from cursivetransformer.synthesis.online import OnlineSynthesizer
settings = SimpleNamespace(
    seed=3, synthetic_words=2000, synthetic_named_fraction=0.5, synthetic_fonts="own"
)
synthesizer = OnlineSynthesizer([], settings)
print(len(synthesizer.words(0)), synthesizer._workers[0].process.pid, flush=True)
"""


@pytest.mark.parametrize("ending", ["", "raise SystemExit", "import os; os._exit(0)"])
def test_exit_does_not_wait_for_words_and_leaves_no_process(ending):
    """The other process is in the middle of the next batch when this one exits."""
    result = subprocess.run(
        [sys.executable, "-c", EXIT + ending],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0 and not result.stderr, result.stderr
    n_words, pid = map(int, result.stdout.split())
    assert n_words == 2000
    deadline = time.monotonic() + 30
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_running(pid)


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_run_that_is_resumed_goes_on_with_the_fresh_words_of_its_step(
    bank, tmp_path, monkeypatch
):
    """Interrupted after a batch of fresh words was taken, not at its start."""
    monkeypatch.setattr(runs, "draw_samples", lambda model, stream, path: path.write_bytes(b""))
    write_entries(tmp_path / "two.json", [word_to_entry(word) for word in bank])

    def run(name, max_steps, **changes):
        return train(
            get_all_args(
                use_argparse=False,
                **{**SMALL, "log_every": 3},
                dataset_name=str(tmp_path / "two.json"),
                run_dir=str(tmp_path / "runs"),
                read_words=0,
                wandb_run_name=name,
                max_steps=max_steps,
                **changes,
            ),
            lambda sentence: None,
        ).parent

    pen = dict(synthetic_words=40, synthetic_interval=2, synthetic_fonts="own", schedule="step")
    whole, plain = run("whole", 6, **pen), run("plain", 6, schedule="step")
    parts = run("parts", 3, **pen)
    train(
        get_all_args(use_argparse=False, resume=str(parts), max_steps=6, device="cpu"),
        lambda sentence: None,
    )
    losses = [
        [
            json.loads(line).get("test_loss")
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ][-1]
        for folder in (whole, parts, plain)
    ]
    assert losses[0] == losses[1] != losses[2]
