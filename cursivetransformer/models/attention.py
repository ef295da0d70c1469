"""Attention, and the cache that holds its keys and values while decoding.

Does not depend on tokens or characters, only on vectors and their positions.
Shapes: B examples, T tokens, P positions of a row, N positions of all rows, S characters of text,
C width, H heads, D = C / H.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.model_config import ModelConfig

# Keys and values, (B, H, S, D) each.
KeysAndValues: TypeAlias = tuple[torch.Tensor, torch.Tensor]


class KVCache:
    """Keys and values of the tokens seen so far, and of the text.

    Rows may have seen different numbers of tokens. What lies beyond a row's length is never read.
    The cache doubles when it is full.

    Args:
        config: the model's shape.
        batch_size: B.
        capacity: tokens that the cache has room for at first.
        device: device of the tensors.
        dtype: type of keys and values.

    Attributes:
        keys, values: (n_layer, B, H, capacity, D).
        length: (B,) tokens that each row has seen.
        longest: the largest of `length`, known without waiting for a GPU.
        even: whether all rows have that length. Writing and masking are simpler then.
        static: whether no shape depends on the lengths, as a CUDA graph needs it. All places are
            read, and masked. `reserve` makes room, for nothing else does.
        text: by layer, the text's keys and values; empty until a model fills it.
        text_mask: (B, 1, 1, S) which characters may be attended to.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        head_width = config.n_embd // config.n_head
        shape = (config.n_layer, batch_size, config.n_head, capacity, head_width)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.length = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.longest = 0
        self.even = True
        self.static = False
        self.text: dict[int, KeysAndValues] = {}
        self.text_mask = torch.zeros(batch_size, 1, 1, 0, dtype=torch.bool, device=device)

    def mask(self, positions: torch.Tensor) -> torch.Tensor | None:
        """Return which keys the tokens at `positions` (B, T) may attend to.

        Returns:
            (B, 1, T, n_keys) booleans, or None if all keys may be attended to.
        """
        n_tokens = positions.shape[1]
        if self.even and n_tokens == 1 and not self.static:
            return None
        n_keys = self.keys.shape[3] if self.static else self.longest + n_tokens
        keys = torch.arange(n_keys, device=positions.device)
        return (keys <= positions[..., None])[:, None]

    def update(
        self, layer: int, k: torch.Tensor, v: torch.Tensor, positions: torch.Tensor
    ) -> KeysAndValues:
        """Store (B, H, T, D) keys and values at `positions` (B, T) of a layer.

        Returns:
            All keys and values of the layer, (B, H, n_keys, D), up to the longest row's end.
        """
        end = None
        if not self.static:
            self.reserve(positions.shape[1])
            end = self.longest + positions.shape[1]
        self._store(self.keys[layer], k, positions)
        self._store(self.values[layer], v, positions)
        return self.keys[layer][:, :, :end].to(k.dtype), self.values[layer][:, :, :end].to(v.dtype)

    def reserve(self, n_tokens: int) -> bool:
        """Make room for more tokens in each row; return whether there was too little."""
        end, capacity = self.longest + n_tokens, self.keys.shape[3]
        if end <= capacity:
            return False
        added = (0, 0, 0, max(capacity, end))
        self.keys, self.values = F.pad(self.keys, added), F.pad(self.values, added)
        return True

    def _store(self, stored: torch.Tensor, new: torch.Tensor, positions: torch.Tensor) -> None:
        """Write `new` (B, H, T, D) at `positions` (B, T) of `stored` (B, H, capacity, D)."""
        n_rows, n_tokens = positions.shape
        if self.even and not self.static:
            stored[:, :, self.longest : self.longest + n_tokens] = new
        else:
            rows = torch.arange(n_rows, device=new.device)[:, None]
            stored[rows, :, positions] = new.transpose(1, 2).to(stored.dtype)

    def advance(self, n_tokens: int, lengths: torch.Tensor | None = None) -> None:
        """Count the tokens just written, once they are written in all layers.

        Args:
            n_tokens: tokens written in each row.
            lengths: (B,) how many of them are real, the first ones of the row; None if all are.
        """
        self.even = self.even and lengths is None
        self.length += n_tokens if lengths is None else lengths
        self.longest += n_tokens

    def select_rows(self, rows: torch.Tensor) -> None:
        """Keep only the rows of the index tensor `rows`."""
        n_free = self.keys.shape[3] - self.longest
        self.keys = F.pad(self.keys[:, rows, :, : self.longest], (0, 0, 0, n_free))
        self.values = F.pad(self.values[:, rows, :, : self.longest], (0, 0, 0, n_free))
        self.length = self.length[rows]
        self.text = {layer: (k[rows], v[rows]) for layer, (k, v) in self.text.items()}
        self.text_mask = self.text_mask[rows]


