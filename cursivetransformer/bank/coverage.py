"""What a small bank lacks, and what to record next.

Prompts are chosen by the rule of the recording page: next comes the prompt that adds most to the
characters and pairs of letters that English has and the bank lacks, for its length. Does not depend
on a model.
"""

import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cursivetransformer.bank.prompts import (
    N_EVERYDAY,
    PROMPTS,
    Coverage,
    choose_prompts,
    coverage,
    read_lines,
    write_list,
)
from cursivetransformer.bank.word import PHRASE, Word
from cursivetransformer.ink import measures
from cursivetransformer.utils.wording import plural

# Words that a hand can be learned from at all.
MIN_WORDS = 20
# Words of a hand that reads well.
ENOUGH_WORDS = 100
# Words to record next, at least, where letters are missing.
MIN_NEXT_WORDS = 30
# Times that a character should come.
MIN_COUNT = 3
# How far a word may be from the median of the others: in the logarithm of its x-height and of its
# width per letter, and in radians of slant. One word in a hundred of a real bank is farther, of an
# even hand none.
MAX_DEVIATION = {"size": 0.6, "width": 0.8, "slant": 0.35}
# What nine words in ten of an even hand stay within. In a real bank, it is 0.21 and 0.11.
MAX_EVEN_DEVIATION = {"size": 0.35, "slant": 0.2}
EVEN_QUANTILE = 0.9
NEXT_LIST = "next-words.txt"
HOW_TO_LOAD = 'in collect.html "Load a list..." in the settings takes them'
# Words and characters that a message lists.
MAX_LISTED_WORDS = 8
MAX_LISTED_CHARACTERS = 40


def missing_and_rare_characters(
    words: Sequence[Word], wanted: Mapping[str, int] | None = None
) -> tuple[list[str], list[str]]:
    """Find the characters that a bank lacks, the most useful first.

    Args:
        words: the words of the bank.
        wanted: how often each character to look for is wanted; by default, as in the prompts.

    Returns:
        The characters that never come, and those that come less than `MIN_COUNT` times.
    """
    counts, _ = coverage(word.text for word in words)
    wanted = Counter("".join(read_lines(PROMPTS))) if wanted is None else wanted

    def usefulness(char: str) -> tuple[bool, bool, int, str]:
        is_other = char not in string.ascii_letters + ".,"
        return is_other, char.isupper(), -wanted[char], char

    ordered = sorted(wanted, key=usefulness)
    missing = [char for char in ordered if char != " " and not counts[char]]
    rare = [char for char in ordered if char != " " and 0 < counts[char] < MIN_COUNT]
    return missing, rare


def next_prompts(
    words: Sequence[Word],
    n: int,
    prompts: Sequence[str] | None = None,
    wanted: Coverage | None = None,
) -> list[str]:
    """Choose up to `n` prompts to record next, the best first.

    Args:
        words: the words recorded so far.
        n: how many prompts to choose.
        prompts: prompts to choose from; by default, those that come with the program, the first
            `N_EVERYDAY` of them before the others.
        wanted: how often characters and pairs are wanted; by default, as in English.
    """
    texts = [word.text for word in words]
    done = {*texts, *(str(word.metadata.get(PHRASE, "")) for word in words)}
    recorded = Coverage.of(texts)
    wanted = Coverage.of_english() if wanted is None else wanted
    if prompts is not None:
        return choose_prompts(prompts, n, wanted, recorded, done)
    prompts = read_lines(PROMPTS)
    chosen = choose_prompts(prompts[:N_EVERYDAY], n, wanted, recorded, done)
    further = choose_prompts(prompts[N_EVERYDAY:], n - len(chosen), wanted, recorded, done)
    return chosen + further


