"""Batches where the model is: drawn, augmented, downsampled, tokenized and packed as tensors, with no loop over examples.

The examples of a batch lie end to end in one row, so that no position is padding; a model keeps them apart by `PackedBatch`'s
`example` and `position`. One position is a *group*: WORD and filling, or the tokens of one offset, one for each slot.
Every step asks "what belongs to output position i?" and gathers, so that with a given `capacity` all shapes are known
beforehand and the host never waits for the device. `dataset.make_batch` makes the same tokens on arrays and is the reference.
"""

from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.data.dataset import IGNORE, NO_WORD
from cursivetransformer.data.tokenizer import TEXT_PAD
from cursivetransformer.ink.augment import transforms


class InkTensors:
    """The flat arrays of a `dataset.Ink` on a device, under the same names, and what else `pack` needs there."""

    def __init__(self, ink, tokenizer, device="cpu"):
        for name in (
            "xy",
            "stroke_starts",
            "stroke_lengths",
            "word_starts",
            "word_strokes",
            "chars",
            "text_starts",
            "text_lengths",
        ):
            setattr(self, name, torch.as_tensor(getattr(ink, name), device=device))
        self.most_strokes = int(ink.word_strokes.max())
        self.longest_text = int(ink.text_lengths.max())  # with its space
        self.radius_edges = torch.as_tensor(tokenizer.radius_edges, device=device)
        filling = [tokenizer.pad_id] * (tokenizer.n_slots - 1)
        # Groups of the tokens that stand alone.
        self.word_group, self.end_group = (
            torch.tensor([token, *filling], device=device)
            for token in (tokenizer.word_id, tokenizer.end_id)
        )
        self.device = device


@dataclass
class SampleBatch:
    """What is drawn for B examples of at most W words. word_ids: (B, W), NO_WORD in unused places at the end of a row;
    rates: (B,) shares of points to drop; matrices: (B, 2, 2) from `augment.transforms`, or None; authors: (B,) who is said to write, 0
    or None for nobody known."""

    word_ids: torch.Tensor
    rates: torch.Tensor
    matrices: torch.Tensor | None = None
    authors: torch.Tensor | None = None

    def __post_init__(self):
        if self.authors is None:
            self.authors = torch.zeros(
                len(self.word_ids), dtype=torch.long, device=self.word_ids.device
            )

    def rows(self, index):
        """The examples `index`."""
        return SampleBatch(
            self.word_ids[index],
            self.rates[index],
            None if self.matrices is None else self.matrices[index],
            self.authors[index],
        )


