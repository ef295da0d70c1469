"""Find the recorded word whose style to follow: `--style_from bank.json#17`."""

import dataclasses
import re
from pathlib import Path

from cursivetransformer.bank.file import iterate_entries, parse_entries
from cursivetransformer.bank.registry import find_bank
from cursivetransformer.bank.word import InvalidEntry, Word, parse_entry
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import resize
from cursivetransformer.utils.errors import UserError

BEST_LENGTH = 8  # letters: enough to show a hand, and short enough for a model to remember


def find_primer(
    style_from: str, tokenizer: Tokenizer, dropped: float, max_text: int, ink_scale: float = 1.0
) -> Word:
    """Find a recorded word, and scale and downsample it as in the model's training.

    Args:
        style_from: FILE#17 for an entry of a bank, counted from 0 as in `cursive bank check`;
            FILE#NAME or FILE for the word by that author, or by anyone, whose length is nearest to
            eight letters, preferably of letters alone.
        tokenizer: The model's tokenizer, whose alphabet the word must fit.
        dropped: Fraction of the points to leave out.
        max_text: Maximum characters of the word.
        ink_scale: Factor of the ink's size.

    Raises:
        UserError: There is no such word, or the model cannot follow it.
    """
    name, _, selector = style_from.rpartition("#") if "#" in style_from else (style_from, "", "")
    path = find_bank(name)
    if re.fullmatch(r"[0-9]{1,9}", selector):
        word = _find_entry(path, int(selector), style_from)
        _check_word(word, tokenizer, max_text, style_from)
    else:
        word = _find_by_author(path, selector, tokenizer, max_text, style_from)
    return dataclasses.replace(word, points=downsample(resize(word.points, ink_scale), dropped))


def _find_entry(path: Path, number: int, style_from: str) -> Word:
    """Return the entry of this number. Raises `UserError`."""
    last = -1
    for last, entry in enumerate(iterate_entries(path)):
        if last < number:
            continue
        try:
            return parse_entry(entry)
        except InvalidEntry as fault:
            raise UserError(
                f"--style_from {style_from}: entry {number} is faulty: {fault}"
            ) from fault
    there = f"entries 0 to {last}" if last >= 0 else "no entries"
    raise UserError(f"--style_from {style_from}: {path} has {there}")


def _check_word(word: Word, tokenizer: Tokenizer, max_text: int, style_from: str) -> None:
    """Raise `UserError` if the model cannot follow the word."""
    unknown = tokenizer.unknown_characters(word.text)
    if unknown:
        raise UserError(
            f"--style_from {style_from}: {word.text!r} has {unknown[0]!r}, which the model has "
            "never seen; take another word"
        )
    if len(word.text) > max_text:
        raise UserError(
            f"--style_from {style_from}: {word.text[:20]!r}... is too long, at most {max_text} "
            "letters can be followed"
        )


def _find_by_author(
    path: Path, author: str, tokenizer: Tokenizer, max_text: int, style_from: str
) -> Word:
    """Return the most suitable word by the author, or by anyone for "". Raises `UserError`."""
    words, _ = parse_entries(iterate_entries(path))
    names = sorted({word.author for word in words})
    if author:
        words = [word for word in words if word.author.casefold() == author.casefold()]
    if not words:
        raise UserError(
            f"--style_from {style_from}: {path} has no words by {author!r}; "
            f"it has {', '.join(names[:12]) or 'none that is usable'}"
        )
    fitting = [
        word
        for word in words
        if len(word.text) <= max_text and not tokenizer.unknown_characters(word.text)
    ]
    if not fitting:
        raise UserError(
            f"--style_from {style_from}: no word there is short enough and of characters that "
            "the model has seen"
        )
    return min(
        fitting, key=lambda word: (not word.text.isalpha(), abs(len(word.text) - BEST_LENGTH))
    )
