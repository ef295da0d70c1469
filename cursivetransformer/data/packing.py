"""Batches made on the device: sample, augment, downsample, tokenize and pack, with tensors only.

The examples of a batch lie end to end in one row, so that no position is padding. A model keeps
them apart by `PackedBatch.example` and `PackedBatch.position`. One position holds a *group* of
tokens: either WORD followed by PAD, or the tokens of one offset, one for each slot.

There is no loop over examples. Every step computes, for each output position, the index of what
stands there, and gathers it. With a given `capacity` all shapes are known beforehand, so the host
never waits for the device.

Shapes in the docstrings: B examples of at most W words of at most K strokes; N positions.
"""

from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.config.train import Config
from cursivetransformer.data.dataset import IGNORE, NO_WORD, InkStore, kept_point_counts
from cursivetransformer.data.tokenizer import TEXT_PAD, Tokenizer
from cursivetransformer.ink.augment import transforms


@dataclass
class Pool:
    """P words to sample from, sorted so that words of one hand lie side by side.

    Attributes:
        ids: (P,) word ids.
        starts: (P,) index in `ids` of the first word of each word's hand.
        counts: (P,) number of words of each word's hand.
        authors: (P,) author index of each word, 0 for an author without one.
    """

    ids: torch.Tensor
    starts: torch.Tensor
    counts: torch.Tensor
    authors: torch.Tensor

    @classmethod
    def from_arrays(
        cls,
        ids: np.ndarray,
        hands: np.ndarray,
        authors: np.ndarray,
        device: str | torch.device = "cpu",
    ) -> "Pool":
        """Sort words by their hand.

        Args:
            ids: (P,) word ids.
            hands: (P,) integers, equal for words of one hand.
            authors: (P,) author index of each word.
        """
        order = np.argsort(hands, kind="stable")
        _, starts, hand, counts = np.unique(
            hands[order], return_index=True, return_inverse=True, return_counts=True
        )
        return cls(
            ids=torch.as_tensor(ids[order], device=device),
            starts=torch.as_tensor(starts[hand], device=device),
            counts=torch.as_tensor(counts[hand], device=device),
            authors=torch.as_tensor(authors[order], device=device),
        )


@dataclass
class SampleBatch:
    """The random choices that B examples are made from.

    Attributes:
        word_ids: (B, W), NO_WORD in unused places at the end of a row.
        rates: (B,) fractions of the points to drop.
        matrices: (B, 2, 2) from `ink.augment.transforms`, or None for no augmentation.
        authors: (B,) author indices; 0, and None for all of them, is an unknown author.
    """

    word_ids: torch.Tensor
    rates: torch.Tensor
    matrices: torch.Tensor | None = None
    authors: torch.Tensor | None = None

    def select(self, index: torch.Tensor) -> "SampleBatch":
        """Return the examples with these indices."""
        return SampleBatch(
            self.word_ids[index],
            self.rates[index],
            None if self.matrices is None else self.matrices[index],
            None if self.authors is None else self.authors[index],
        )


