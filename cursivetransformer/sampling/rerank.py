"""Words that are written again until they read as they are spelt. Joins sampler and recognizer; knows no page.

A word is drawn once; if the recognizer misreads it or is unsure, the other versions that it may have are drawn in one batch with
those of its like, and the one that reads closest to the text is kept: with fewest characters wrong, then most surely read. Among those
that are surely read it is the one that the model finds likeliest.
"""

from dataclasses import replace

import numpy as np

from cursivetransformer.recognition.error_rate import edit_distance
from cursivetransformer.sampling.generate import generate_rows, in_rows
from cursivetransformer.utils.errors import UserError

SURE = 0.05  # nats: a word is surely read when the recognizer gives its text 95%; with less asked, another recognizer misreads more of what is kept


def generate_best_of_n(
    model,
    tokenizer,
    texts,
    recognizer=None,
    most=1,
    rewrite=None,
    group=1,
    progress=None,
    authors=0,
    first_row=0,
    **options,
):
    """Write each of `texts`, of one that is not surely read up to `most` versions; returns a list of `GeneratedWord`.

    recognizer: a `recognizer.Recognizer`, or None to take every word as it comes. rewrite: {index: version} of words that are then written anew in
    other versions, 1 or more, while all other ink stays what it is without. authors: who writes, one for all or one for each text; the
    texts of a row are written by the author of its first. first_row: how many rows of the same text were written before, so that these have
    random numbers of their own. group, progress, options: see `generate.generate_words`.
    """
    if not texts:
        return []
    rows, rewrite = in_rows(texts, group), rewrite or {}
    authors = np.broadcast_to(authors, len(texts))[::group]
    written = _spell(
        model,
        tokenizer,
        rows,
        authors,
        [(first_row + i, 0) for i in range(len(rows))],
        recognizer,
        most,
        progress,
        options,
    )
    anew = sorted({(index // group, version) for index, version in rewrite.items()})
    again = _spell(
        model,
        tokenizer,
        [rows[row] for row, _ in anew],
        authors[[row for row, _ in anew] or slice(0)],
        [(first_row + row, version) for row, version in anew],
        recognizer,
        most,
        None,
        options,
    )
    for index, version in rewrite.items():
        written[index] = replace(
            again[anew.index((index // group, version)) * group + index % group],
            replaces=written[index],
        )
    return written[: len(texts)]


def _spell(model, tokenizer, rows, authors, keys, recognizer, most, progress, options):
    """`GeneratedWord`s of all words of the rows. keys: a (row, version) for each, which chooses its random numbers."""
    group = len(rows[0]) if rows else 1
    first = generate_rows(
        model, tokenizer, rows, [(*key, 0) for key in keys], authors, progress=progress, **options
    )
    if recognizer is None:
        return [word for row in first for word in row]
    versions = [
        [version] for version in _judged(recognizer, [word for row in first for word in row])
    ]

    unsure = {i for i, (version,) in enumerate(versions) if _distance(version) > (0, False, SURE)}
    redrawn = [
        (row, number) for row in sorted({i // group for i in unsure}) for number in range(1, most)
    ]
    again = generate_rows(
        model,
        tokenizer,
        [rows[row] for row, _ in redrawn],
        [(*keys[row], number) for row, number in redrawn],
        authors[[row for row, _ in redrawn] or slice(0)],
        **options,
    )
    of_word = [row * group + column for row, _ in redrawn for column in range(group)]
    for i, version in zip(of_word, _judged(recognizer, [word for row in again for word in row])):
        if i in unsure:
            versions[i].append(version)
    return [_best(candidates) for candidates in versions]


def _judged(recognizer, words):
    """(word, reading, nats of its text) of each."""
    return list(
        zip(
            words,
            *recognizer.read_and_score(
                [word.points for word in words], [word.text for word in words]
            ),
        )
    )


def _distance(version):
    """How far a judged version is from its text, least first."""
    word, reading, nll = version
    return edit_distance(word.text, reading), not word.finished, max(float(nll), SURE)


def _best(versions):
    word, reading, _ = min(versions, key=lambda version: (*_distance(version), version[0].nll))
    return replace(word, reading=reading, versions=len(versions))


def parse_rewrite(text, n_words):
    """What --rewrite says, like "2,4:3", as {index from 0: version}. Raises `UserError`."""
    rewrite = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        number, _, version = part.partition(":")
        if not number.isdecimal() or not (version or "1").isdecimal() or int(version or 1) < 1:
            raise UserError(f"--rewrite takes numbers of words like 2,4 or 2:3, not {part!r}")
        if not 1 <= int(number) <= n_words:
            raise UserError(f"--rewrite {number}: the text has words 1 to {n_words}")
        rewrite[int(number) - 1] = int(version or 1)
    return rewrite
