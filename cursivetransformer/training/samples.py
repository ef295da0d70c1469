"""Samples drawn while training, and read: the same sentence and the same held-out words every time, so that progress shows."""

import numpy as np

from cursivetransformer.bank.prompts import WORDS, read_lines
from cursivetransformer.config.sample import SampleConfig, sampling_options
from cursivetransformer.pipeline import Writer
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.sampling.rerank import generate_best_of_n

SENTENCE = "The quick brown fox jumps over the lazy dog."
TEST_WORDS = 8
COMMON_STEP = 29  # of the list of words, one is read: of all lengths
DPI = 100


def draw_preview(model, loader, path):
    """Draw the sentence, as far as the alphabet spells it, and some test words to a picture."""
    text = " ".join(loader.words[i].text for i in loader.test_ids[:TEST_WORDS])
    writer = Writer(model, loader.tokenizer, group=loader.config.min_words)
    writer.write(f"{SENTENCE}\n{text}", missing="skip").save(path, dpi=DPI)


def reading_error(model, loader, recognizer):
    """Character error rate of the first `read_words` held-out words, as the model writes them and the recognizer reads them. Where there are
    fewer, common words of the bank's characters in the first hand are read too."""
    model.eval()
    ids, most = loader.test_ids[: loader.config.read_words], loader.config.read_words
    texts = [loader.words[i].text for i in ids]
    recorded = set("".join(word.text for word in loader.words))
    texts += [word for word in read_lines(WORDS)[::COMMON_STEP] if recorded.issuperset(word)][
        : most - len(ids)
    ]
    authors = np.append(
        loader.author_indices[ids], np.full(len(texts) - len(ids), min(1, len(loader.authors)))
    )
    words = generate_best_of_n(
        model,
        loader.tokenizer,
        texts,
        recognizer,
        group=loader.config.min_words,
        authors=authors,
        **sampling_options(SampleConfig()),
    )
    return ErrorRate.from_readings(texts, [spelt.reading for spelt in words]).cer