@dataclass
class PackedBatch:
    """N positions of B examples, end to end. Positions behind the last example are unused.

    Attributes:
        tokens: (N, slots) group at each position; PAD in unused slots and unused positions.
        targets: (N, slots) group after it; IGNORE where nothing is scored.
        example: (N,) index of the example; B at unused positions.
        position: (N,) position in the example.
        word_start: (N,) index of the position of the word's WORD.
        text: (B, S) character ids, then TEXT_PAD.
        authors: (B,) author indices, 0 for an unknown author.
        lengths: (B,) number of positions of each example.
        n_tokens: () number of scored tokens.
        n_offsets: () number of offsets.
        cut: () number of examples that lost words because they were too long.
        clamped: () number of radii beyond the last bin.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    example: torch.Tensor
    position: torch.Tensor
    word_start: torch.Tensor
    text: torch.Tensor
    authors: torch.Tensor
    lengths: torch.Tensor
    n_tokens: torch.Tensor
    n_offsets: torch.Tensor
    cut: torch.Tensor
    clamped: torch.Tensor

    def to(self, device: str | torch.device) -> "PackedBatch":
        """Return the batch on another device."""
        return PackedBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass
class _Words:
    """The words of B examples.

    Attributes:
        ids: (B, W) word ids; 0 in unused places.
        used: (B, W) whether the place holds a word.
        strokes: (B, W, K) stroke indices in the `InkStore`; arbitrary past a word's last stroke.
        stroke_lengths: (B, W, K) points of each stroke before downsampling.
        kept: (B, W, K) points of each stroke after it; 0 where there is no stroke.
    """

    ids: torch.Tensor
    used: torch.Tensor
    strokes: torch.Tensor
    stroke_lengths: torch.Tensor
    kept: torch.Tensor


@dataclass
class _FittedWords:
    """The words of B examples that fit into the context; the others have no points.

    Attributes:
        ids, strokes, stroke_lengths: as in `_Words`.
        fits: (B, W) whether the place holds a word that fits.
        cut: (B,) whether the example lost a word.
        kept: (B, W, K) points of each stroke after downsampling.
        points: (B, W) points of each word after downsampling.
        positions: (B, W) positions of each word: its points, and one for WORD.
    """

    ids: torch.Tensor
    strokes: torch.Tensor
    stroke_lengths: torch.Tensor
    fits: torch.Tensor
    cut: torch.Tensor
    kept: torch.Tensor
    points: torch.Tensor
    positions: torch.Tensor


@dataclass
class _Positions:
    """What stands at each of N output positions.

    An unused position counts as one of the last word.

    Attributes:
        index: (N,) 0 to N - 1.
        word: (N,) index of the word among all B * W.
        example: (N,) index of the example.
        in_word: (N,) position in the word: 0 is WORD, 1 the first point.
        is_word: (N,) whether WORD stands here.
        used: (N,) whether an example stands here that fits into N positions.
        is_point: (N,) whether a point stands here: used, and not WORD.
        starts: (B,) first position of each example.
        ends: (B,) position behind the last of each example.
    """

    index: torch.Tensor
    word: torch.Tensor
    example: torch.Tensor
    in_word: torch.Tensor
    is_word: torch.Tensor
    used: torch.Tensor
    is_point: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor


def sample_examples(
    generator: torch.Generator, pool: Pool, n: int, config: Config, augment: bool = True
) -> SampleBatch:
    """Sample `n` examples, each of words of one hand, on the generator's device."""
    device = generator.device
    shape = n, config.num_words
    index = torch.randint(len(pool.ids), shape, generator=generator, device=device)
    first = index[:, :1]
    # The other words come from the hand of the first.
    others = pool.starts[first] + index[:, 1:] % pool.counts[first]
    word_ids = pool.ids[torch.cat([first, others], 1)]
    n_words = torch.randint(
        config.min_words, config.num_words + 1, (n, 1), generator=generator, device=device
    )
    place = torch.arange(config.num_words, device=device)
    word_ids = word_ids.masked_fill(place >= n_words, NO_WORD)

    uniforms = torch.rand(5, n, generator=generator, device=device, dtype=torch.float64) - 0.5
    rates = config.downsample_mean + config.downsample_width * uniforms[0]
    matrices = None
    if augment:
        widths = config.shear_width, config.scale_width, config.rotation_width
        matrices = transforms(uniforms[1:], *widths, torch).float()
    anonymous = torch.rand(n, generator=generator, device=device) < config.author_dropout
    authors = pool.authors[first[:, 0]].masked_fill(anonymous, 0)
    return SampleBatch(word_ids, rates, matrices, authors)


def example_lengths(
    ink: InkStore, examples: SampleBatch, max_length: int, max_text: int | None = None
) -> torch.Tensor:
    """Return the number of positions of each example, (B,); see `pack`."""
    return _fit_words(ink, _measure_words(ink, examples), max_length, max_text).positions.sum(1)