def odd_words(words: Sequence[Word]) -> tuple[dict[int, str], list[str]]:
    """Find words that differ much from the others in size, width or slant.

    Returns:
        What is odd about a word, by the word's index, as "size and slant"; and sentences on what
        varies much in the whole hand.
    """
    deviations = _deviations_from_median(words)
    odd: dict[int, list[str]] = {}
    for name, values in deviations.items():
        for i in np.flatnonzero(values > MAX_DEVIATION[name]):
            odd.setdefault(int(i), []).append(name)
    uneven = [
        f"{name} varies much from word to word"
        for name, limit in MAX_EVEN_DEVIATION.items()
        if name in deviations and np.quantile(deviations[name], EVEN_QUANTILE) > limit
    ]
    return {i: " and ".join(names) for i, names in odd.items()}, uneven


def _deviations_from_median(words: Sequence[Word]) -> dict[str, np.ndarray]:
    """Return how far each word is from the median size, width and slant, (W,) each.

    A word that cannot be measured deviates by 0. What no word can be measured by is left out.
    """
    inks = [word.points for word in words]
    nominal = np.array([measures.nominal_height(word.text) or np.nan for word in words])
    heights = np.array([max(0.0, -points[:, 1].min()) for points in inks])
    widths = [np.ptp(word.points[:, 0]) / len(word.text) for word in words]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "size": np.log(heights / nominal),
            "width": np.log(widths),
            "slant": measures.slants(inks),
        }
    deviations = {}
    for name, of_words in values.items():
        known = np.isfinite(of_words)
        if known.any():
            deviations[name] = np.where(known, np.abs(of_words - np.median(of_words[known])), 0)
    return deviations


def advise(words: Sequence[Word]) -> tuple[list[str], list[str]]:
    """Advise a writer on a bank before a model learns it.

    Returns:
        Sentences on what the bank lacks, and prompts to record next, none where nothing lacks.
    """
    n = len(words)
    missing, rare = missing_and_rare_characters(words)
    messages = [
        *_advise_on_size(n),
        *_advise_on_characters(missing, rare),
        *_advise_on_evenness(words),
    ]
    n_next = ENOUGH_WORDS - n
    if any(char.isalnum() for char in missing):
        n_next = max(n_next, MIN_NEXT_WORDS)
    return messages, next_prompts(words, n_next) if n_next > 0 else []


def _advise_on_size(n: int) -> list[str]:
    better = ENOUGH_WORDS - n
    if n < MIN_WORDS:
        n_words = "1 word is" if n == 1 else f"{n} words are"
        return [
            f"{n_words} too few to learn a hand from; "
            f"record {MIN_WORDS - n} more at least, better {better}"
        ]
    if n < ENOUGH_WORDS:
        return [f"{n} words give a first impression of a hand; {better} more make it read well"]
    return []


def _advise_on_characters(missing: Sequence[str], rare: Sequence[str]) -> list[str]:
    messages = []
    if missing:
        listed = _list(missing, MAX_LISTED_CHARACTERS)
        messages.append(
            f"never recorded: {listed} - these are written as the model knew them before"
        )
    if rare:
        listed = _list(rare, MAX_LISTED_CHARACTERS)
        messages.append(f"recorded less than {MIN_COUNT} times: {listed}")
    return messages


def _advise_on_evenness(words: Sequence[Word]) -> list[str]:
    odd, uneven = odd_words(words)
    messages = [
        f"the {sentence}; write at your usual pace, "
        "with the middle of small letters between the guide lines"
        for sentence in uneven
    ]
    if odd:
        named = ", ".join(
            f"entry {i} {words[i].text!r} ({odd[i]})" for i in list(odd)[:MAX_LISTED_WORDS]
        )
        more = " ..." if len(odd) > MAX_LISTED_WORDS else ""
        messages.append(
            f"unlike the others: {named}{more} - look at them, "
            "and write again what is not as you meant it"
        )
    return messages


def _list(items: Sequence[str], n: int) -> str:
    return " ".join(items[:n]) + (" ..." if len(items) > n else "")


def tell_advice(words: Sequence[Word], folder: str | Path, say: Callable[[str], object]) -> None:
    """Say the advice on the words that a run learns, and list prompts to record in its folder."""
    messages, prompts = advise(words)
    for message in messages:
        say(message)
    if prompts:
        path = Path(folder) / NEXT_LIST
        write_list(path, prompts)
        say(f"{path}: {plural(len(prompts), 'word')} to record next; {HOW_TO_LOAD}")
