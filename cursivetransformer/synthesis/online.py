"""Ink that is written while a model trains: by the named synthetic writers of its bank, and by new ones who come and go.

What is written depends on the settings and on a number alone, so a run that is resumed sees what it would have seen.
"""

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.utils.errors import UserError

FRESH = 5  # stream of random numbers of a run's seed, after those of `recognizer_training.py`
WORDS_OF_A_STRANGER = 25  # that a new writer writes before the next one comes
FIRST_STRANGER = 1_000_000  # seed of new writers, far from those of banks


def named_writers(words, faces):
    """The synthetic writers of a bank's words, as their entries name them; recorded words have none."""
    known = {
        word.author: (word.metadata["writerSeed"], word.metadata.get("marks", "auto"))
        for word in words
        if isinstance(word.metadata.get("writerSeed"), int)
    }
    return [Hand(name, seed, faces, marks) for name, (seed, marks) in sorted(known.items())]


def write_fresh(words, config, number):
    """`config.synthetic_words` new words, a list of `Word`, the batch `number` of a run with these settings (a `config.Config`).

    words: those of the bank. The share `synthetic_named_fraction` of them is by the bank's writers, the rest by writers without a name.
    """
    rng = np.random.default_rng([config.seed, FRESH, number])
    faces = load_fonts(config.synthetic_fonts)
    known = named_writers(words, faces)
    prompts = make_prompts(WordbankSettings(size=config.synthetic_words, least=0, pairs=0), rng)
    n_known = round(config.synthetic_named_fraction * len(prompts)) if known else 0
    fresh = [
        write_word(known[i % len(known)], text, rng) for i, text in enumerate(prompts[:n_known])
    ]
    for start in range(n_known, len(prompts), WORDS_OF_A_STRANGER):
        seed = FIRST_STRANGER + number * config.synthetic_words + start
        stranger = Hand(f"stranger {seed}", seed, faces)
        fresh += [
            write_word(stranger, text, rng) for text in prompts[start : start + WORDS_OF_A_STRANGER]
        ]
    return fresh


class FreshInk:
    """Batches of fresh words by number, the next one always being written by another process."""

    def __init__(self, words, config):
        # Only what `named_writers` needs crosses to the other process.
        self._words = list(
            {word.author: word for word in words if "writerSeed" in word.metadata}.values()
        )
        self._config = config
        # A process that starts anew, since forking one that runs threads, as torch does, may lock.
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _ignore_ctrl_c)
        self._next, self._others = None, multiprocessing.active_children()

    def words(self, number):
        """The batch `number`, and have the next one begun. Raises `UserError` where the other process was killed."""
        ahead, future = self._next or (None, None)
        try:
            if ahead != number:
                future = self._submit(number)
            self._next = number + 1, self._submit(number + 1)
            return future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "the process that writes fresh ink was killed, perhaps for want of memory; --resume goes on from the last checkpoint"
            ) from error

    def _submit(self, number):
        future = self._pool.submit(write_fresh, self._words, self._config, number)
        # The other process runs now and has this end of the pipe for itself. While we had it open too, a process that was ended in
        # the middle of a result left the pool waiting for the rest for ever, and with it Python's exit.
        self._pool._result_queue._writer.close()
        return future

    def close(self):
        """End the other process, whatever it is at: nobody waits for its words any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in self._others:
                process.terminate()


def _ignore_ctrl_c():
    # The trainer decides what a Ctrl-C ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