def pack(
    ink: InkStore,
    tokenizer: Tokenizer,
    examples: SampleBatch,
    max_length: int,
    capacity: int | None = None,
    max_text: int | None = None,
) -> PackedBatch:
    """Make a batch of examples.

    Args:
        ink: the words, stored with the same tokenizer.
        tokenizer: encodes the offsets.
        examples: which words, and how they are augmented.
        max_length: most tokens of an example, where WORD counts as one. A longer example loses
            its last words, with their text.
        capacity: number of positions N. Examples that do not fit are left out. None takes as
            many positions and characters as are needed.
        max_text: most characters of an example, with a space after each word, if there is a
            limit. With a capacity it is S.
    """
    words = _fit_words(ink, _measure_words(ink, examples), max_length, max_text)
    positions = _locate_positions(words, capacity)

    x, y, pen = _gather_points(ink, words, positions)
    if examples.matrices is not None:
        x, y = _transform_points(x, y, examples.matrices, positions)
    dx, dy = _offsets(x, y, positions, n_words=words.ids.numel())
    offset_tokens, clamped = _encode_offsets(ink, tokenizer, dx, dy, pen)

    tokens = _input_tokens(ink, offset_tokens, positions, tokenizer.pad_id)
    targets = _target_tokens(ink, tokens, positions, tokenizer.pad_id)
    text = _gather_texts(ink, words, max_text or words.ids.shape[1] * ink.max_text_length)
    if capacity is None:
        max_text_length = int((text != TEXT_PAD).sum(1).max())
        text = text[:, :max_text_length]

    n_examples = len(words.ids)
    lengths = words.positions.sum(1)
    authors = examples.authors
    if authors is None:
        authors = torch.zeros(n_examples, dtype=torch.long, device=ink.device)
    return PackedBatch(
        tokens=tokens,
        targets=targets,
        example=torch.where(positions.used, positions.example, n_examples),
        position=positions.index - positions.starts[positions.example],
        word_start=positions.index - positions.in_word,
        text=text,
        authors=authors,
        lengths=torch.where(positions.ends <= len(positions.index), lengths, 0),
        n_tokens=(targets != IGNORE).sum(),
        n_offsets=positions.is_point.sum(),
        cut=words.cut.sum(),
        clamped=(clamped & positions.is_point).sum(),
    )


def _measure_words(ink: InkStore, examples: SampleBatch) -> _Words:
    """Look up the strokes of each word, and count the points that they keep."""
    used = examples.word_ids != NO_WORD
    ids = examples.word_ids.clamp(min=0)
    k = torch.arange(ink.max_strokes, device=ink.device)
    strokes = ink.word_starts[ids][..., None] + k
    strokes = strokes.clamp(max=len(ink.stroke_lengths) - 1)
    stroke_lengths = ink.stroke_lengths[strokes]
    kept = kept_point_counts(stroke_lengths, examples.rates[:, None, None])
    is_stroke = used[..., None] & (k < ink.word_strokes[ids][..., None])
    return _Words(ids, used, strokes, stroke_lengths, torch.where(is_stroke, kept, 0))


def _fit_words(ink: InkStore, words: _Words, max_length: int, max_text: int | None) -> _FittedWords:
    """Drop the words that make an example too long, and the words after them."""
    tokens = torch.where(words.used, 1 + ink.n_slots * words.kept.sum(2), 0)
    fits = words.used & (tokens.cumsum(1) <= max_length)
    if max_text is not None:
        fits &= ink.text_lengths[words.ids].cumsum(1) <= max_text
    kept = torch.where(fits[..., None], words.kept, 0)
    points = kept.sum(2)
    return _FittedWords(
        ids=words.ids,
        strokes=words.strokes,
        stroke_lengths=words.stroke_lengths,
        fits=fits,
        cut=(words.used & ~fits).any(1),
        kept=kept,
        points=points,
        positions=points + fits,
    )


