"""Names of authors and their indices. Index 0 is an author not listed. Does not depend on ink."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from cursivetransformer.bank.word import UNKNOWN_AUTHOR, Word
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.wording import plural

# Authors that a model tells apart; of more, it keeps those who wrote most.
MAX_AUTHORS = 200
# Names that an error message lists.
MAX_LISTED = 12
ME = "me"  # author of words without a name when a model is fine-tuned


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


def author_name(index: int, names: Sequence[str]) -> str:
    """Return the name of the author with an index, the inverse of `indices_by_name`."""
    return names[index - 1] if index else UNKNOWN_AUTHOR


def hand_indices(words: Sequence[Word]) -> np.ndarray:
    """Return each word's hand, (W,): its author, numbered from 0 in order of first appearance."""
    indices: dict[str, int] = {}
    return np.array([indices.setdefault(word.author, len(indices)) for word in words])


def assign_hands(words: Sequence[Word], hands: str) -> list[Word]:
    """Name the hand of each word of a bank that a model is fine-tuned to, as its author.

    Args:
        words: the words.
        hands: as in `name_hands`.
    """
    names = name_hands(words, hands)
    return [dataclasses.replace(word, author=names[word.author]) for word in words]


def name_hands(words: Sequence[Word], hands: str) -> dict[str, str]:
    """Map each author of `words` to the name of a hand; without any name, it is `ME`.

    Args:
        words: the words.
        hands: "named" takes the names as they stand, "one" takes all words for one hand, and
            "auto" takes names for one that differ only in case or spaces, and adds the words
            without a name to a single name.
    """
    counts = Counter(word.author for word in words)
    if hands == "named":
        return {name: ME if name == UNKNOWN_AUTHOR else name for name in counts}
    spellings: dict[str, Counter[str]] = {}
    for name, n in counts.items():
        spellings.setdefault(_fold_name(name), Counter())[name] += n
    spellings.pop(UNKNOWN_AUTHOR, None)
    by_size = sorted(spellings, key=lambda key: -spellings[key].total())
    display = {key: " ".join(spellings[key].most_common(1)[0][0].split()) for key in by_size}
    first = display[by_size[0]] if by_size else ME
    if hands == "one" or len(by_size) <= 1:
        return {name: first for name in counts}
    return {name: display.get(_fold_name(name), ME) for name in counts}


def describe_hands(words: Sequence[Word], hands: str) -> str:
    """Return a sentence about what `name_hands` does that a person may not expect, or ""."""
    names = name_hands(words, hands)
    recorded = Counter(word.author for word in words)
    counts = Counter(names[word.author] for word in words)
    if len(counts) > 1:
        listed = _join(
            [f"{name} ({plural(n, 'word')})" for name, n in counts.most_common(MAX_LISTED)]
        )
        return f"the words are by {len(counts)} hands, {listed}; --hands one takes them for one"
    if len(recorded) == 1:
        return ""
    hand = next(iter(counts))
    others = [
        f"{n} without a name" if name == UNKNOWN_AUTHOR else f"{n} named {name!r}"
        for name, n in recorded.most_common(MAX_LISTED)
        if name != hand
    ]
    return (
        f"the {len(words)} words are taken for one hand, {hand}, also {_join(others)}; "
        "--hands named keeps them apart"
    )


def _fold_name(name: str) -> str:
    """Return what two spellings of a name have in common."""
    return "".join(name.split()).casefold()


def _join(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]


def offered_authors(names: Sequence[str], recorded: Collection[str]) -> list[str]:
    """Return the authors of a model that it writes well.

    Args:
        names: of all its authors.
        recorded: of those whom it was fine-tuned to, empty if it was not. The others, whom it
            began with, decay in that training.
    """
    return [name for name in names if name in recorded] or list(names)


def find_author(
    name: str,
    names: Sequence[str],
    offered: Sequence[str] | None = None,
    model: str = "this model",
) -> int:
    """Return the index of the author `name`, in any case of letters.

    "" is the first of `names`, or 0 if there are none; "unknown" is 0.

    Args:
        name: of the author.
        names: of a model's authors, from index 1 on.
        offered: those of `names` that may be asked for; None for all.
        model: what messages call the model.

    Raises:
        UserError: if the author is not offered.
    """
    offered = names if offered is None else offered
    if not name:
        return min(1, len(names))
    if name == UNKNOWN_AUTHOR:
        return 0
    folded = [known.casefold() for known in offered]
    if name.casefold() in folded:
        return indices_by_name(names)[offered[folded.index(name.casefold())]]
    listed = ", ".join([*offered[:MAX_LISTED], *["..."][: len(offered) > MAX_LISTED]])
    if name.casefold() in map(str.casefold, names):
        raise UserError(
            f"{model} writes as {listed}; the hand of {name} is written by the model that this one "
            "was fine-tuned from, for the included hands with --checkpoint base"
        )
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    if close:
        cure = f"did you mean {offered[folded.index(close[0])]}?"
    else:
        cure = f"it knows {listed or 'none by name'}"
    raise UserError(f"{model} knows no author {name!r}; {cure}")
