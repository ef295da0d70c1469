"""Names of authors and their indices. Index 0 is an author not listed. Does not depend on ink."""

import difflib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cursivetransformer.bank.word import UNKNOWN_AUTHOR, Word
from cursivetransformer.utils.errors import UserError

# Authors that a model tells apart; of more, it keeps those who wrote most.
MAX_AUTHORS = 200
# Names that an error message lists.
MAX_LISTED = 12


def author_names(words: Sequence[Word]) -> list[str]:
    """Return the names of the authors of `words`, those who wrote most first."""
    counts = Counter(word.author for word in words if word.author != UNKNOWN_AUTHOR)
    return [name for name, _ in counts.most_common(MAX_AUTHORS)]


def author_indices(words: Sequence[Word], names: Sequence[str]) -> np.ndarray:
    """Return each word's author index, (W,).

    It is the position in `names` counted from 1, or 0 for an author not listed.
    """
    indices = indices_by_name(names)
    return np.array([indices.get(word.author, 0) for word in words])


def indices_by_name(names: Sequence[str]) -> dict[str, int]:
    """Map each name to its position counted from 1."""
    return {name: index for index, name in enumerate(names, 1)}


def hand_indices(words: Sequence[Word]) -> np.ndarray:
    """Return each word's hand, (W,): its author, numbered from 0 in order of first appearance."""
    indices: dict[str, int] = {}
    return np.array([indices.setdefault(word.author, len(indices)) for word in words])


def find_author(name: str, names: Sequence[str]) -> int:
    """Return the index of the author `name`, in any case of letters.

    "" is the first of `names`, or 0 if there are none; "unknown" is 0.

    Raises:
        UserError: if `names` does not list the author.
    """
    if not name:
        return min(1, len(names))
    if name == UNKNOWN_AUTHOR:
        return 0
    folded = [known.casefold() for known in names]
    if name.casefold() in folded:
        return folded.index(name.casefold()) + 1
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    if close:
        cure = f"did you mean {names[folded.index(close[0])]}?"
    else:
        listed = [*names[:MAX_LISTED], "..."] if len(names) > MAX_LISTED else names
        cure = f"it knows {', '.join(listed) or 'none by name'}"
    raise UserError(f"this model knows no author {name!r}; {cure}")