def split_heads(x: torch.Tensor, n_head: int) -> torch.Tensor:
    """Rearrange (B, T, C) as (B, H, T, D)."""
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """Rearrange (B, H, T, D) as (B, T, C)."""
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)


def norm(x: torch.Tensor) -> torch.Tensor:
    """Normalize the last dimension to mean 0 and mean square 1, without a learned gain.

    On a CPU this is twice as fast as torch's RMSNorm.
    """
    return F.layer_norm(x, x.shape[-1:])


def rope_cos_sin(positions: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Compute the rotations of rotary position embedding (Su et al. 2021, arXiv:2104.09864).

    Args:
        positions: (...) whole numbers or lengths.
        frequencies: (F,) radians per unit of position, one for each pair of features.

    Returns:
        (..., F, 2) cosine and sine of positions * frequencies.
    """
    angles = positions[..., None] * frequencies
    return torch.stack([angles.cos(), angles.sin()], -1)


def apply_rope(x: torch.Tensor, cos_sin: torch.Tensor) -> torch.Tensor:
    """Rotate each pair of adjacent features (Su et al. 2021, arXiv:2104.09864, equation 34).

    With the pair (a, b) and the angle t of its position,

        (a, b) -> (a cos t - b sin t, a sin t + b cos t)

    so a product of a rotated query and a rotated key depends only on the difference of their
    positions.

    Args:
        x: (..., D) queries or keys.
        cos_sin: (..., D / 2, 2) from `rope_cos_sin`; it is broadcast along x.
    """
    x = x.float().unflatten(-1, (-1, 2))
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        # A product of complex numbers takes one pass over memory instead of five. The compiler
        # has no code for complex numbers, and fuses the five passes anyway.
        rotated = torch.view_as_complex(x) * torch.view_as_complex(cos_sin)
        return torch.view_as_real(rotated).flatten(-2)
    a, b = x.unbind(-1)
    cos, sin = cos_sin.unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def attention_weights(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Compute the weights that `scaled_dot_product_attention` gives to values.

    weights = softmax(q k^T / sqrt(D)), where only keys of `mask` count.

    Args:
        q: (B, H, P, D) queries.
        k: (B, H, S, D) keys.
        mask: (B, 1, 1, S) booleans.

    Returns:
        (B, H, P, S)
    """
    scores = q @ k.to(q.dtype).transpose(2, 3) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


# Attention of `TokenGPT`, whose examples are rows of a tensor.


@dataclass
class AttentionContext:
    """What the self-attention of all blocks of one pass shares.

    Attributes:
        positions: (T,) positions of the tokens, or (B, T) with a cache.
        cache: keys and values of the tokens before, or None for a pass from the first token on,
            which is causal.
        mask: which keys may be attended to, see `KVCache.mask`.
    """

    positions: torch.Tensor
    cache: KVCache | None = None
    mask: torch.Tensor | None = None


class SelfAttention(nn.Module):
    """Causal attention of every token to itself and to those before it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_head
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def forward(self, x: torch.Tensor, context: AttentionContext, layer: int) -> torch.Tensor:
        """Attend from x (B, T, C).

        Args:
            x: (B, T, C)
            context: the positions of the tokens, and the cache.
            layer: index of the block, under which the cache stores keys and values.
        """
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.n_head) for part in (q, k, v))  # (B, H, T, D)
        if context.cache is not None:
            k, v = context.cache.update(layer, k, v, context.positions)
        is_causal = context.cache is None
        y = F.scaled_dot_product_attention(
            q, k, v.to(q.dtype), attn_mask=context.mask, is_causal=is_causal
        )
        return self.out(merge_heads(y))


class CrossAttention(nn.Module):
    """Attention of every token to the characters of the text."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_ctx_head
        self.q = nn.Linear(C, C, bias=False)
        self.kv = nn.Linear(config.n_embd_context, 2 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def keys_and_values(self, text: torch.Tensor) -> KeysAndValues:
        """Compute keys and values (B, H, S, D) of encoded text (B, S, Cc).

        They are computed once for a text, however many tokens are decoded.
        """
        k, v = self.kv(text).chunk(2, dim=-1)
        return split_heads(k, self.n_head), split_heads(v, self.n_head)

    def forward(
        self, x: torch.Tensor, keys_and_values: KeysAndValues, text_mask: torch.Tensor
    ) -> torch.Tensor:
        """Attend from x (B, T, C) to the characters of `text_mask` (B, 1, 1, S)."""
        k, v = keys_and_values
        q = split_heads(self.q(x), self.n_head)
        y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), attn_mask=text_mask)
        return self.out(merge_heads(y))


# Attention of `OffsetGPT`, whose positions lie end to end.


