"""A recorded word whose style is to be followed: `--style_from bank.json#17`."""

import dataclasses

from cursivetransformer.bank.file import iterate_entries, parse_entries
from cursivetransformer.bank.registry import find_bank
from cursivetransformer.bank.word import InvalidEntry, parse_entry
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import resized
from cursivetransformer.utils.errors import UserError

BEST_LENGTH = 8  # letters: a word that shows a hand, and leaves a model room to remember it


def find_primer(like, tokenizer, dropped, most_text, ink_scale=1.0):
    """The `bank_entry.Word` that `like` names, made larger by `ink_scale` and with the share `dropped` of its points left out, as a model
    learns ink.

    like: FILE#17 for an entry of a bank, counted from 0 as `cursive bank check` does; FILE#NAME or FILE for the
    word by that author, or by anybody, that is nearest to eight letters, and of letters alone if there is one. Raises `UserError`.
    """
    name, _, what = like.rpartition("#") if "#" in like else (like, "", "")
    path = find_bank(name)
    if what.isdecimal():
        word = _entry(path, int(what), like)
        _check(word, tokenizer, most_text, like)
    else:
        word = _of_author(path, what, tokenizer, most_text, like)
    return dataclasses.replace(word, points=downsample(resized(word.points, ink_scale), dropped))


def _entry(path, number, like):
    for index, entry in enumerate(iterate_entries(path)):
        if index == number:
            try:
                return parse_entry(entry)
            except InvalidEntry as fault:
                raise UserError(
                    f"--style_from {like}: entry {number} is faulty: {fault}"
                ) from fault
    raise UserError(f"--style_from {like}: {path} has entries 0 to {index}")


def _check(word, tokenizer, most_text, like):
    unknown = tokenizer.unknown_characters(word.text)
    if unknown:
        raise UserError(
            f"--style_from {like}: {word.text!r} has {unknown[0]!r}, which the model has never seen; take another word"
        )
    if len(word.text) > most_text:
        raise UserError(
            f"--style_from {like}: {word.text[:20]!r}... is too long, at most {most_text} letters can be followed"
        )


def _of_author(path, author, tokenizer, most_text, like):
    words, _ = parse_entries(iterate_entries(path))
    there = sorted({word.author for word in words})
    words = [word for word in words if not author or word.author.casefold() == author.casefold()]
    if not words:
        raise UserError(
            f"--style_from {like}: {path} has no words by {author!r}; it has {', '.join(there[:12]) or 'none that is usable'}"
        )
    fitting = [
        word
        for word in words
        if len(word.text) <= most_text and not tokenizer.unknown_characters(word.text)
    ]
    if not fitting:
        raise UserError(
            f"--style_from {like}: no word there is short enough and of characters that the model has seen"
        )
    return min(
        fitting, key=lambda word: (not word.text.isalpha(), abs(len(word.text) - BEST_LENGTH))
    )
