"""Samples drawn while training: the same sentence and the same held-out words every time, so that progress shows."""

from cursivetransformer.config import SampleConfig
from cursivetransformer.files import atomic_path
from cursivetransformer.generate import prepare_text
from cursivetransformer.render import save_png
from cursivetransformer.write import compose

SENTENCE = "The quick brown fox jumps over the lazy dog."
TEST_WORDS = 8
DPI = 100


def draw_preview(model, stream, path):
    """Draw the sentence, as far as the alphabet spells it, and some test words to a picture."""
    text = " ".join(stream.words[i].text for i in stream.test_ids[:TEST_WORDS])
    lines = prepare_text(f"{SENTENCE}\n{text}", stream.tokenizer, missing="skip")
    page, _ = compose(model, stream.tokenizer, lines, SampleConfig(), stream.config.min_words)
    with atomic_path(path) as temporary:
        save_png(page, temporary, DPI)
