"""Who writes: names of authors and their numbers, of which 0 is anybody whom a model does not know. Knows no ink."""

import difflib
from collections import Counter

import numpy as np

from cursivetransformer.bank.word import UNKNOWN_AUTHOR
from cursivetransformer.utils.errors import UserError

MOST_AUTHORS = 200  # that a model tells apart; of more, those who wrote most


def author_names(words):
    """The names of those who wrote `words`, who wrote most first."""
    counts = Counter(word.author for word in words if word.author != UNKNOWN_AUTHOR)
    return [name for name, _ in counts.most_common(MOST_AUTHORS)]


def author_numbers(words, names):
    """(W,) the number of each word's author: 1 for the first of `names`, 0 for one who is not there."""
    numbers = numbers_of(names)
    return np.array([numbers.get(word.author, 0) for word in words])


def numbers_of(names):
    """{name: number}: 1 for the first."""
    return {name: number for number, name in enumerate(names, 1)}


def hand_numbers(words):
    """(W,) numbers that are the same for words of one author, in the order of their first words."""
    numbers = {}
    return np.array([numbers.setdefault(word.author, len(numbers)) for word in words])


def find_author(name, names):
    """The number of the author `name`; of "" the first of `names`, where there is one; of "unknown" 0. Raises `UserError`."""
    if not name:
        return min(1, len(names))
    if name == UNKNOWN_AUTHOR:
        return 0
    folded = [known.casefold() for known in names]
    if name.casefold() in folded:
        return folded.index(name.casefold()) + 1
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    cure = (
        f"did you mean {names[folded.index(close[0])]}?"
        if close
        else f"it knows {', '.join([*names[:12], '...'] if len(names) > 12 else names) or 'none by name'}"
    )
    raise UserError(f"this model knows no author {name!r}; {cure}")