class Attention(Protocol):
    """How N positions that lie end to end attend to their past and to their text."""

    def self_attend(self, layer: int, qk: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Attend causally with queries and keys `qk` (N, 2H, D) and values `v` (N, C) -> (N, C)."""

    def cross_attend(self, layer: int, q: torch.Tensor) -> torch.Tensor:
        """Attend to the text with queries `q` (N, H, D) -> (N, C)."""


class PackedAttention:
    """Attention of the examples of a `PackedBatch`, each to its own past and its own text.

    Without a width each example is attended to alone, as a slice. That needs no padding and no
    copy, which suits a CPU. With a width the examples are copied into rows of that many positions
    and attended to together. That is one call, of a shape that is known beforehand, which suits a
    GPU. There the width is that of the longest example where none is given.

    Args:
        packed: the batch.
        text: by layer, the text's keys and values.
        text_mask: (B, 1, 1, S) which characters may be attended to.
        width: positions of a row, at least those of the longest example; None for slices.
    """

    def __init__(
        self,
        packed: PackedBatch,
        text: dict[int, KeysAndValues],
        text_mask: torch.Tensor,
        width: int | None = None,
    ) -> None:
        if width is None and packed.tokens.is_cuda:
            width = int(packed.lengths.max())
        self.text, self.text_mask, self.width = text, text_mask, width
        self.n_rows = len(packed.lengths)
        if width is None:
            self.lengths: list[int] = packed.lengths.tolist()
            self.text_lengths: list[int] = text_mask.flatten(1).sum(1).tolist()
        else:
            self.index = row_index(packed, width)

    def self_attend(self, layer: int, qk: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Attend causally with queries and keys `qk` (N, 2H, D) and values `v` (N, C) -> (N, C)."""
        D = qk.shape[2]
        qkv = torch.cat([qk.flatten(1), v], 1)
        outputs = []
        for rows in self._to_rows(qkv):
            heads = rows.unflatten(-1, (-1, D)).transpose(1, 2)
            q, k, v = heads.chunk(3, dim=1)  # (b, H, T, D)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            outputs.append(merge_heads(y))
        return self._from_rows(outputs)

    def cross_attend(self, layer: int, q: torch.Tensor) -> torch.Tensor:
        """Attend to the text with queries `q` (N, H, D) -> (N, C)."""
        heads = q.shape[1:]
        outputs = []
        for rows, (k, v, mask) in zip(self._to_rows(q.flatten(1)), self._texts(layer)):
            q = rows.unflatten(-1, heads).transpose(1, 2)  # (b, H, T, D)
            y = F.scaled_dot_product_attention(q, k, v.to(k.dtype), attn_mask=mask)
            outputs.append(merge_heads(y))
        return self._from_rows(outputs)

    def _texts(
        self, layer: int
    ) -> Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]:
        """Return the keys, values and mask of the text for each tensor of `_to_rows`."""
        k, v = self.text[layer]
        if self.width is not None:
            return [(k, v, self.text_mask)]
        return [
            (k[..., :n, :], v[..., :n, :], None)
            for k, v, n in zip(k.split(1), v.split(1), self.text_lengths)
        ]

    def _to_rows(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Lay out x (N, c) as tensors (b, T, c): all rows in one, or one for each example."""
        if self.width is None:
            return [part[None] for part in x.split(self.lengths)]
        rows = x.new_zeros(self.n_rows * self.width + 1, x.shape[1]).index_copy(0, self.index, x)
        return [rows[:-1].view(self.n_rows, self.width, -1)]

    def _from_rows(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """Invert `_to_rows`."""
        if self.width is None:
            return torch.cat(outputs, dim=1)[0]
        rows = outputs[0].flatten(0, 1)
        # Positions of no example take anything: nothing scores them.
        return torch.cat([rows, rows[:1]])[self.index]


class VarlenAttention:
    """Attention of packed examples where they lie, by a kernel that knows where each one begins.

    Nothing is padded or copied. The positions after the last example count as one more example,
    whose text is empty, so that every position has a defined output.

    Args:
        packed: the batch.
        text: by layer, the text's keys and values.
        text_mask: (B, 1, 1, S) which characters may be attended to.
    """

    def __init__(
        self, packed: PackedBatch, text: dict[int, KeysAndValues], text_mask: torch.Tensor
    ) -> None:
        n_positions = len(packed.position)
        used = packed.lengths.cumsum(0)
        starts = F.pad(used, (1, 1))
        starts[-1].fill_(n_positions)
        self.starts = starts.int()  # (B + 2,)
        # The last of these examples may be as long as the batch.
        self.max_length = n_positions
        # The real characters of all texts, end to end in front of the padding.
        self.is_padding = ~text_mask.flatten()
        self.character_order = self.is_padding.argsort(stable=True)
        ends = text_mask.flatten(1).sum(1).cumsum(0)
        self.text_starts = torch.cat([ends.new_zeros(1), ends, ends[-1:]]).int()
        self.max_text = text_mask.shape[-1]
        self.text = text
        kernel = varlen_kernel()
        assert kernel is not None
        self.attend = kernel

    def self_attend(self, layer: int, qk: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Attend causally with queries and keys `qk` (N, 2H, D) and values `v` (N, C) -> (N, C)."""
        q, k = qk.to(v.dtype).chunk(2, dim=1)
        v = v.unflatten(-1, (-1, qk.shape[2]))
        length = self.max_length
        causal = (-1, 0)
        y = self.attend(q, k, v, self.starts, self.starts, length, length, window_size=causal)
        return y.flatten(1)

    def cross_attend(self, layer: int, q: torch.Tensor) -> torch.Tensor:
        """Attend to the text with queries `q` (N, H, D) -> (N, C)."""
        k, v = (self._real_first(x) for x in self.text[layer])
        y = self.attend(
            q.to(v.dtype),
            k.to(v.dtype),
            v,
            self.starts,
            self.text_starts,
            self.max_length,
            self.max_text,
            # All characters. Some versions of torch give attention without a window to cuDNN,
            # which is slower here and builds a plan first.
            window_size=(self.max_length, self.max_length),
        )
        return y.flatten(1)

    def _real_first(self, x: torch.Tensor) -> torch.Tensor:
        """Lay out x (B, H, S, D) as (B S, H, D), the padding last.

        The kernel leaves the gradient of the padding as it finds the memory; the mask drops it.
        """
        rows = x.transpose(1, 2).flatten(0, 1).masked_fill(self.is_padding[:, None, None], 0)
        return rows[self.character_order]


def varlen_kernel() -> Callable[..., torch.Tensor] | None:
    """Return the kernel of `VarlenAttention`, or None where torch has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn  # slow: it imports the compiler
    except ImportError:
        return None
    return cast("Callable[..., torch.Tensor]", varlen_attn)


def row_index(packed: PackedBatch, width: int) -> torch.Tensor:
    """Return where each position (N,) stands among rows of `width` positions laid end to end.

    Positions of no example stand in one place after the last row.
    """
    n_rows = len(packed.lengths)
    return torch.where(
        packed.example < n_rows, packed.example * width + packed.position, n_rows * width
    )


class CachedAttention:
    """Attention of the next P positions of each of B rows to a `KVCache` and its text; N = B P.

    Args:
        cache: what the rows have seen so far.
        n_positions: P.
    """

    def __init__(self, cache: KVCache, n_positions: int) -> None:
        self.cache = cache
        self.n_rows = len(cache.length)
        new = torch.arange(n_positions, device=cache.length.device)
        self.positions = cache.length[:, None] + new  # (B, P)
        self.mask = cache.mask(self.positions)

    def self_attend(self, layer: int, qk: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Attend causally with queries and keys `qk` (N, 2H, D) and values `v` (N, C) -> (N, C)."""
        D = qk.shape[2]
        q, k = self._to_rows(qk).chunk(2, dim=1)
        v = self._to_rows(v.unflatten(-1, (-1, D)))
        k, v = self.cache.update(layer, k, v, self.positions)
        y = F.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=self.mask)
        return merge_heads(y).flatten(0, 1)

    def cross_attend(self, layer: int, q: torch.Tensor) -> torch.Tensor:
        """Attend to the text with queries `q` (N, H, D) -> (N, C)."""
        k, v = self.cache.text[layer]
        q = self._to_rows(q)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.cache.text_mask)
        return merge_heads(y).flatten(0, 1)

    def _to_rows(self, x: torch.Tensor) -> torch.Tensor:
        """Rearrange (N, H, D) as (B, H, P, D)."""
        return x.view(self.n_rows, -1, *x.shape[1:]).transpose(1, 2)


class RecordingAttention(CachedAttention):
    """`CachedAttention` that records its weights.

    Attributes:
        cross_attention_weights: how much every position attends to every character, (B, H, P, S)
            for each layer that reads the text.
    """

    def __init__(self, cache: KVCache, n_positions: int) -> None:
        super().__init__(cache, n_positions)
        self.cross_attention_weights: list[torch.Tensor] = []

    def cross_attend(self, layer: int, q: torch.Tensor) -> torch.Tensor:
        """Attend to the text with queries `q` (N, H, D) -> (N, C), and record the weights."""
        k, _ = self.cache.text[layer]
        self.cross_attention_weights.append(
            attention_weights(self._to_rows(q), k, self.cache.text_mask)
        )
        return super().cross_attend(layer, q)
