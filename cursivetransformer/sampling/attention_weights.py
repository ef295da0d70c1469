"""Which letter a model looked at while it drew each piece of ink: found, judged, and drawn. `sample.py --attention out.png`.

Heads of cross-attention differ; some follow the writing from letter to letter, others look at all of the word. The one that follows
best is taken: whose looks tell most about where in the word the pen is, as their mutual information.
"""

import string
from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.ink.strokes import points_to_offsets
from cursivetransformer.sampling.generate import context_of, prompt_of

LATE = set(
    "ijtxfz" + string.ascii_uppercase + '!?;:%="'
)  # letters whose dots and bars come later than the rest
DOTTED = set("ij!?;:.,%\"'\u2026")
DOT = 0.03  # canvas heights: a stroke that is no larger is a dot
STEADY = 3  # offsets in a row that make a look; a shorter one is a glance


@dataclass
class WordAttention:
    """A word and what was looked at. weights: (n, letters), of each offset; letter: (n,) the index of the one that is followed; slips:
    {index of a letter: what went wrong}."""

    text: str
    points: np.ndarray
    weights: np.ndarray
    letter: np.ndarray
    slips: dict


def find_word_attention(model, tokenizer, words, author=0, primer=None):
    """`WordAttention` of words (`generate.GeneratedWord`s or `bank_entry.Word`s) as the model would draw them; those without ink are left out."""
    words = [word for word in words if len(word.points)]
    of_heads = [_all_heads(model, tokenizer, word, author, primer) for word in words]
    information = (
        np.mean([[_information(weights) for weights in heads] for heads in of_heads], axis=0)
        if words
        else []
    )
    return [
        _judged(word, heads[int(np.argmax(information))]) for word, heads in zip(words, of_heads)
    ]


def _all_heads(model, tokenizer, word, author, primer):
    """(heads, n, letters): offset i was predicted from what the group before it sees."""
    device = next(model.parameters()).device
    ids = tokenizer.encode_offsets(points_to_offsets(word.points))[0]
    before = prompt_of(tokenizer, primer)
    prompt = torch.as_tensor(np.concatenate([before, ids]), device=device)
    if model.bounded:  # what lies behind its context is left out
        prompt = prompt[: model.config.max_length // tokenizer.n_slots]
    text = torch.as_tensor(context_of(model, tokenizer, [[word.text]], primer), device=device)
    looks = (
        model.cross_attention_weights(prompt, text, torch.tensor([author], device=device))
        .cpu()
        .numpy()
    )
    first = len(primer.text) + 1 if primer else 0
    own = looks[:, len(before) - 1 : len(before) + len(ids) - 1, first : first + len(word.text) + 1]
    return own / np.maximum(own.sum(-1, keepdims=True), 1e-9)


def _information(weights):
    """Mutual information, in nats, of the place in the word and the letter looked at, all places being as frequent."""

    def entropy(p):
        return -(p * np.log(np.maximum(p, 1e-12))).sum(-1)

    return entropy(weights.mean(0)) - entropy(weights).mean()


def _judged(word, weights):
    """The space behind the last letter is what is looked at when the word is over."""
    n, letters = len(weights), len(word.text)
    letter = _steady(np.minimum(weights.argmax(1), letters - 1))
    starts = np.append(True, word.points[:n, 2][:-1] == 0)
    slips = {}
    for i in range(1, n):
        now, last = letter[i], letter[i - 1]
        if now < last and not starts[i] and now not in slips and word.text[now] not in LATE:
            slips[now] = f"was gone back to from {word.text[last]!r}, at point {i} of {n}"
    for first, end in zip(np.flatnonzero(starts), np.append(np.flatnonzero(starts)[1:], n)):
        at = letter[first]
        if np.ptp(word.points[first:end, :2], axis=0).max() < DOT and word.text[at] not in DOTTED:
            slips.setdefault(
                at, f"was looked at while a dot was drawn, at point {first + 1} of {n}"
            )
    for index in sorted(set(range(letters)) - set(letter.tolist())):
        slips[index] = "was never looked at"
    return WordAttention(
        word.text,
        word.points[:n],
        weights[:, :letters],
        letter,
        {int(index): what for index, what in sorted(slips.items())},
    )


def _steady(letter):
    """The letters looked at, with runs shorter than STEADY given to what was looked at before, or at the start after."""
    letter = letter.copy()
    starts = np.flatnonzero(np.append(True, np.diff(letter) != 0))
    for start, end in zip(starts, np.append(starts[1:], len(letter))):
        if (
            end - start < STEADY
            and end < len(letter)
            and start > 0
            and letter[start - 1] == letter[end]
        ):
            letter[start:end] = letter[start - 1]
    return letter


def told(looks):
    """A sentence for every letter at which attention slipped. looks: {number of a word: `WordAttention`}."""
    return [
        f"attention: word {number}, {one.text!r}: letter {index + 1}, {one.text[index]!r}, {what}"
        for number, one in looks.items()
        for index, what in one.slips.items()
    ]
