"""Made-up ink of three plain letters, which a recognizer learns within seconds."""

import numpy as np

from cursivetransformer.bank.word import Word
from cursivetransformer.ink.strokes import join_strokes

TURN = np.linspace(0, 2 * np.pi, 20)
SHAPES = {
    "o": [np.column_stack([0.07 - 0.07 * np.cos(TURN), -0.07 - 0.07 * np.sin(TURN)])],
    "v": [np.column_stack([np.linspace(0, 0.14, 21), -0.2 * np.abs(np.linspace(-1, 1, 21))])],
    "i": [
        np.column_stack([np.full(10, 0.02), np.linspace(-0.14, 0, 10)]),
        np.array([[0.02, -0.22]]),
    ],
}


def shape_word(text: str) -> Word:
    """Write the letters of `text` one after the other, the dots of its i last."""
    strokes = [stroke + (0.2 * i, 0) for i, char in enumerate(text) for stroke in SHAPES[char]]
    strokes.sort(key=lambda stroke: len(stroke) == 1)
    return Word(text, "nobody", join_strokes(strokes), {"aspectRatio": 6})


def shape_words(n: int = 80, seed: int = 1) -> list[Word]:
    """Write `n` words of random letters, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [shape_word("".join(rng.choice(list(SHAPES), rng.integers(1, 7)))) for _ in range(n)]
