"""Online synthesis: words that are written while a model trains.

The synthetic hands of the bank write some of them, and new hands that come and go write the rest.
What is written depends only on the settings and a number, so a resumed run sees what it would have
seen.
"""

from __future__ import annotations

import contextlib
import itertools
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
    return [word for unit in synthesize_units(words, config, number) for word in unit]


def synthesize_units(
    words: Iterable[Word], config: OnlineSettings, number: int, worker: int = 0, n_workers: int = 1
) -> list[list[Word]]:
    """Write every `n_workers`-th unit of a batch, beginning with unit `worker`.

    A unit is a few words, with random numbers of its own: it is the same whoever writes it.
    """
    fonts = load_fonts(config.synthetic_fonts)
    hands = hands_of_bank(words, fonts)
    settings = WordbankSettings(kind="flat", size=config.synthetic_words, least=0, pairs=0)
    stream = config.seed, ONLINE_STREAM, number
    prompts = make_prompts(settings, np.random.default_rng(stream))
    n_named = round(config.synthetic_named_fraction * len(prompts)) if hands else 0
    starts = [
        *range(0, n_named, WORDS_PER_NEW_HAND),
        *range(n_named, len(prompts), WORDS_PER_NEW_HAND),
    ]
    units = []
    for start, stop in list(zip(starts, [*starts[1:], len(prompts)]))[worker::n_workers]:
        rng = np.random.default_rng([*stream, start])
        if start < n_named:
            writers = [hands[i % len(hands)] for i in range(start, stop)]
        else:
            seed = FIRST_NEW_SEED + number * config.synthetic_words + start
            writers = [Hand(f"stranger {seed}", seed, fonts)] * (stop - start)
        units.append(
            [write_word(hand, text, rng) for hand, text in zip(writers, prompts[start:stop])]
        )
    return units


class OnlineSynthesizer:
    """Writes batches of words in other processes, always one batch ahead.

    Args:
        words: of the bank.
        config: the settings.
        n_processes: number of processes that share a batch.
    """

    def __init__(self, words: Iterable[Word], config: OnlineSettings, n_processes: int = 1) -> None:
        # One word of each synthetic hand is all that `hands_of_bank` needs in the other processes.
        synthetic = {word.author: word for word in words if "writerSeed" in word.metadata}
        self._words = list(synthetic.values())
        self._config = config
        self._n_processes = n_processes
        self._workers: list[_Worker] = []
        self._ahead: int | None = None  # number of the batch that is being written ahead

    def words(self, number: int) -> list[Word]:
        """Return the batch `number`, and start to write the next one.

        Raises:
            UserError: if another process was killed.
            Exception: what writing the batch raised.
        """
        n = self._n_processes
        if not self._workers:
            self._workers = [_start_worker(self._words, self._config, i, n) for i in range(n)]
        try:
            for worker in self._workers:
                if number != self._ahead:
                    worker.connection.send(number)
                worker.connection.send(number + 1)
            self._ahead = number + 1
            replies = [_receive_batch(worker, number) for worker in self._workers]
        except (EOFError, OSError) as error:
            raise UserError(
                "a process that writes fresh ink was killed, perhaps for want of memory; "
                "--resume goes on from the last checkpoint"
            ) from error
        for reply in replies:
            if reply.error is not None:
                raise reply.error from RemoteError(reply.traceback)
        # Each worker wrote every n-th unit.
        in_turn = itertools.zip_longest(*(reply.units for reply in replies), fillvalue=[])
        return [word for turn in in_turn for unit in turn for word in unit]

    def close(self) -> None:
        """Kill the other processes, whatever they are doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers, self._ahead = [], None


class RemoteError(Exception):
    """The traceback of an error in the other process, shown as the cause of that error."""


class _Reply(NamedTuple):
    """Units of a batch, or the error that writing them raised and its traceback."""

    number: int
    units: list[list[Word]]
    error: Exception | None = None
    traceback: str = ""


class _Worker(NamedTuple):
    """A process that writes units, and the parent's end of a pipe to it."""

    process: SpawnProcess
    connection: Connection


def _start_worker(
    words: Sequence[Word], config: OnlineSettings, worker: int, n_workers: int
) -> _Worker:
    # Spawn, since forking a process that runs threads, as torch does, may deadlock.
    context = multiprocessing.get_context("spawn")
    connection, child_connection = context.Pipe()
    # Python kills daemon processes when it exits.
    process = context.Process(
        target=_serve_batches,
        args=(child_connection, words, config, worker, n_workers),
        daemon=True,
    )
    process.start()
    # The child now holds the only other end, so its death ends the parent's reading.
    child_connection.close()
    return _Worker(process, connection)


def _receive_batch(worker: _Worker, number: int) -> _Reply:
    reply = _receive(worker.connection, worker.process)
    while reply.number != number:  # a batch that was written ahead in vain
        reply = _receive(worker.connection, worker.process)
    return reply


def _receive(connection: Connection, process: SpawnProcess) -> _Reply:
    """Receive the next reply. Raises EOFError or OSError if the process died before its end."""
    while not connection.poll(POLL_SECONDS):
        if not process.is_alive():
            raise EOFError
    return connection.recv()


def _serve_batches(
    connection: Connection,
    words: Sequence[Word],
    config: OnlineSettings,
    worker: int,
    n_workers: int,
) -> None:
    """Write a worker's units of the batches whose numbers come, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides what a Ctrl-C ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the trainer is gone
        while True:
            number = connection.recv()
            connection.send(_make_reply(words, config, number, worker, n_workers))


def _end_with_parent() -> None:
    """End this process when its parent ends, even one that was killed, whatever is going on."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make_reply(
    words: Sequence[Word], config: OnlineSettings, number: int, worker: int, n_workers: int
) -> _Reply:
    try:
        return _Reply(number, synthesize_units(words, config, number, worker, n_workers))
    except Exception as error:
        try:
            pickle.dumps(error)
        except Exception:  # it could not be sent
            error = RuntimeError(repr(error))
        return _Reply(number, [], error, traceback.format_exc())
