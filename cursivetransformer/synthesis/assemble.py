"""Given texts out of recorded letters: each word is put together of pieces of recorded words, as long as they come.

So a model that learns a hand sees the letters in the company in which it will write them. A piece goes on where the next one shares the
letter before, else where the pen was lifted, else, as a pair of letters that was never recorded, on the stroke from the one to the other.

Knows no model; the cuts and joins are those of `splice.py`.
"""

import numpy as np

from cursivetransformer.synthesis.splice import (
    begun,
    joined_on_the_way,
    joined_within,
    made_of,
    set_side_by_side,
)

STARTS, TRIES = 3, 8  # pieces looked at to begin with, and for each way of going on


def assemble(lettered, texts, rng):
    """Those of `texts` that can be put together out of a list of `splice.AlignedWord` of one hand: a list of `bank_entry.Word`."""
    pieces = _Pieces(lettered)
    return [one.word for one in (pieces.assembled(text, rng) for text in texts) if one]


class _Pieces:
    """Where recorded words hold what may follow: (a `AlignedWord`, the index of a character) by the character or pair that stands there."""

    def __init__(self, lettered):
        self.pairs, self.apart, self.joined, self.ends = {}, {}, {}, {}
        for one in lettered:
            text = one.word.text
            for k, char in enumerate(text):
                if k - 1 in one.letters:
                    self.pairs.setdefault(text[k - 1 : k + 1], []).append((one, k))
                if k in one.gaps:
                    self.apart.setdefault(char, []).append((one, k))
                elif text[k - 1 : k + 1].isalpha():
                    self.joined.setdefault(char, []).append((one, k))
                if k + 1 in one.gaps:
                    self.ends.setdefault(char, []).append((one, k))

    def assembled(self, text, rng):
        """The `AlignedWord` of a text, or None where no pieces go together."""
        for one, k in _drawn(self.apart.get(text[0], []), text, 0, rng)[:STARTS]:
            if made := self._grown(_from(one, k), text, rng):
                return made
        return None

    def _grown(self, made, text, rng):
        """The `AlignedWord` of a text that begins as `made` does, or None."""
        k = _alike(made, 0, text, 0)
        while k < len(text):
            made = self._longer(made, k, text, rng)
            if made is None:
                return None
            k += _alike(made, k, text, k)
        return self._ended(made, k, rng)

    def _longer(self, made, k, text, rng):
        """A `AlignedWord` whose first k characters are those of `made`, and the next is the text's too; None where nothing goes on so."""
        if k - 1 in made.letters:
            for one, m in _drawn(self.pairs.get(text[k - 1 : k + 1], []), text, k, rng):
                if longer := joined_within(made, k - 1, one, m - 1):
                    return longer
        if not text[k].isalnum():  # a mark follows a whole word
            made = self._ended(made, k, rng)
        elif not made.word.text[
            k : k + 1
        ].isalnum():  # that nothing or a mark stood behind it does not tell where a letter would
            return None
        if made and k in made.gaps:
            for one, m in _drawn(self.apart.get(text[k], []), text, k, rng):
                if m or k < len(made.word.text):  # else nothing tells how far apart they stand
                    return set_side_by_side(made, k, one, m)
        for one, m in _drawn(self.joined.get(text[k], []), text, k, rng) if made else []:
            if longer := joined_on_the_way(made, k, one, m):
                return longer
        return None

    def _ended(self, made, k, rng):
        """A `AlignedWord` of the first k characters of one, which ends as words end; one of a letter that was never recorded so is cut off
        behind it. None where neither can be."""
        ends = self.ends.get(made.word.text[k - 1], [])
        if k in made.gaps or not ends:
            return _up_to(made, k)
        for i in rng.permutation(len(ends))[:TRIES]:
            one, m = ends[i]
            if ended := _swapped(made, k - 1, one, m):
                return _up_to(ended, k)
        return None


def _drawn(found, text, k, rng):
    """Up to `TRIES` of the places found, (a `AlignedWord`, m), in an order drawn so that those come first whose text goes on from m as
    `text` does from k for long."""
    if not found:
        return []
    alike = np.array([_alike(one, m, text, k) for one, m in found], float)
    drawn = rng.choice(
        len(found), size=min(TRIES, len(found)), replace=False, p=alike / alike.sum()
    )
    return [found[i] for i in drawn]


def _swapped(made, k, one, m):
    """What `made` is with its character k and all behind it from another one's character m, the same letter, on; or None."""
    if k in made.letters and m in one.letters and (swapped := joined_within(made, k, one, m)):
        return swapped
    return joined_on_the_way(made, k, one, m) if k and m else None


def _alike(one, m, text, k):
    """How many characters of a `AlignedWord` from m on are those of `text` from k on."""
    n = 0
    for mine, wanted in zip(one.word.text[m:], text[k:]):
        if mine != wanted:
            break
        n += 1
    return n


def _from(one, k):
    """What stands behind the gap k of a `AlignedWord`."""
    main, marks = one.strokes(one.middles >= one.borders[k])
    return made_of([*main, *marks], one.word.text[k:], one.word.author, one.places[k:])


def _up_to(one, k):
    """The first k characters of a `AlignedWord`; None where they cannot be cut off, as a stop under a closing quote."""
    text = one.word.text
    if k == len(text):
        return one
    if not text[k - 1].isalnum() and not text[k].isalnum():
        return None
    if k in one.gaps:
        main, marks = one.strokes(one.middles < one.borders[k])
    else:
        at = one.ligature(k)
        if not len(at):
            return None
        points, marks = begun(one, at[abs(one.word.points[at, 0] - one.borders[k]).argmin()])
        main = [np.concatenate([points[:-1], points[-1:] * [1, 1, 0]])]
    return made_of([*main, *marks], text[:k], one.word.author, one.places[:k])
