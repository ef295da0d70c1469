"""Fixed texts that models are evaluated on. Does not depend on ink."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

RANDOM_WORDS = 250
RANDOM_SEED = 20  # of the random strings, which are the same in every evaluation

ENGLISH = """
The ferry leaves at noon, so we packed our lunch the night before. Nobody had told the gardener
about the frost, and half of the young beans were lost. She keeps a jar of buttons on the window
sill and sorts them by colour when it rains. Have you ever tried to fold a map in the wind? My
uncle repairs clocks, but his own kitchen clock has been wrong for years. A quiet street is worth
more than a wide one. We walked along the canal until the lamps came on, and then we walked back.
Every village has a dog that belongs to everyone. He asked for a pencil, drew three boxes, and
explained the whole plan in five minutes. Do not open the oven before the bread is brown! The
library smells of dust and oranges. Our neighbours grow squash, kale, maize and very large onions.
It is easier to begin a letter than to end it. The old bridge was built by people who measured
with their feet. "Come in," she said, "but mind the paint." I have lost my gloves again, and I
know exactly who will laugh. Jazz drifted up from the cellar while the cook chopped leeks. You can
hear the sea from the attic if the traffic stops. Quick answers are often kind, yet slow answers
are often true. The train was late, the coffee was cold, and still the journey was a joy. What
would you carry out of a burning house? They say that an owl lives behind the chapel. Please water
the fern, feed the cat, and leave the key under the blue pot. The judge wore a plain grey coat and
a vivid scarf. Forty boats lay in the harbour, but only one of them had a name. Write to me when
the plums are ripe.
"""

DIGITS_AND_PUNCTUATION = """
7 19 42 86 105 230 377 418 564 691 750 823 999 1066 1492 1789 1848 1905 1969 2024 3.5 0.25 6.02
9.81 2.718 14.7 88.8 100.1 3,000 12,500 47,163 250,000 "8" (4) (73) (1956) 10. 25, 63! 70? 8.9,
5.4. "16" "290" (0.7) (61), 31? 9! 4, 2. 555. 6789, 1234! yes, no. why? stop! wait... "hello"
"never" (maybe) (soon) it's don't we're I'm she'll o'clock let's "so?" "now!" (see 5) (or 12) 'tis
isn't you'd can't what's that's "ready," done." (first) (last), end.) one, two, three. four! five?
six. Ten: half; up-to on/off
"""


def evaluation_words() -> set[str]:
    """Return the words of the fixed texts, which no model should be trained on.

    The random strings are not among them: they differ from all training texts by construction.
    """
    return set(ENGLISH.split()) | set(DIGITS_AND_PUNCTUATION.split())


def text_sets(
    alphabet: Iterable[str], training_texts: Sequence[str]
) -> tuple[dict[str, list[str]], int]:
    """Return the three sets of words to evaluate a model on.

    Args:
        alphabet: characters that the model can write; words with others are left out.
        training_texts: texts of the model's training words. They are left out, and the random
            strings resemble them.

    Returns:
        The words of each set that is not empty, by name, and how many words were left out.
    """
    sets = {
        "English": ENGLISH.split(),
        "random": random_strings(training_texts, RANDOM_WORDS, np.random.default_rng(RANDOM_SEED)),
        "digits and punctuation": DIGITS_AND_PUNCTUATION.split(),
    }
    known_characters, seen = set(alphabet), set(training_texts)
    kept = {
        name: [word for word in words if known_characters.issuperset(word) and word not in seen]
        for name, words in sets.items()
    }
    n_left_out = sum(map(len, sets.values())) - sum(map(len, kept.values()))
    return {name: words for name, words in kept.items() if words}, n_left_out


def random_strings(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """Make random strings that resemble `texts` but are not among them.

    Each string takes a random text and replaces every character by one of the same class (capital
    letter, small letter, digit), sampled by its frequency in `texts`. Marks stay.

    Returns:
        `n` different strings, or fewer if `10 n` attempts do not give as many.
    """
    by_class: dict[str, list[tuple[str, int]]] = {}
    for char, count in sorted(Counter("".join(texts)).items()):
        by_class.setdefault(character_class(char), []).append((char, count))
    choices = {
        name: (np.array([char for char, _ in counted]), np.array([n for _, n in counted]))
        for name, counted in by_class.items()
    }
    strings: list[str] = []
    taken = set(texts)
    for index in rng.integers(len(texts), size=10 * n):
        string = ""
        for char in texts[index]:
            chars, counts = choices[character_class(char)]
            string += str(rng.choice(chars, p=counts / counts.sum()))
        if string not in taken and len(strings) < n:
            strings.append(string)
            taken.add(string)
    return strings


def character_class(char: str) -> str:
    """Return "digit", "capital" or "small"; any other character is a class of its own."""
    if char.isdigit():
        return "digit"
    if not char.isalpha():
        return char
    return "capital" if char.isupper() else "small"
