"""Samples drawn while training, and read: the same sentence and the same held-out words every time, so that progress shows."""

import numpy as np

from cursivetransformer.sampling.rerank import write_spelt
from cursivetransformer.config.sample import SampleConfig, sampling_options
from cursivetransformer.recognition.error_rate import Spelling
from cursivetransformer.bank.prompts import WORDS, read_lines
from cursivetransformer.pipeline import Writer

SENTENCE = "The quick brown fox jumps over the lazy dog."
TEST_WORDS = 8
COMMON_STEP = 29  # of the list of words, one is read: of all lengths
DPI = 100


def draw_preview(model, stream, path):
    """Draw the sentence, as far as the alphabet spells it, and some test words to a picture."""
    text = " ".join(stream.words[i].text for i in stream.test_ids[:TEST_WORDS])
    writer = Writer(model, stream.tokenizer, group=stream.config.min_words)
    writer.write(f"{SENTENCE}\n{text}", missing="skip").save(path, dpi=DPI)


def reading_error(model, stream, reader):
    """Character error rate of the first `read_words` held-out words, as the model writes them and the reader reads them. Where there are
    fewer, common words of the bank's characters in the first hand are read too."""
    model.eval()
    ids, most = stream.test_ids[:stream.config.read_words], stream.config.read_words
    texts = [stream.words[i].text for i in ids]
    recorded = set("".join(word.text for word in stream.words))
    texts += [word for word in read_lines(WORDS)[::COMMON_STEP] if recorded.issuperset(word)][:most - len(ids)]
    authors = np.append(stream.author_numbers[ids], np.full(len(texts) - len(ids), min(1, len(stream.authors))))
    words = write_spelt(model, stream.tokenizer, texts, reader, group=stream.config.min_words, authors=authors, **sampling_options(SampleConfig()))
    return Spelling.of(texts, [spelt.reading for spelt in words]).character_error
