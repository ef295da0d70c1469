"""New words in a hand: put together out of recorded ones, bent a little, and read, so that a model has more to learn a hand from.

Joins `splice.py` and `assemble.py`, which know no model, with a recognizer of the hand.
"""

import dataclasses

import numpy as np

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.data.eval_texts import judged_texts
from cursivetransformer.ink import measures as style
from cursivetransformer.ink.augment import transform
from cursivetransformer.ink.distort import waver
from cursivetransformer.synthesis.assemble import assemble
from cursivetransformer.synthesis.splice import AlignedWord, splice

ASSEMBLED = 0.5  # share of the new words that are to say what people write
TRIES, AT_ONCE = (
    4,
    500,
)  # texts tried for each of such words, where few can be put together; texts at once
# How the recognizer looks at words that were put together of many pieces, as matrices: as they are, more and less slanted, wider and narrower.
LOOKS = (
    ((1, 0), (0, 1)),
    ((1, 0), (-0.15, 1)),
    ((1, 0), (0.15, 1)),
    ((1.12, 0), (0, 1)),
    ((0.88, 0), (0, 1)),
)
WAVER = 0.2  # deviation of the slopes of the waves by which new words are bent, so that no letter comes twice in the same form
SPLICES = 4  # seed, beside those of `recognizer_training.py`


def spliced_words(config, words, recognizer):
    """New words out of the training words `words`, each hand's of its own: any that come of them, and as many as can be put together of words
    that people write; those left out that the recognizer misreads.

    They are cut upright, since one letter of a slanted hand stands above the next.
    """
    made = []
    for number, author in enumerate(sorted({word.author for word in words})):
        own = [word for word in words if word.author == author]
        slant = style.hand_slant([word.points for word in own])
        upright = [_slanted(word, -slant) for word in own]
        places = recognizer.align([word.points for word in upright], [word.text for word in own])
        lettered = [AlignedWord(word, x) for word, x in zip(upright, places) if x is not None]
        rng, wanted = (
            np.random.default_rng([config.seed, SPLICES, number]),
            round(config.splice_words * len(own) / len(words)),
        )
        made += _well_read(
            _written(splice(lettered, round(wanted * (1 - ASSEMBLED)), rng), slant, rng),
            recognizer,
            LOOKS[:1],
        )
        made += assembled_words(lettered, round(wanted * ASSEMBLED), slant, recognizer, rng)
    return made


def assembled_words(lettered, n, slant, recognizer, rng):
    """Up to `n` words of everyday texts out of a list of upright `splice.AlignedWord`, slanted again (dx per dy), which the recognizer reads well
    however it looks at them."""
    judged, made, left = judged_texts(), [], TRIES * n
    while len(made) < n and left:
        size = min(AT_ONCE, left)
        texts = make_prompts(
            WordbankSettings(size=size, random=0.1, numbers=0.05, least=0, pairs=0), rng
        )
        made += _well_read(
            _written(
                assemble(lettered, [text for text in texts if text not in judged], rng), slant, rng
            ),
            recognizer,
            LOOKS,
        )
        left -= size
    return made[:n]


def _slanted(word, slant):
    """A word more slanted to the right, dx per dy; y grows downward."""
    return dataclasses.replace(word, points=transform(word.points, np.array([[1, 0], [-slant, 1]])))


def _written(words, slant, rng):
    """Upright words as the hand would write them: slanted, and each bent by waves of its own."""
    slanted = [_slanted(word, slant) for word in words]
    bent = [waver(word.points[:, :2], rng, WAVER) for word in slanted]
    return [
        dataclasses.replace(
            word,
            points=np.column_stack([xy - [xy[:, 0].min(), 0], word.points[:, 2]]).astype(
                np.float32
            ),
        )
        for word, xy in zip(slanted, bent)
    ]


def _well_read(words, recognizer, looks):
    """Those of `words` that the recognizer reads as what they should say with each of `looks`, (2, 2) matrices by which ink is distorted."""
    for look in looks:
        readings = recognizer.read([transform(word.points, np.array(look)) for word in words])
        words = [word for word, reading in zip(words, readings) if reading == word.text]
    return words
