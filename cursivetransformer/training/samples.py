"""Samples of a model in training: drawn, and read.

The texts are the same each time, so that progress shows.
"""

from pathlib import Path

import numpy as np

from cursivetransformer.bank.prompts import WORDS, read_lines
from cursivetransformer.config.sample import SampleConfig, sampling_options
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.models.base import Model
from cursivetransformer.pipeline import Writer
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import Recognizer
from cursivetransformer.sampling.rerank import generate_best_of_n

SENTENCE = "The quick brown fox jumps over the lazy dog."
N_TEST_WORDS = 8
COMMON_WORDS_STEP = 29  # every so many words of the list are read, of all lengths
DPI = 100


def draw_samples(model: Model, loader: DataLoader, path: str | Path) -> None:
    """Draw the sentence, as far as the alphabet spells it, and some test words."""
    text = " ".join(loader.words[i].text for i in loader.test_ids[:N_TEST_WORDS])
    writer = Writer(model, loader.tokenizer, group=loader.config.min_words)
    writer.write(f"{SENTENCE}\n{text}", missing="skip").save(path, dpi=DPI)


def reading_error(model: Model, loader: DataLoader, recognizer: Recognizer) -> float:
    """Return the character error rate of words that the model writes and the recognizer reads.

    The words are the first `read_words` held-out ones. If there are fewer, common words with the
    bank's characters, in the first hand, are added.
    """
    model.eval()
    n_words = loader.config.read_words
    ids = loader.test_ids[:n_words]
    texts = [loader.words[i].text for i in ids]
    recorded = set("".join(word.text for word in loader.words))
    common = read_lines(WORDS)[::COMMON_WORDS_STEP]
    texts += [word for word in common if recorded.issuperset(word)][: n_words - len(ids)]
    first_author = min(1, len(loader.authors))
    n_common = len(texts) - len(ids)
    authors = np.append(loader.author_indices[ids], np.full(n_common, first_author))
    words = generate_best_of_n(
        model,
        loader.tokenizer,
        texts,
        recognizer,
        group=loader.config.min_words,
        authors=authors,
        **sampling_options(SampleConfig()),
    )
    return ErrorRate.from_readings(texts, [word.reading or "" for word in words]).cer
