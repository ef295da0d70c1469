"""Samples drawn while training: the same sentence and the same held-out words every time, so that progress shows."""

from cursivetransformer.config import SampleConfig
from cursivetransformer.files import atomic_path
from cursivetransformer.generate import prepare_text
from cursivetransformer.render import save_png
from cursivetransformer.write import compose

SENTENCE = "The quick brown fox jumps over the lazy dog."
TEST_WORDS = 8
DPI = 100


def draw_preview(model, dataset, path):
    """Draw the sentence, as far as the alphabet spells it, and some test words to a picture."""
    text = " ".join(dataset.words[i].text for i in dataset.test_ids[:TEST_WORDS])
    lines = prepare_text(f"{SENTENCE}\n{text}", dataset.tokenizer, missing="skip")
    page, _ = compose(model, dataset.tokenizer, lines, SampleConfig(), dataset.config.min_words)
    with atomic_path(path) as temporary:
        save_png(page, temporary, DPI)
