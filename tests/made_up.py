"""Made-up ink, free to use. As a command it writes a bank: python -m tests.made_up OUT.json"""

import sys

import numpy as np

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.data.tokenizer import Tokenizer, make_tokenizer
from cursivetransformer.ink.strokes import join_strokes

LETTERS = "abcdehilnorstu"
POINTS_PER_LETTER = 24
PITCH = 0.22  # canvas heights between letters


def made_up_word(text: str, rng: np.random.Generator) -> Word:
    """Make ink that looks a little like writing: joined loops, and a dot over every i."""
    turn = np.linspace(0, 2 * np.pi, POINTS_PER_LETTER)
    loops = []
    for i, char in enumerate(text):
        size = 0.1 + 0.004 * (ord(char) % 13)
        x = PITCH * i + 0.16 + turn * 0.035 - size * np.cos(turn)
        y = -size - size * np.sin(turn)
        loops.append(np.column_stack([x, y]))
    noise = rng.normal(0, 0.002, (POINTS_PER_LETTER * len(text), 2))
    dots = [np.array([[PITCH * i + 0.2, -0.45]]) for i, char in enumerate(text) if char == "i"]
    points = join_strokes([np.concatenate(loops) + noise, *dots])
    points[:, 0] -= points[:, 0].min()
    return Word(text, "nobody", points, {"aspectRatio": 6})


def made_up_words(n: int = 60, seed: int = 5) -> list[Word]:
    """Make `n` words of random letters, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [
        made_up_word("".join(rng.choice(list(LETTERS), rng.integers(2, 7))), rng) for _ in range(n)
    ]


if __name__ == "__main__":
    write_entries(sys.argv[1], [word_to_entry(word) for word in made_up_words()])


def tokenizer_for(words: list[Word], name: str = "polar") -> Tokenizer:
    """Make a tokenizer that knows the characters of `words`."""
    return make_tokenizer(name, "".join(word.text for word in words))
