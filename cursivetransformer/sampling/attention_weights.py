"""Find the letter that a model attended to at each offset of a word: `sample.py --attention`.

Heads of cross-attention differ: some follow the writing from letter to letter, others attend to the
whole word. The head that follows best is taken: the one with the highest mutual information between
the position in the word and the letter.
"""

import string
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.strokes import points_to_offsets
from cursivetransformer.models.base import Model
from cursivetransformer.sampling.generate import (
    GeneratedWord,
    Primer,
    encode_texts,
    prompt_groups,
)

# Characters with delayed strokes: their dots and bars come after later letters.
DELAYED_STROKES = set("ijtxfz" + string.ascii_uppercase + '!?;:%="')
DOTTED = set("ij!?;:.,%\"'\u2026")
MAX_DOT_SIZE = 0.03  # canvas heights, of a stroke that is a dot
MIN_RUN = 3  # offsets; a shorter run of attention to a letter is ignored


@dataclass
class WordAttention:
    """A word and the letters attended to.

    points: (n, 3); weights: (n, letters) of each offset; letter: (n,) index of the letter that each
    offset follows; slips: {index of a letter: what went wrong}.
    """

    text: str
    points: np.ndarray
    weights: np.ndarray
    letter: np.ndarray
    slips: dict[int, str]


def find_word_attention(
    model: Model,
    tokenizer: Tokenizer,
    words: Iterable[GeneratedWord | Word],
    author: int = 0,
    primer: Primer | None = None,
) -> list[WordAttention]:
    """Return the attention of words as the model would write them, without those of no ink."""
    words = [word for word in words if len(word.points)]
    if not words:
        return []
    heads_of_words = [_head_weights(model, tokenizer, word, author, primer) for word in words]
    information = [[_mutual_information(head) for head in heads] for heads in heads_of_words]
    best_head = int(np.argmax(np.mean(information, axis=0)))
    return [_follow(word, heads[best_head]) for word, heads in zip(words, heads_of_words)]


def _head_weights(
    model: Model,
    tokenizer: Tokenizer,
    word: GeneratedWord | Word,
    author: int,
    primer: Primer | None,
) -> np.ndarray:
    """Return the weights of all heads, (heads, n, letters + 1), the last one of the space.

    Offset i is predicted at the group before it, so its weights are those of that group.
    """
    device = next(model.parameters()).device
    ids = tokenizer.encode_offsets(points_to_offsets(word.points))[0]
    start = prompt_groups(tokenizer, primer)
    prompt = torch.as_tensor(np.concatenate([start, ids]), device=device)
    if model.bounded:  # what is beyond the context is left out
        prompt = prompt[: model.config.max_length // tokenizer.n_slots]
    text = torch.as_tensor(encode_texts(model, tokenizer, [[word.text]], primer), device=device)
    authors = torch.tensor([author], device=device)
    weights = model.cross_attention_weights(prompt, text, authors).cpu().numpy()
    first = len(primer.text) + 1 if primer else 0
    offsets = slice(len(start) - 1, len(start) + len(ids) - 1)
    letters = slice(first, first + len(word.text) + 1)
    word_weights = weights[:, offsets, letters]
    return word_weights / np.maximum(word_weights.sum(-1, keepdims=True), 1e-9)


def _mutual_information(weights: np.ndarray) -> float:
    """Return the mutual information in nats of offset and letter, for weights (n, letters).

    All offsets count as equally frequent.
    """

    def entropy(p: np.ndarray) -> np.ndarray:
        return -(p * np.log(np.maximum(p, 1e-12))).sum(-1)

    return entropy(weights.mean(0)) - entropy(weights).mean()


def _follow(word: GeneratedWord | Word, weights: np.ndarray) -> WordAttention:
    """Return the letters that weights (n, letters + 1) follow, and the slips."""
    n, n_letters = len(weights), len(word.text)
    # At the end of the word the space is attended to, which counts for the last letter.
    letter = _remove_short_runs(np.minimum(weights.argmax(1), n_letters - 1))
    points = word.points[:n]
    slips = _find_slips(word.text, points, letter)
    return WordAttention(word.text, points, weights[:, :n_letters], letter, slips)


def _find_slips(text: str, points: np.ndarray, letter: np.ndarray) -> dict[int, str]:
    """Return {index of a letter: what went wrong}, sorted by index."""
    n = len(points)
    starts = np.append(True, points[:, 2][:-1] == 0)  # of strokes
    slips: dict[int, str] = {}
    for i in range(1, n):
        current, previous = int(letter[i]), int(letter[i - 1])
        went_back = current < previous and not starts[i]
        if went_back and current not in slips and text[current] not in DELAYED_STROKES:
            slips[current] = f"was gone back to from {text[previous]!r}, at point {i} of {n}"
    first_points = np.flatnonzero(starts)
    for first, end in zip(first_points, np.append(first_points[1:], n)):
        current = int(letter[first])
        is_dot = np.ptp(points[first:end, :2], axis=0).max() < MAX_DOT_SIZE
        if is_dot and text[current] not in DOTTED:
            what = f"was looked at while a dot was drawn, at point {first + 1} of {n}"
            slips.setdefault(current, what)
    for index in set(range(len(text))) - set(letter.tolist()):
        slips[index] = "was never looked at"
    return dict(sorted(slips.items()))


def _remove_short_runs(letter: np.ndarray) -> np.ndarray:
    """Replace runs shorter than MIN_RUN that interrupt a run of another letter by that letter."""
    letter = letter.copy()
    starts = np.flatnonzero(np.append(True, np.diff(letter) != 0))
    for start, end in zip(starts, np.append(starts[1:], len(letter))):
        is_inside = start > 0 and end < len(letter)
        if is_inside and end - start < MIN_RUN and letter[start - 1] == letter[end]:
            letter[start:end] = letter[start - 1]
    return letter


def describe_slips(attention: Iterable[tuple[int, WordAttention]]) -> list[str]:
    """Return a sentence about every slip; attention: the number of a word, and its attention."""
    return [
        f"attention: word {number}, {word.text!r}: letter {index + 1}, {word.text[index]!r}, {what}"
        for number, word in attention
        for index, what in word.slips.items()
    ]
