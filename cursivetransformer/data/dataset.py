"""From words to batches, on arrays: split, combine, augment, tokenize, shift, mask. Knows no model and no torch.

`make_batch` is the reference: `packing.pack` makes the same tokens where the model is, and is tested against it.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from cursivetransformer.bank.word import UNKNOWN_AUTHOR
from cursivetransformer.data.tokenizer import TEXT_PAD
from cursivetransformer.ink.strokes import (
    kept_counts,
    kept_indices,
    ragged_arange,
    resize,
)
from cursivetransformer.utils.errors import UserError

IGNORE = -100  # target of a padded position, never scored (the default of torch's cross_entropy)
ME = "me"  # an author who gave no name
NO_WORD = -1  # fills the word ids of an example with fewer words than its neighbours


@dataclass
class Batch:
    """B examples, padded on the right to the longest, T tokens and S characters.

    tokens: (B, T) token ids, WORD first; targets: (B, T), the token after each, IGNORE in the padding;
    text: (B, S) character ids, TEXT_PAD in the padding; lengths: (B,) real tokens; offsets: (B,) offsets;
    cut: examples that lost words because they did not fit; clamped: radii past the last bin.
    """

    tokens: np.ndarray
    targets: np.ndarray
    text: np.ndarray
    lengths: np.ndarray
    offsets: np.ndarray
    cut: int = 0
    clamped: int = 0


class Ink:
    """The words of a bank as flat arrays, so that any of them can be gathered at once.

    xy: (N, 2) all points; stroke_starts, stroke_lengths: (S,) into xy; word_starts, word_strokes: (W,) into the strokes;
    chars: all texts as character ids, a space after each; text_starts, text_lengths: (W,) into chars, that space counted in.
    """

    def __init__(self, words, tokenizer):
        points = np.concatenate([word.points for word in words])
        ends = np.flatnonzero(points[:, 2] == 0) + 1
        self.xy = np.ascontiguousarray(points[:, :2])
        self.stroke_lengths = np.diff(ends, prepend=0)
        self.stroke_starts = ends - self.stroke_lengths
        self.word_strokes = np.array([np.count_nonzero(word.points[:, 2] == 0) for word in words])
        self.word_starts = np.cumsum(self.word_strokes) - self.word_strokes
        texts = [tokenizer.encode_text(word.text + " ") for word in words]
        self.chars = np.concatenate(texts)
        self.text_lengths = np.array([len(text) for text in texts])
        self.text_starts = np.cumsum(self.text_lengths) - self.text_lengths

    def token_counts(self, tokenizer, rate):
        """(W,) tokens that each word takes, its WORD counted in, when the share `rate` of its points is dropped."""
        points = np.add.reduceat(kept_counts(self.stroke_lengths, rate), self.word_starts)
        return 1 + tokenizer.n_slots * points


def make_batch(ink, tokenizer, word_ids, rates, matrices, max_length):
    """Combine words into examples.

    word_ids: (B, W) words of each example, NO_WORD in unused places at the end of a row; rates: (B,) shares of points
    to drop; matrices: (B, 2, 2) from `augment.sample_transforms`, or None; max_length: tokens that an example may have. An
    example that is longer loses its last words, with their text. Every first word must fit.
    """
    n_examples = len(word_ids)
    row, column = np.nonzero(word_ids != NO_WORD)
    word = word_ids[row, column]

    # How long each word will be, and which words fit.
    strokes, stroke_lengths, kept = _strokes_of(ink, word, rates[row])
    points = np.add.reduceat(kept, np.cumsum(strokes) - strokes)
    tokens = 1 + tokenizer.n_slots * points
    before = np.cumsum(tokens) - tokens
    before -= before[np.searchsorted(row, row)]  # tokens of the example before this word
    fits = before + tokens <= max_length
    cut = len(np.unique(row[~fits]))
    if cut:
        stroke_fits = np.repeat(fits, strokes)
        stroke_lengths, kept = stroke_lengths[stroke_fits], kept[stroke_fits]
        row, word, strokes, points, tokens, before = (
            a[fits] for a in (row, word, strokes, points, tokens, before)
        )

    ids, clamped = tokenizer.encode_offsets(
        _offsets(ink, word, row, strokes, stroke_lengths, kept, points, matrices)
    )

    lengths = np.bincount(row, tokens, n_examples).astype(np.int64)
    width = int(lengths.max())
    x = np.full((n_examples, width), tokenizer.pad_id, np.int64)
    flat = x.reshape(-1)
    start = row * width + before
    flat[start] = tokenizer.word_id
    place = np.repeat(start + 1, points) + tokenizer.n_slots * ragged_arange(points)
    for slot in range(tokenizer.n_slots):
        flat[place + slot] = ids[:, slot]
    y = np.full_like(x, IGNORE)
    y[:, :-1] = x[:, 1:]
    y[x == tokenizer.pad_id] = IGNORE
    y[np.arange(n_examples), lengths - 1] = tokenizer.end_id
    offsets = np.bincount(row, points, n_examples).astype(np.int64)
    return Batch(x, y, _texts(ink, word, row, n_examples), lengths, offsets, cut, clamped)


def _strokes_of(ink, word, rate):
    """Strokes per word (w,), and for every stroke of every word its length and how many points it keeps (s,)."""
    strokes = ink.word_strokes[word]
    stroke_lengths = ink.stroke_lengths[_stroke_ids(ink, word, strokes)]
    return strokes, stroke_lengths, kept_counts(stroke_lengths, np.repeat(rate, strokes))


def _stroke_ids(ink, word, strokes):
    return np.repeat(ink.word_starts[word], strokes) + ragged_arange(strokes)


def _offsets(ink, word, row, strokes, stroke_lengths, kept, points, matrices):
    """(n, 3) offsets of all words: downsampled, transformed, each word from its left edge on the baseline."""
    stroke_starts = ink.stroke_starts[_stroke_ids(ink, word, strokes)]
    index = np.repeat(stroke_starts, kept) + kept_indices(stroke_lengths, kept)
    x, y = ink.xy[index].T
    if matrices is not None:
        m = np.repeat(matrices.reshape(-1, 4)[row], points, axis=0).T
        x, y = x * m[0] + y * m[2], x * m[1] + y * m[3]
    starts = np.cumsum(points) - points
    offsets = np.ones((3, len(x)), np.float32)
    offsets[0, 1:], offsets[1, 1:] = np.diff(x), np.diff(y)
    offsets[0, starts] = x[starts] - np.minimum.reduceat(x, starts)
    offsets[1, starts] = y[starts]
    offsets[2, np.cumsum(kept) - 1] = 0
    return offsets.T


def _texts(ink, word, row, n_examples):
    """(B, S) character ids: the words of each example with a space after each, the last one too, which tells where it ends."""
    counts = ink.text_lengths[word]
    chars = ink.chars[np.repeat(ink.text_starts[word], counts) + ragged_arange(counts)]
    lengths = np.bincount(row, counts, n_examples).astype(np.int64)
    text = np.full((n_examples, lengths.max()), TEXT_PAD, np.int64)
    text[np.arange(lengths.max()) < lengths[:, None]] = chars
    return text


def draw_word_ids(rng, pool, n, least, most):
    """(n, most) word ids drawn from `pool` with replacement, `least` to `most` of them in a row, then NO_WORD."""
    ids = rng.choice(pool, (n, most))
    ids[np.arange(most) >= rng.integers(least, most + 1, (n, 1))] = NO_WORD
    return ids


def split_words(words, share, seed):
    """Ids of training words and of test words. Words of the same text stay together, so that no test text is trained on."""
    texts = sorted({word.text for word in words})
    if len(texts) < 2:
        raise UserError(
            f"the bank holds {len(texts)} different word; at least 2 are needed, one of them to test on"
        )
    n_test = min(max(1, round(share * len(texts))), len(texts) - 1)
    test = {texts[i] for i in np.random.default_rng([seed, 0]).permutation(len(texts))[:n_test]}
    held_out = np.array([word.text in test for word in words])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def own_words(words, config):
    """The bank's words in the model's size; with --finetune a name for who gave none."""
    return [
        dataclasses.replace(
            word,
            points=resize(word.points, config.ink_scale),
            author=ME if config.finetune and word.author == UNKNOWN_AUTHOR else word.author,
        )
        for word in words
    ]


def usable_words(words, tokenizer, config, warn):
    """The words that the alphabet spells and that fit the context even when fewest of their points are dropped."""
    spelt = [word for word in words if not tokenizer.unknown_characters(word.text)]
    if len(spelt) < len(words):
        warn(
            f"left out {len(words) - len(spelt)} of {len(words)} words with characters outside --alphabet"
        )
    if not spelt:
        raise UserError("no word of the bank is written with the characters of --alphabet alone")
    tokens = Ink(spelt, tokenizer).token_counts(
        tokenizer, config.downsample_mean - config.downsample_width / 2
    )
    fitting = [word for word, n in zip(spelt, tokens) if n <= config.max_seq_length]
    if not fitting:
        raise UserError(
            f"--max_seq_length {config.max_seq_length} is too short for any word of the bank: the shortest takes "
            f"{tokens.min()} tokens"
        )
    if len(fitting) < len(spelt):
        warn(
            f"left out {len(spelt) - len(fitting)} of {len(spelt)} words that take more than --max_seq_length "
            f"{config.max_seq_length} tokens; the longest takes {tokens.max()}"
        )
    return fitting
