"""Ink written while a model trains: python -m pytest tests/test_fresh_ink.py"""

import json
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import PROMPTS, read_lines
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.config.train import get_all_args
from cursivetransformer.synthesis import online as fresh_ink
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.online import (
    WORDS_OF_A_STRANGER,
    FreshInk,
    named_writers,
    write_fresh,
)
from cursivetransformer.synthesis.synthesizer import make_hands, write_bank
from cursivetransformer.training import trainer as trainers
from cursivetransformer.training.trainer import train
from cursivetransformer.utils.errors import UserError
from tests.training.test_trainer import SMALL

SETTINGS = SimpleNamespace(
    seed=3, synthetic_words=120, synthetic_named_fraction=0.5, synthetic_fonts="own"
)
OWN = load_fonts("own")


@pytest.fixture(scope="module")
def bank():
    """Words of two synthetic writers."""
    return list(write_bank(read_lines(PROMPTS)[:60], make_hands(OWN, 2), 0))


def same(words, others):
    return [word.text for word in words] == [word.text for word in others] and all(
        np.array_equal(a.points, b.points) for a, b in zip(words, others)
    )


def test_the_writers_of_a_bank_are_known_again(bank):
    writers = named_writers(bank, OWN)
    assert [writer.name for writer in writers] == ["Ada", "Ben"]
    assert writers[1].parameters == make_hands(OWN, 2)[1].parameters
    bank[0].metadata.pop("writerSeed")
    assert len(named_writers(bank[:1], OWN)) == 0
    bank[0].metadata["writerSeed"] = 1


def test_a_batch_is_a_function_of_its_number(bank):
    one, again, other = (write_fresh(bank, SETTINGS, number) for number in (4, 4, 5))
    assert same(one, again) and not same(one, other) and len(one) == 120
    authors = [word.author for word in one]
    assert authors.count("Ada") == authors.count("Ben") == 30
    strangers = {author for author in authors if author not in ("Ada", "Ben")}
    assert len(strangers) == -(-60 // WORDS_OF_A_STRANGER) and not strangers & {
        word.author for word in other
    }


def test_another_process_writes_the_next_batch(bank):
    fresh = FreshInk(bank, SETTINGS)
    try:
        for number in (0, 1, 5, 6):
            assert same(fresh.words(number), write_fresh(bank, SETTINGS, number))
    finally:
        fresh.close()


def _die_while_sending(*arguments):
    """Run by the other process: the beginning of a result, then nothing."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 1000) + b"half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_in_the_middle_of_its_words_is_told_and_not_waited_for(
    bank, monkeypatch
):
    """The pool waited for the rest for ever, and so did Python's exit."""
    monkeypatch.setattr(fresh_ink, "write_fresh", _die_while_sending)
    fresh, told = FreshInk(bank, SETTINGS), []

    def ask():
        try:
            fresh.words(0)
        except UserError as error:
            told.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    fresh.close()
    assert not asking.is_alive() and "was killed" in told[0]


def test_closing_does_not_wait_and_a_killed_process_is_told(bank):
    """Ctrl-C must not hang until thousands of words are written that nobody will read."""
    fresh = FreshInk(bank, SimpleNamespace(**{**vars(SETTINGS), "synthetic_words": 60_000}))
    fresh._submit(0)
    time.sleep(1)
    start = time.monotonic()
    fresh.close()
    assert not [
        process
        for process in multiprocessing.active_children()
        if process not in fresh._others and not process.join(5) and process.is_alive()
    ]
    assert time.monotonic() - start < 5
    with pytest.raises(UserError, match="was killed"):
        killed = FreshInk(bank, SETTINGS)
        killed.words(0)
        for process in multiprocessing.active_children():
            if process not in killed._others:
                process.kill()
        for number in range(5, 10):
            killed.words(number)


def test_a_run_that_is_resumed_goes_on_with_the_fresh_words_of_its_step(
    bank, tmp_path, monkeypatch
):
    """Interrupted after a batch of fresh words was taken, not at its start."""
    monkeypatch.setattr(trainers, "draw_preview", lambda model, stream, path: path.write_bytes(b""))
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
