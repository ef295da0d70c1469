"""What a small bank lacks, and what to record next: `cursive bank advise mine.json`. Knows no model.

The words to record are chosen by the rule of the recording page: the prompt that adds most to rare characters and pairs of letters, for
its length.
"""

import heapq
import string
from collections import Counter
from pathlib import Path

import numpy as np

from cursivetransformer.bank.prompts import PROMPTS, coverage, read_lines
from cursivetransformer.ink import measures as style
from cursivetransformer.utils.io import atomic_path

LEAST_WORDS = 20  # that a hand can be learnt from at all
ENOUGH_WORDS = 100  # for a hand that reads well
NEXT_WORDS = 30  # to record, at least, where something lacks
THIN = 3  # times that a character should come, at least
EFFORT, PAIR_SHARE = (
    3,
    0.5,
)  # as in the recording page: letters that a prompt costs beside its own, worth of a pair beside a character
# How far a word may be from the middle of the others: in the logarithm of its x-height and of its width for each letter, and in radians of
# slant. One word in a hundred of a real bank is past these, of an even hand none.
ODD_HEIGHT, ODD_WIDTH, ODD_SLANT = 0.6, 0.8, 0.35
# What nine words in ten of an even hand stay within; of a real bank they stay within 0.21 and 0.11.
EVEN_HEIGHT, EVEN_SLANT = 0.35, 0.2
NEXT_LIST = "next-words.txt"
HOW_TO_LOAD = 'in collect.html "Load a list..." in the settings takes them'
NAMED = 8  # words or characters that a sentence names


def lacking(words, wanted=None):
    """The characters that were never recorded, those of `wanted`, by default those of the prompts, most useful first; and those that come
    less than `THIN` times."""
    counts, _ = coverage([word.text for word in words])
    wanted = Counter("".join(read_lines(PROMPTS))) if wanted is None else wanted
    ordered = sorted(
        wanted,
        key=lambda char: (
            char not in string.ascii_letters + ".,",
            char.isupper(),
            -wanted[char],
            char,
        ),
    )
    return [char for char in ordered if char != " " and not counts[char]], [
        char for char in ordered if 0 < counts[char] < THIN
    ]


def next_prompts(words, n, prompts=None, wanted=None):
    """`n` of the prompts (default: those that ship) that are best recorded next, best first, given the texts of `words`.

    wanted: texts whose characters and pairs of letters are to be recorded (default: the prompts).
    """
    prompts = read_lines(PROMPTS) if prompts is None else prompts
    wanted_chars, wanted_pairs = coverage(prompts if wanted is None else wanted)
    chars, pairs = coverage([word.text for word in words])
    done, parts = {word.text for word in words}, {prompt: coverage([prompt]) for prompt in prompts}

    def worth(prompt):
        own_chars, own_pairs = parts[prompt]
        return (
            _worth(own_chars, wanted_chars, chars)
            + PAIR_SHARE * _worth(own_pairs, wanted_pairs, pairs)
        ) / (len(prompt) + EFFORT)

    # What a prompt is worth only falls as others are chosen, so one that is still ahead of what the next was worth before is the best.
    left = [(-worth(prompt), i, prompt) for i, prompt in enumerate(parts) if prompt not in done]
    heapq.heapify(left)
    chosen = []
    while left and len(chosen) < n:
        _, i, prompt = heapq.heappop(left)
        now = (-worth(prompt), i, prompt)
        if left and now > left[0]:
            heapq.heappush(left, now)
            continue
        chosen.append(prompt)
        chars.update(parts[prompt][0])
        pairs.update(parts[prompt][1])
    return chosen


def _worth(own, wanted, have):
    """What writing items adds: each is worth the root of how often it is wanted, less the more often it is there."""
    return sum(
        wanted[item] ** 0.5 / (1 + have[item] + again)
        for item, count in own.items()
        for again in range(count)
    )


def odd_words(words):
    """{index: what is odd} of words that are far from the others in size, width or slant, and sentences about a hand that varies on the
    whole."""
    inks, texts = [word.points for word in words], [word.text for word in words]
    tallness = np.array([style.tallest(text) or np.nan for text in texts])
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log(np.array([max(0.0, -points[:, 1].min()) for points in inks]) / tallness)
        widths = np.log([np.ptp(points[:, 0]) / len(text) for points, text in zip(inks, texts)])
    measures = {
        "size": (heights, ODD_HEIGHT),
        "width": (widths, ODD_WIDTH),
        "slant": (style.slants(inks), ODD_SLANT),
    }
    odd, far = {}, {}
    for name, (values, limit) in measures.items():
        known = np.isfinite(values)
        if known.any():
            far[name] = np.where(known, np.abs(values - np.median(values[known])), 0)
            for i in np.flatnonzero(far[name] > limit):
                odd.setdefault(int(i), []).append(name)
    uneven = [
        f"{name} varies much from word to word"
        for name, limit in (("size", EVEN_HEIGHT), ("slant", EVEN_SLANT))
        if name in far and np.quantile(far[name], 0.9) > limit
    ]
    return {i: " and ".join(names) for i, names in odd.items()}, uneven


def advise(words):
    """What a writer should know of a bank before a model learns it: sentences, and a list of prompts to record next, empty where nothing
    lacks."""
    n, (never, thin), (odd, uneven) = len(words), lacking(words), odd_words(words)
    told = []
    if n < LEAST_WORDS:
        told.append(
            f"{n} word{'s' * (n != 1)} {'are' if n != 1 else 'is'} too few to learn a hand from; record {LEAST_WORDS - n} more at least, better {ENOUGH_WORDS - n}"
        )
    elif n < ENOUGH_WORDS:
        told.append(
            f"{n} words give a first impression of a hand; {ENOUGH_WORDS - n} more make it read well"
        )
    if never:
        told.append(
            f"never recorded: {_listed(never, 40)} - these are written as the model knew them before"
        )
    if thin:
        told.append(f"recorded less than {THIN} times: {_listed(thin, 40)}")
    for sentence in uneven:
        told.append(
            f"the {sentence}; write at your usual pace, with the middle of small letters between the guide lines"
        )
    if odd:
        named = ", ".join(f"entry {i} {words[i].text!r} ({odd[i]})" for i in list(odd)[:NAMED])
        told.append(
            f"unlike the others: {named}{' ...' if len(odd) > NAMED else ''} - look at them, and write again what is not as you meant it"
        )
    letters = [char for char in never if char.isalnum()]
    more = max(ENOUGH_WORDS - n, NEXT_WORDS if letters else 0)
    return told, next_prompts(words, more) if more > 0 else []


def tell_advice(words, folder, say):
    """Say what `advise` has to say of the words that a run learns, and write a list of what to record next to its folder."""
    told, prompts = advise(words)
    for sentence in told:
        say(sentence)
    if prompts:
        path = Path(folder) / NEXT_LIST
        write_list(path, prompts)
        say(f"{path}: {len(prompts)} words to record next; {HOW_TO_LOAD}")


def _listed(items, most):
    return " ".join(items[:most]) + (" ..." if len(items) > most else "")


def write_list(path, prompts):
    """Write prompts as a list that the recording page loads, one a line."""
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(prompts) + "\n", encoding="utf-8")
