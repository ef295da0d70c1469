"""Made-up ink that anyone may have. As a command it writes a bank of it: python -m tests.made_up OUT.json"""

import sys

import numpy as np

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.ink.strokes import join_strokes

LETTERS = "abcdehilnorstu"


def made_up_word(text, rng):
    """Ink that looks a little like writing: a loop for each letter, joined, and a dot over every i."""
    loops = []
    for i, char in enumerate(text):
        t = np.linspace(0, 2 * np.pi, 24)
        size = 0.1 + 0.004 * (ord(char) % 13)
        loops.append(
            np.column_stack(
                [0.22 * i + 0.16 + t * 0.035 - size * np.cos(t), -size - size * np.sin(t)]
            )
        )
    strokes = [np.concatenate(loops) + rng.normal(0, 0.002, (24 * len(text), 2))]
    strokes += [np.array([[0.22 * i + 0.2, -0.45]]) for i, char in enumerate(text) if char == "i"]
    points = join_strokes(strokes)
    points[:, 0] -= points[:, 0].min()
    return Word(text, "nobody", points, {"aspectRatio": 6})


def made_up_words(n=60, seed=5):
    """`n` words of random letters, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return [
        made_up_word("".join(rng.choice(list(LETTERS), rng.integers(2, 7))), rng) for _ in range(n)
    ]


if __name__ == "__main__":
    write_entries(sys.argv[1], [word_to_entry(word) for word in made_up_words()])
