"""Words that are written again until they read as they are spelt. Joins sampler and reader; knows no page.

A word is drawn once; if the reader misreads it, the other versions that it may have are drawn in one batch with those of its
like, and the one that reads closest to the text is kept, of several such the likeliest.
"""

from dataclasses import dataclass

from cursivetransformer.errors import UserError
from cursivetransformer.generate import in_rows, write_rows
from cursivetransformer.spelling import edits


@dataclass
class SpeltWord:
    """A word as it was kept. word: a `generate.WrittenWord`; reading: what the reader reads, or None where none was asked;
    versions: how many were drawn."""

    word: object
    reading: str | None
    versions: int

    @property
    def doubtful(self):
        """Whether it may be misspelt: it was misread, or did not come to its end."""
        return not self.word.finished or self.reading not in (None, self.word.text)


def write_spelt(model, tokenizer, texts, reader=None, most=1, rewrite=None, group=1, progress=None, **options):
    """Write each of `texts`, of a misread one up to `most` versions; returns a list of `SpeltWord`.

    reader: a `reader.Reader`, or None to take every word as it comes. rewrite: {index: version} of words that are then written anew in
    other versions, 1 or more, while all other ink stays what it is without. group, progress, options: see `generate.write_words`.
    """
    rows = in_rows(texts, group)
    written = _spell(model, tokenizer, rows, [(i, 0) for i in range(len(rows))], reader, most, progress, options)
    anew = sorted({(index // group, version) for index, version in (rewrite or {}).items()})
    again = _spell(model, tokenizer, [rows[row] for row, _ in anew], anew, reader, most, None, options)
    for index, version in (rewrite or {}).items():
        written[index] = again[anew.index((index // group, version)) * group + index % group]
    return written[:len(texts)]


def _spell(model, tokenizer, rows, keys, reader, most, progress, options):
    """`SpeltWord`s of all words of the rows. keys: a (row, version) for each, which chooses its random numbers."""
    group = len(rows[0]) if rows else 1
    first = write_rows(model, tokenizer, rows, [(*key, 0) for key in keys], progress=progress, **options)
    versions = [[word] for row in first for word in row]
    if reader is None:
        return [SpeltWord(words[0], None, 1) for words in versions]
    readings = [[reading] for reading in reader.read([words[0].points for words in versions])]

    wrong = [i for i, (words, read) in enumerate(zip(versions, readings)) if _distance(words[0], read[0]) > (0, False)]
    redrawn = [row for row in sorted({i // group for i in wrong}) for _ in range(most - 1)]
    streams = [(*keys[row], 1 + n % (most - 1)) for n, row in enumerate(redrawn)]
    for row, words in zip(redrawn, write_rows(model, tokenizer, [rows[row] for row in redrawn], streams, **options)):
        for i, word in enumerate(words, row * group):
            if i in wrong:
                versions[i].append(word)
    for i in wrong:
        readings[i] += reader.read([word.points for word in versions[i][1:]])
    return [_best(words, read) for words, read in zip(versions, readings)]


def _distance(word, reading):
    return edits(word.text, reading), not word.finished


def _best(words, readings):
    word, reading = min(zip(words, readings), key=lambda pair: (*_distance(*pair), pair[0].nats))
    return SpeltWord(word, reading, len(words))


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