@dataclass
class PackedBatch:
    """N positions of B examples, end to end; behind the last example, where there is room left, positions of no example.

    tokens: (N, slots) ids of the group at each position, PAD in a WORD's unused slots and behind the last example;
    targets: (N, slots), the group after it, IGNORE where nothing is scored; example: (N,) which one, B behind the last;
    position: (N,) position in its example; word_start: (N,) index of the WORD of its word; text: (B, S) character ids, TEXT_PAD
    behind; authors: (B,); lengths: (B,) positions of each example; n_tokens, n_offsets: scored tokens and offsets; cut: examples that lost
    words because they did not fit; clamped: radii past the last bin. The last four are tensors of no dimension.
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

    def to(self, device):
        """The same on another device."""
        return PackedBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass
class Pool:
    """P words to draw from, those of one hand side by side. ids: (P,) word ids; starts, counts: (P,) where the hand of each begins and
    how many words it has; authors: (P,) who wrote each, 0 for a hand without a name."""

    ids: torch.Tensor
    starts: torch.Tensor
    counts: torch.Tensor
    authors: torch.Tensor

    @classmethod
    def of(cls, ids, hands, authors, device="cpu"):
        """Of arrays (P,): word ids, numbers that tell hands apart, authors."""
        order = np.argsort(hands, kind="stable")
        _, starts, hand, counts = np.unique(
            np.asarray(hands)[order], return_index=True, return_inverse=True, return_counts=True
        )
        return cls(
            *(
                torch.as_tensor(array, device=device)
                for array in (
                    np.asarray(ids)[order],
                    starts[hand],
                    counts[hand],
                    np.asarray(authors)[order],
                )
            )
        )


def draw_samples(generator, pool, n, config, augment=True):
    """Draw `n` examples of a `Pool` as a run's `config` says, each of one hand; on the generator's device."""
    c, device = config, generator.device
    at = torch.randint(len(pool.ids), (n, c.num_words), generator=generator, device=device)
    first = at[:, :1]
    at = torch.cat([first, pool.starts[first] + at[:, 1:] % pool.counts[first]], 1)
    word_ids = pool.ids[at]
    counts = torch.randint(c.min_words, c.num_words + 1, (n, 1), generator=generator, device=device)
    word_ids = word_ids.masked_fill(torch.arange(c.num_words, device=device) >= counts, NO_WORD)
    drawn = torch.rand(5, n, generator=generator, device=device, dtype=torch.float64) - 0.5
    rates = c.downsample_mean + c.downsample_width * drawn[0]
    matrices = (
        transforms(drawn[1:], c.shear_width, c.scale_width, c.rotation_width, torch).float()
        if augment
        else None
    )
    nobody = torch.rand(n, generator=generator, device=device) < c.author_dropout
    return SampleBatch(word_ids, rates, matrices, pool.authors[first[:, 0]].masked_fill(nobody, 0))


def example_lengths(ink, tokenizer, examples, max_length):
    """(B,) positions that each example takes."""
    return _Words(ink, tokenizer, examples, max_length).positions.sum(1)


class _Words:
    """Per word, (B, W), and per stroke, (B, W, K), of the examples: how much of it is kept."""

    def __init__(self, ink, tokenizer, examples, max_length):
        here = examples.word_ids != NO_WORD
        self.ids = examples.word_ids.clamp(min=0)
        k = torch.arange(ink.most_strokes, device=ink.device)
        self.strokes = (ink.word_starts[self.ids][..., None] + k).clamp(
            max=len(ink.stroke_lengths) - 1
        )
        self.stroke_lengths = ink.stroke_lengths[self.strokes]
        kept = ((self.stroke_lengths - 1) * (1 - examples.rates[:, None, None])).round().long() + 1
        kept = torch.maximum(kept, self.stroke_lengths.clamp(max=2))  # both ends always
        kept = kept * (here[..., None] & (k < ink.word_strokes[self.ids][..., None]))
        tokens = (1 + tokenizer.n_slots * kept.sum(2)) * here
        self.fits = here & (
            tokens.cumsum(1) <= max_length
        )  # a word that does not fit takes those after it along
        self.cut = (here & ~self.fits).any(1)
        self.kept = kept * self.fits[..., None]
        self.points = self.kept.sum(2)
        self.positions = self.points + self.fits


def pack(ink, tokenizer, examples, max_length, capacity=None):
    """Examples -> `PackedBatch`.

    max_length: tokens that an example may have, WORD counted as one; a longer one loses its last words, with their text.
    capacity: N, or None for as much as is needed, in the texts too. An example that the room has no place for is left out, with
    those after it.
    """
    device = ink.device
    words = _Words(ink, tokenizer, examples, max_length)
    B, W = words.ids.shape
    ends = words.positions.flatten().cumsum(0)  # (B W,) where each word ends
    example_ends = ends.view(B, W)[:, -1].contiguous()
    at = torch.arange(int(ends[-1]) if capacity is None else capacity, device=device)

    # Which word and example stands at each position; behind the last one, the last, and `real` is false.
    word = torch.searchsorted(ends, at, right=True).clamp(max=B * W - 1)
    example = word // W
    real = (at < ends[-1]) & (example_ends[example] <= len(at))
    inside = at - (ends - words.positions.flatten())[word]  # 0 is WORD, 1 the first point
    is_word = inside == 0

    x, y, pen = _points(ink, words, word, inside)
    if examples.matrices is not None:
        m = examples.matrices.view(B, 4)[example].T
        x, y = x * m[0] + y * m[2], x * m[1] + y * m[3]
    left = torch.full((B * W,), torch.inf, device=device).scatter_reduce(
        0, word, x.masked_fill(is_word | ~real, torch.inf), "amin"
    )
    first = inside == 1
    dx = x - torch.where(first, left[word], x.roll(1))
    dy = y - y.roll(1).masked_fill(first, 0)
    ids, clamped = _encode(ink, tokenizer, dx, dy, pen)

    tokens = torch.where(is_word[:, None], ink.word_group, ids)
    tokens = tokens.masked_fill(~real[:, None], tokenizer.pad_id)
    last = at == example_ends[example] - 1
    targets = torch.where(last[:, None], ink.end_group, tokens.roll(-1, 0))
    targets = targets.masked_fill((targets == tokenizer.pad_id) | ~real[:, None], IGNORE)

    starts = example_ends - words.positions.sum(1)
    drawn = real & ~is_word
    text = _texts(ink, words)
    if capacity is None:
        text = text[:, : int((text != TEXT_PAD).sum(1).max())]
    return PackedBatch(
        tokens,
        targets,
        torch.where(real, example, B),
        at - starts[example],
        at - inside,
        text,
        examples.authors,
        words.positions.sum(1) * (example_ends <= len(at)),
        (targets != IGNORE).sum(),
        drawn.sum(),
        words.cut.sum(),
        (clamped & drawn).sum(),
    )


def _points(ink, words, word, inside):
    """x, y and whether the pen stays down, (N,) each, of the point `inside` - 1 of each `word`; at WORD anything."""
    kept = words.kept.flatten()
    ends = kept.cumsum(0)
    number = (words.points.flatten().cumsum(0) - words.points.flatten())[word] + (inside - 1).clamp(
        min=0
    )
    stroke = torch.searchsorted(ends, number, right=True).clamp(max=len(ends) - 1)
    within = number - (ends - kept)[stroke]
    spacing = (words.stroke_lengths.flatten() - 1).double() / (kept - 1).clamp(min=1)
    source = (
        ink.stroke_starts[words.strokes.flatten()[stroke]]
        + (within * spacing[stroke]).round().long()
    )
    x, y = ink.xy[source.clamp(0, len(ink.xy) - 1)].unbind(1)
    return x, y, within < kept[stroke] - 1


def _encode(ink, tokenizer, dx, dy, pen):
    """Offsets (N,) -> their token ids (N, slots) and which radii lay past the last bin: `Tokenizer.encode_offsets` on tensors."""
    r = (dx * dx + dy * dy).sqrt()
    radius = torch.searchsorted(ink.radius_edges, r, right=True) - 1
    radius_pen = radius.clamp(max=tokenizer.n_radius - 1) + tokenizer.n_radius * pen
    slots = tokenizer.slots(dx, dy, r, torch.atan2(dy, dx), radius_pen)
    ids = [slot.long() + int(start) for slot, start in zip(slots, tokenizer.slot_starts)]
    return torch.stack(ids, 1), radius >= tokenizer.n_radius


def _texts(ink, words):
    """(B, S) character ids: the words of each example with a space after each."""
    counts = ink.text_lengths[words.ids] * words.fits
    ends = counts.cumsum(1)
    at = torch.arange(words.ids.shape[1] * ink.longest_text, device=ink.device)
    column = (at[:, None] >= ends[:, None, :]).sum(
        2
    )  # (B, S): in which word of the row each character stands
    inside = column.clamp(max=words.ids.shape[1] - 1)
    source = ink.text_starts[words.ids].gather(1, inside) + at - (ends - counts).gather(1, inside)
    text = ink.chars[source.clamp(max=len(ink.chars) - 1)]
    return text.masked_fill(at >= ends[:, -1:], TEXT_PAD)


def row_lengths(packed):
    """(B,) tokens of each example, a WORD counted as one."""
    scored = (packed.targets != IGNORE).sum(1)
    return scored.new_zeros(len(packed.lengths) + 1).index_add(0, packed.example, scored)[:-1]


def as_rows(packed, word_id, width):
    """`PackedBatch` -> tokens (B, T), targets (B, T) with one position for each token and an example in each row.

    PAD and IGNORE stand behind a row's last token. word_id: that of WORD; END and PAD are the next two. width: T, at least
    the longest example's `row_lengths`.
    """
    end_id, pad_id = word_id + 1, word_id + 2
    (B,), slots, device = packed.lengths.shape, packed.tokens.shape[1], packed.tokens.device
    is_word = (packed.tokens[:, 0] == word_id).long()
    before = (
        is_word.cumsum(0) - is_word
    )  # of all examples; made a count of the own example by that of its first position
    starts = torch.arange(len(before), device=device) - packed.position
    before = before - before[starts]
    column = packed.position * slots - (slots - 1) * before
    at = (packed.example * (width + 1) + column)[:, None] + torch.arange(slots, device=device)
    used = (packed.tokens != pad_id) & (packed.example < B)[:, None]
    rows = torch.full((B * (width + 1) + 1,), pad_id, device=device)
    rows[torch.where(used, at, B * (width + 1))] = packed.tokens
    last = packed.targets[:, 0] == end_id
    rows[torch.where(last, at[:, 0] + slots - (slots - 1) * is_word, B * (width + 1))] = end_id
    rows = rows[:-1].view(B, width + 1)
    tokens, targets = rows[:, :-1], rows[:, 1:]
    return tokens.masked_fill(tokens == end_id, pad_id), targets.masked_fill(
        targets == pad_id, IGNORE
    )
