"""New words in a hand for training: put together from recorded words, bent a little, and checked.

Joins `splice.py` and `assemble.py`, which do not depend on a model, with a recognizer of the hand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.bank.word import Word
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.config.train import Config
from cursivetransformer.data.eval_texts import evaluation_words
from cursivetransformer.ink.augment import transform
from cursivetransformer.ink.distort import waver
from cursivetransformer.ink.measures import hand_slant
from cursivetransformer.synthesis.assemble import assemble
from cursivetransformer.synthesis.splice import AlignedWord, splice

if TYPE_CHECKING:
    from cursivetransformer.recognition.recognizer import Recognizer

ASSEMBLED_FRACTION = 0.5  # of the new words have texts that people write
TRIES_PER_WORD = 4  # texts for each assembled word, since few can be assembled
BATCH_SIZE = 500  # texts that are tried at once
# (2, 2) matrices for `xy @ matrix`. The recognizer must read assembled words under each of them:
# unchanged, more and less slanted, wider and narrower.
UNCHANGED = ((1, 0), (0, 1))
CHECKED_TRANSFORMS = (
    UNCHANGED,
    ((1, 0), (-0.15, 1)),
    ((1, 0), (0.15, 1)),
    ((1.12, 0), (0, 1)),
    ((0.88, 0), (0, 1)),
)
# Standard deviation of the slopes of the waves that bend new words, so that no letter comes twice
# in the same form.
WAVER_STD = 0.2
# Keeps these random numbers apart from others with the run's seed, such as `train_recognizer.py`'s.
SPLICE_STREAM = 4

Matrix = tuple[tuple[float, float], tuple[float, float]]


def make_spliced_words(
    config: Config,
    words: Sequence[Word],
    recognizer: Recognizer,
    on_texts: Callable[[int], object] | None = None,
) -> list[Word]:
    """Make new words from training words, for each hand from its own.

    Some have any text that comes of splicing, the others texts that people write. Words that the
    recognizer misreads are left out. Words are cut upright, since in a slanted hand one letter
    stands above the next.

    Args:
        config: settings of the run.
        words: training words in the model's size.
        recognizer: of the hand.
        on_texts: called with the number of texts tried since its last call; `count_texts` says how
            many there may be.
    """
    made = []
    for author_index, author in enumerate(sorted({word.author for word in words})):
        author_words = [word for word in words if word.author == author]
        slant = hand_slant([word.points for word in author_words])
        aligned = _align_words([_slant_word(word, -slant) for word in author_words], recognizer)
        rng = np.random.default_rng([config.seed, SPLICE_STREAM, author_index])
        n = round(config.splice_words * len(author_words) / len(words))
        spliced = splice(aligned, round(n * (1 - ASSEMBLED_FRACTION)), rng)
        spliced = _restore_slant(spliced, slant, rng)
        made += _keep_legible(spliced, recognizer, [UNCHANGED])
        if on_texts:
            on_texts(round(n * (1 - ASSEMBLED_FRACTION)))
        n_assembled = round(n * ASSEMBLED_FRACTION)
        made += make_assembled_words(aligned, n_assembled, slant, recognizer, rng, on_texts)
    return made


def count_texts(n_words: int) -> int:
    """Return how many texts are tried at most to make so many words."""
    return round(n_words * (1 - ASSEMBLED_FRACTION + TRIES_PER_WORD * ASSEMBLED_FRACTION))


def make_assembled_words(
    aligned: Sequence[AlignedWord],
    n: int,
    slant: float,
    recognizer: Recognizer,
    rng: np.random.Generator,
    on_texts: Callable[[int], object] | None = None,
) -> list[Word]:
    """Make up to `n` words with texts that people write.

    Args:
        aligned: upright words of one hand.
        n: number of words.
        slant: of the hand, dx per dy.
        recognizer: must read each word under all `CHECKED_TRANSFORMS`.
        rng: the source of random numbers.
        on_texts: called with the number of texts tried since its last call.
    """
    excluded = evaluation_words()
    made: list[Word] = []
    tries_left = TRIES_PER_WORD * n
    while len(made) < n and tries_left:
        size = min(BATCH_SIZE, tries_left)
        settings = WordbankSettings(
            kind="flat", size=size, random=0.1, numbers=0.05, least=0, pairs=0
        )
        texts = [text for text in make_prompts(settings, rng) if text not in excluded]
        assembled = _restore_slant(assemble(aligned, texts, rng), slant, rng)
        made += _keep_legible(assembled, recognizer, CHECKED_TRANSFORMS)
        tries_left -= size
        if on_texts:
            on_texts(size)
    return made[:n]


def _align_words(words: list[Word], recognizer: Recognizer) -> list[AlignedWord]:
    """Find where the letters of words stand; words that the recognizer misreads are left out."""
    centers = recognizer.align([word.points for word in words], [word.text for word in words])
    return [
        AlignedWord.from_word(word, word_centers)
        for word, word_centers in zip(words, centers)
        if word_centers is not None
    ]


def _slant_word(word: Word, slant: float) -> Word:
    """Slant a word to the right by dx per dy; y grows downward."""
    return dataclasses.replace(word, points=transform(word.points, np.array([[1, 0], [-slant, 1]])))


def _restore_slant(words: list[Word], slant: float, rng: np.random.Generator) -> list[Word]:
    """Slant upright words as the hand does, and bend each by waves of its own."""
    restored = []
    for word in words:
        slanted = _slant_word(word, slant)
        xy = waver(slanted.points[:, :2], rng, WAVER_STD)
        xy = xy - [xy[:, 0].min(), 0]
        points = np.column_stack([xy, slanted.points[:, 2]]).astype(np.float32)
        restored.append(dataclasses.replace(slanted, points=points))
    return restored


def _keep_legible(
    words: list[Word], recognizer: Recognizer, transforms: Sequence[Matrix]
) -> list[Word]:
    """Keep the words that the recognizer reads correctly under each of the transforms."""
    for matrix in transforms:
        readings = recognizer.read([transform(word.points, np.array(matrix)) for word in words])
        words = [word for word, reading in zip(words, readings) if reading == word.text]
    return words
