"""Online synthesis: words that are written while a model trains.

The synthetic hands of the bank write some of them, and new hands that come and go write the rest.
What is written depends only on the settings and a number, so a resumed run sees what it would have
seen.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple, Protocol

import numpy as np

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.bank.word import Word
from cursivetransformer.config.args import SEED
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.glyphs import Font
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.utils.errors import UserError

# Keeps these random numbers apart from others with the run's seed, such as `train_recognizer.py`'s.
ONLINE_STREAM = 5
WORDS_PER_NEW_HAND = 25
FIRST_NEW_SEED = 1_000_000  # of new hands, far from the seeds of banks' hands
MAX_HANDS = 500  # of a bank; each is made anew for a batch
POLL_SECONDS = 0.5  # between two checks that the other process is alive


class OnlineSettings(Protocol):
    """The settings that online synthesis depends on."""

    seed: int
    synthetic_words: int
    synthetic_named_fraction: float
    synthetic_fonts: str


def hands_of_bank(words: Iterable[Word], fonts: Mapping[str, Font]) -> list[Hand]:
    """Make the synthetic hands that the words' metadata name; recorded words name none."""
    hands = {}
    for word in words:
        seed, marks = word.metadata.get("writerSeed"), word.metadata.get("marks")
        if type(seed) is int and SEED.hold(seed):
            hands[word.author] = (seed, marks if marks in ("letter", "word") else "auto")
    return [
        Hand(name, seed, fonts, marks) for name, (seed, marks) in sorted(hands.items())[:MAX_HANDS]
    ]


def synthesize_batch(words: Iterable[Word], config: OnlineSettings, number: int) -> list[Word]:
    """Write `config.synthetic_words` new words.

    Args:
        words: of the bank. Its hands write the fraction `config.synthetic_named_fraction`.
        config: the settings.
        number: of the batch. Each number gives other words.
    """
    rng = np.random.default_rng([config.seed, ONLINE_STREAM, number])
    fonts = load_fonts(config.synthetic_fonts)
    hands = hands_of_bank(words, fonts)
    settings = WordbankSettings(kind="flat", size=config.synthetic_words, least=0, pairs=0)
    prompts = make_prompts(settings, rng)
    n_named = round(config.synthetic_named_fraction * len(prompts)) if hands else 0
    batch = [
        write_word(hands[i % len(hands)], text, rng) for i, text in enumerate(prompts[:n_named])
    ]
    for start in range(n_named, len(prompts), WORDS_PER_NEW_HAND):
        seed = FIRST_NEW_SEED + number * config.synthetic_words + start
        new_hand = Hand(f"stranger {seed}", seed, fonts)
        texts = prompts[start : start + WORDS_PER_NEW_HAND]
        batch += [write_word(new_hand, text, rng) for text in texts]
    return batch


class OnlineSynthesizer:
    """Writes batches of words in another process, always one batch ahead.

    Args:
        words: of the bank.
        config: the settings.
    """

    def __init__(self, words: Iterable[Word], config: OnlineSettings) -> None:
        # One word of each synthetic hand is all that `hands_of_bank` needs in the other process.
        synthetic = {word.author: word for word in words if "writerSeed" in word.metadata}
        self._words = list(synthetic.values())
        self._config = config
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._ahead: int | None = None  # number of the batch that is being written ahead

    def words(self, number: int) -> list[Word]:
        """Return the batch `number`, and start to write the next one.

        Raises:
            UserError: if the other process was killed.
            Exception: what writing the batch raised.
        """
        if self._process is None or self._connection is None:
            self._process, self._connection = _start_process(self._words, self._config)
        try:
            if number != self._ahead:
                self._connection.send(number)
            self._ahead = number + 1
            self._connection.send(number + 1)
            reply = _receive(self._connection, self._process)
            while reply.number != number:  # a batch that was written ahead in vain
                reply = _receive(self._connection, self._process)
        except (EOFError, OSError) as error:
            raise UserError(
                "the process that writes fresh ink was killed, perhaps for want of memory; "
                "--resume goes on from the last checkpoint"
            ) from error
        if reply.error is not None:
            raise reply.error from RemoteError(reply.traceback)
        return reply.words

    def close(self) -> None:
        """Kill the other process, whatever it is doing."""
        if self._process is not None and self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = self._ahead = None


class RemoteError(Exception):
    """The traceback of an error in the other process, shown as the cause of that error."""


class _Reply(NamedTuple):
    """A batch, or the error that writing it raised and its traceback."""

    number: int
    words: list[Word]
    error: Exception | None = None
    traceback: str = ""


def _start_process(
    words: Sequence[Word], config: OnlineSettings
) -> tuple[SpawnProcess, Connection]:
    """Start the process that writes batches; return it and the parent's end of a pipe to it."""
    # Spawn, since forking a process that runs threads, as torch does, may deadlock.
    context = multiprocessing.get_context("spawn")
    connection, child_connection = context.Pipe()
    # Python kills daemon processes when it exits.
    process = context.Process(
        target=_serve_batches, args=(child_connection, words, config), daemon=True
    )
    process.start()
    # The child now holds the only other end, so its death ends the parent's reading.
    child_connection.close()
    return process, connection


def _receive(connection: Connection, process: SpawnProcess) -> _Reply:
    """Receive the next reply. Raises EOFError or OSError if the process died before its end."""
    while not connection.poll(POLL_SECONDS):
        if not process.is_alive():
            raise EOFError
    return connection.recv()


def _serve_batches(connection: Connection, words: Sequence[Word], config: OnlineSettings) -> None:
    """Write the batches whose numbers come through a connection, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides what a Ctrl-C ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the trainer is gone
        while True:
            number = connection.recv()
            connection.send(_make_reply(words, config, number))


def _end_with_parent() -> None:
    """End this process when its parent ends, even one that was killed, whatever is going on."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make_reply(words: Sequence[Word], config: OnlineSettings, number: int) -> _Reply:
    try:
        return _Reply(number, synthesize_batch(words, config, number))
    except Exception as error:
        try:
            pickle.dumps(error)
        except Exception:  # it could not be sent
            error = RuntimeError(repr(error))
        return _Reply(number, [], error, traceback.format_exc())
