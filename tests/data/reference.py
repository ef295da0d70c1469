"""Plain versions of batching, which `data.packing.pack` is compared with token for token.

`make_batch` makes a batch with NumPy arrays, `plain_example` one example word by word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cursivetransformer.bank.word import Word
from cursivetransformer.data.dataset import IGNORE, NO_WORD, InkStore
from cursivetransformer.data.tokenizer import TEXT_PAD, Tokenizer
from cursivetransformer.ink.augment import downsample, transform
from cursivetransformer.ink.strokes import (
    kept_counts,
    kept_indices,
    points_to_offsets,
    ragged_arange,
)


@dataclass
class InkArrays:
    """The tensors of an `InkStore` that batching needs, as NumPy arrays of the same names."""

    xy: np.ndarray
    stroke_starts: np.ndarray
    stroke_lengths: np.ndarray
    word_starts: np.ndarray
    word_strokes: np.ndarray
    chars: np.ndarray
    text_starts: np.ndarray
    text_lengths: np.ndarray

    @classmethod
    def from_store(cls, store: InkStore) -> "InkArrays":
        return cls(**{name: getattr(store, name).cpu().numpy() for name in cls.__annotations__})


@dataclass
class Batch:
    """B examples, padded on the right to the longest: T tokens and S characters.

    Attributes:
        tokens: (B, T) token ids, WORD first, then PAD.
        targets: (B, T) token after each, then IGNORE.
        text: (B, S) character ids, then TEXT_PAD.
        lengths: (B,) number of tokens.
        offsets: (B,) number of offsets.
        cut: number of examples that lost words because they were too long.
        clamped: number of radii beyond the last bin.
    """

    tokens: np.ndarray
    targets: np.ndarray
    text: np.ndarray
    lengths: np.ndarray
    offsets: np.ndarray
    cut: int = 0
    clamped: int = 0


def make_batch(
    ink: InkArrays,
    tokenizer: Tokenizer,
    word_ids: np.ndarray,
    rates: np.ndarray,
    matrices: np.ndarray | None,
    max_length: int,
) -> Batch:
    """Combine words into examples.

    An example that is too long loses its last words, with their text. Every first word must fit.

    Args:
        ink: the words.
        tokenizer: encodes the offsets.
        word_ids: (B, W) words of each example, NO_WORD in unused places at the end of a row.
        rates: (B,) fractions of the points to drop.
        matrices: (B, 2, 2) from `ink.augment.sample_transforms`, or None.
        max_length: most tokens of an example.
    """
    n_examples = len(word_ids)
    row, column = np.nonzero(word_ids != NO_WORD)
    word = word_ids[row, column]

    # The length of each word, and which words fit.
    n_strokes = ink.word_strokes[word]
    stroke_lengths = ink.stroke_lengths[_stroke_ids(ink, word)]
    kept = kept_counts(stroke_lengths, np.repeat(rates[row], n_strokes))
    n_points = np.add.reduceat(kept, np.cumsum(n_strokes) - n_strokes)
    n_tokens = 1 + tokenizer.n_slots * n_points
    before = np.cumsum(n_tokens) - n_tokens
    before -= before[np.searchsorted(row, row)]  # tokens of the example before this word
    fits = before + n_tokens <= max_length
    cut = len(np.unique(row[~fits]))
    stroke_fits = np.repeat(fits, n_strokes)
    stroke_lengths, kept = stroke_lengths[stroke_fits], kept[stroke_fits]
    row, word, before = row[fits], word[fits], before[fits]
    n_points, n_tokens = n_points[fits], n_tokens[fits]

    offsets = _offsets(ink, word, row, stroke_lengths, kept, n_points, matrices)
    ids, clamped = tokenizer.encode_offsets(offsets)

    lengths = np.bincount(row, n_tokens, n_examples).astype(np.int64)
    width = int(lengths.max())
    tokens = np.full((n_examples, width), tokenizer.pad_id, np.int64)
    flat = tokens.reshape(-1)
    start = row * width + before
    flat[start] = tokenizer.word_id
    place = np.repeat(start + 1, n_points) + tokenizer.n_slots * ragged_arange(n_points)
    for slot in range(tokenizer.n_slots):
        flat[place + slot] = ids[:, slot]
    targets = np.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:]
    targets[tokens == tokenizer.pad_id] = IGNORE
    targets[np.arange(n_examples), lengths - 1] = tokenizer.end_id
    n_offsets = np.bincount(row, n_points, n_examples).astype(np.int64)
    text = _texts(ink, word, row, n_examples)
    return Batch(tokens, targets, text, lengths, n_offsets, cut, clamped)


def _stroke_ids(ink: InkArrays, word: np.ndarray) -> np.ndarray:
    """Return the strokes of all words, (s,)."""
    n_strokes = ink.word_strokes[word]
    return np.repeat(ink.word_starts[word], n_strokes) + ragged_arange(n_strokes)


def _offsets(
    ink: InkArrays,
    word: np.ndarray,
    row: np.ndarray,
    stroke_lengths: np.ndarray,
    kept: np.ndarray,
    n_points: np.ndarray,
    matrices: np.ndarray | None,
) -> np.ndarray:
    """Return the offsets of all words, (n, 3): downsampled and transformed.

    Each word starts at its left edge on the baseline.
    """
    stroke_starts = ink.stroke_starts[_stroke_ids(ink, word)]
    index = np.repeat(stroke_starts, kept) + kept_indices(stroke_lengths, kept)
    x, y = ink.xy[index].T
    if matrices is not None:
        m = np.repeat(matrices.reshape(-1, 4)[row], n_points, axis=0).T
        x, y = x * m[0] + y * m[2], x * m[1] + y * m[3]
    starts = np.cumsum(n_points) - n_points
    offsets = np.ones((3, len(x)), np.float32)
    offsets[0, 1:], offsets[1, 1:] = np.diff(x), np.diff(y)
    offsets[0, starts] = x[starts] - np.minimum.reduceat(x, starts)
    offsets[1, starts] = y[starts]
    offsets[2, np.cumsum(kept) - 1] = 0
    return offsets.T


def _texts(ink: InkArrays, word: np.ndarray, row: np.ndarray, n_examples: int) -> np.ndarray:
    """Return the character ids of each example, (B, S), with a space after each word."""
    counts = ink.text_lengths[word]
    chars = ink.chars[np.repeat(ink.text_starts[word], counts) + ragged_arange(counts)]
    lengths = np.bincount(row, counts, n_examples).astype(np.int64)
    text = np.full((n_examples, lengths.max()), TEXT_PAD, np.int64)
    text[np.arange(lengths.max()) < lengths[:, None]] = chars
    return text


def sample_word_ids(
    rng: np.random.Generator, ids: np.ndarray, n: int, min_words: int, max_words: int
) -> np.ndarray:
    """Sample words for `n` examples from `ids`, (n, max_words), then NO_WORD in unused places."""
    word_ids = rng.choice(ids, (n, max_words))
    n_words = rng.integers(min_words, max_words + 1, (n, 1))
    word_ids[np.arange(max_words) >= n_words] = NO_WORD
    return word_ids


def sample_rates(rng: np.random.Generator, n: int, mean: float, width: float) -> np.ndarray:
    """Sample fractions of points to drop, (n,), uniform in mean +- width / 2."""
    return rng.uniform(mean - width / 2, mean + width / 2, n)


def plain_example(
    words: Sequence[Word], tokenizer: Tokenizer, rate: float, matrix: np.ndarray, max_length: int
) -> tuple[np.ndarray, str]:
    """Return the tokens (without END) and the text of one example, made one word at a time."""
    tokens: list[np.ndarray] = []
    texts: list[str] = []
    for word in words:
        points = transform(downsample(word.points, rate), matrix)
        ids = np.append(tokenizer.word_id, tokenizer.encode_offsets(points_to_offsets(points))[0])
        if sum(map(len, tokens)) + len(ids) > max_length:
            break
        tokens.append(ids)
        texts.append(word.text)
    return np.concatenate(tokens), " ".join(texts) + " "