def _locate_positions(words: _FittedWords, capacity: int | None) -> _Positions:
    """Find the word and the example at each output position."""
    n_examples, max_words = words.positions.shape
    lengths = words.positions.flatten()
    word_ends = lengths.cumsum(0)
    ends = word_ends.view(n_examples, max_words)[:, -1].contiguous()
    n_positions = int(word_ends[-1]) if capacity is None else capacity
    index = torch.arange(n_positions, device=lengths.device)
    # The first word that ends behind a position stands there.
    word = torch.searchsorted(word_ends, index, right=True).clamp(max=len(lengths) - 1)
    example = word // max_words
    in_word = index - (word_ends - lengths)[word]
    is_word = in_word == 0
    used = (index < word_ends[-1]) & (ends[example] <= n_positions)
    return _Positions(
        index=index,
        word=word,
        example=example,
        in_word=in_word,
        is_word=is_word,
        used=used,
        is_point=used & ~is_word,
        starts=ends - words.positions.sum(1),
        ends=ends,
    )


def _gather_points(
    ink: InkStore, words: _FittedWords, positions: _Positions
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x, y and whether the pen stays down, (N,) each; arbitrary where WORD stands."""
    kept = words.kept.flatten()
    stroke_ends = kept.cumsum(0)
    points = words.points.flatten()
    word_starts = points.cumsum(0) - points
    # Points are counted over the whole batch, after downsampling.
    point = word_starts[positions.word] + (positions.in_word - 1).clamp(min=0)
    stroke = torch.searchsorted(stroke_ends, point, right=True).clamp(max=len(kept) - 1)
    in_stroke = point - (stroke_ends - kept)[stroke]
    # The kept points of a stroke are evenly spread from its first to its last.
    spacing = (words.stroke_lengths.flatten() - 1).double() / (kept - 1).clamp(min=1)
    source_start = ink.stroke_starts[words.strokes.flatten()[stroke]]
    source = source_start + (in_stroke * spacing[stroke]).round().long()
    x, y = ink.xy[source.clamp(0, len(ink.xy) - 1)].unbind(1)
    return x, y, in_stroke < kept[stroke] - 1


def _transform_points(
    x: torch.Tensor, y: torch.Tensor, matrices: torch.Tensor, positions: _Positions
) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply each point (x, y) by the (2, 2) matrix of its example."""
    xx, xy, yx, yy = matrices.view(-1, 4)[positions.example].T
    return x * xx + y * yx, x * xy + y * yy


def _offsets(
    x: torch.Tensor, y: torch.Tensor, positions: _Positions, n_words: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the offset of each point from the one before, dx and dy, (N,) each.

    A word's first offset starts at the word's left edge, on the baseline.
    """
    left_edges = torch.full((n_words,), torch.inf, device=x.device).scatter_reduce(
        0, positions.word, x.masked_fill(~positions.is_point, torch.inf), "amin"
    )
    is_first = positions.in_word == 1
    dx = x - torch.where(is_first, left_edges[positions.word], x.roll(1))
    dy = y - y.roll(1).masked_fill(is_first, 0)
    return dx, dy


def _encode_offsets(
    ink: InkStore, tokenizer: Tokenizer, dx: torch.Tensor, dy: torch.Tensor, pen: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode offsets like `Tokenizer.encode_offsets`, on tensors.

    Returns:
        Token ids, (N, slots), and whether each radius lies beyond the last bin, (N,).
    """
    r = (dx * dx + dy * dy).sqrt()
    radius = torch.searchsorted(ink.radius_edges, r, right=True) - 1
    radius_pen = radius.clamp(max=tokenizer.n_radius - 1) + tokenizer.n_radius * pen
    slots = tokenizer.slots(dx, dy, r, torch.atan2(dy, dx), radius_pen)
    ids = [slot.long() + int(start) for slot, start in zip(slots, tokenizer.slot_starts)]
    return torch.stack(ids, 1), radius >= tokenizer.n_radius


def _input_tokens(
    ink: InkStore, offset_tokens: torch.Tensor, positions: _Positions, pad_id: int
) -> torch.Tensor:
    """Return the group at each position, (N, slots): WORD's or an offset's, PAD where unused."""
    tokens = torch.where(positions.is_word[:, None], ink.word_group, offset_tokens)
    return tokens.masked_fill(~positions.used[:, None], pad_id)


def _target_tokens(
    ink: InkStore, tokens: torch.Tensor, positions: _Positions, pad_id: int
) -> torch.Tensor:
    """Return the group after each position, (N, slots), END after an example's last one."""
    is_last = positions.index == positions.ends[positions.example] - 1
    targets = torch.where(is_last[:, None], ink.end_group, tokens.roll(-1, 0))
    return targets.masked_fill((targets == pad_id) | ~positions.used[:, None], IGNORE)


def _gather_texts(ink: InkStore, words: _FittedWords, width: int) -> torch.Tensor:
    """Return the character ids of each example, (B, width): its words with a space after each."""
    max_words = words.ids.shape[1]
    lengths = torch.where(words.fits, ink.text_lengths[words.ids], 0)
    ends = lengths.cumsum(1)
    place = torch.arange(width, device=ink.device)
    # (B, width): the word of each character is the number of words that end before it.
    word = (place[:, None] >= ends[:, None, :]).sum(2).clamp(max=max_words - 1)
    in_word = place - (ends - lengths).gather(1, word)
    source = ink.text_starts[words.ids].gather(1, word) + in_word
    text = ink.chars[source.clamp(max=len(ink.chars) - 1)]
    return text.masked_fill(place >= ends[:, -1:], TEXT_PAD)


def row_lengths(packed: PackedBatch) -> torch.Tensor:
    """Return the number of tokens of each example, (B,), where WORD counts as one."""
    scored = (packed.targets != IGNORE).sum(1)
    n_examples = len(packed.lengths)
    return scored.new_zeros(n_examples + 1).index_add(0, packed.example, scored)[:-1]


def as_rows(packed: PackedBatch, word_id: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay out a batch with an example in each row and a token at each position.

    Args:
        packed: B examples.
        word_id: id of WORD; END and PAD are the next two.
        width: T, at least the longest example's `row_lengths`.

    Returns:
        Tokens (B, T), padded with PAD, and targets (B, T), padded with IGNORE.
    """
    end_id, pad_id = word_id + 1, word_id + 2
    n_examples, n_slots = len(packed.lengths), packed.tokens.shape[1]
    device = packed.tokens.device

    # A word's WORD takes one column instead of `n_slots`.
    is_word = (packed.tokens[:, 0] == word_id).long()
    words_before = is_word.cumsum(0) - is_word  # in the whole batch
    starts = torch.arange(len(is_word), device=device) - packed.position
    words_before = words_before - words_before[starts]  # in the example
    column = packed.position * n_slots - (n_slots - 1) * words_before

    # A row has one more column, for END. The spare cell takes what stands in no row.
    spare_cell = n_examples * (width + 1)
    rows = torch.full((spare_cell + 1,), pad_id, device=device)
    first_cell = packed.example * (width + 1) + column
    cells = first_cell[:, None] + torch.arange(n_slots, device=device)
    used = (packed.tokens != pad_id) & (packed.example < n_examples)[:, None]
    rows[torch.where(used, cells, spare_cell)] = packed.tokens
    is_last = packed.targets[:, 0] == end_id
    end_cell = first_cell + n_slots - (n_slots - 1) * is_word
    rows.index_fill_(0, torch.where(is_last, end_cell, spare_cell), end_id)

    rows = rows[:-1].view(n_examples, width + 1)
    tokens, targets = rows[:, :-1], rows[:, 1:]
    tokens = tokens.masked_fill(tokens == end_id, pad_id)
    return tokens, targets.masked_fill(targets == pad_id, IGNORE)
