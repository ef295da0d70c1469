"""Attention, and the cache that decoding keeps its keys and values in. Shapes as in `model.py`.

Knows no tokens and no characters, only vectors and their positions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


class KVCache:
    """Keys and values of the tokens seen so far and of the text, owned by whoever decodes.

    Rows may have seen different numbers of tokens: `length` (B,) says how many, and what lies behind is never read.
    There is room for `max_length` tokens at first; a cache that is full doubles.
    """

    def __init__(self, config, batch_size, max_length, device="cpu", dtype=torch.float32):
        head = config.n_embd // config.n_head
        self.keys, self.values = (
            torch.zeros(
                config.n_layer,
                batch_size,
                config.n_head,
                max_length,
                head,
                device=device,
                dtype=dtype,
            )
            for _ in range(2)
        )
        self.length = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.longest = 0  # of `length`, kept apart so that a GPU need not be asked
        self.even = True  # all rows are of that length, and writing and masking are simpler
        self.text = None  # per block, keys and values (B, H, S, D) of the text
        self.text_mask = None  # (B, 1, 1, S)

    def mask(self, positions):
        """(B, 1, T, seen) booleans: which keys the tokens at `positions` (B, T) may attend to; None for all that are seen."""
        n_tokens = positions.shape[1]
        if self.even and n_tokens == 1:
            return None
        seen = torch.arange(self.longest + n_tokens, device=positions.device)
        return (seen <= positions[..., None])[:, None]

    def update(self, layer, k, v, positions):
        """Store (B, H, T, D) keys and values at `positions` (B, T); return all up to the longest row."""
        end = self.longest + positions.shape[1]
        if end > self.keys.shape[3]:
            more = (0, 0, 0, max(self.keys.shape[3], end))
            self.keys, self.values = F.pad(self.keys, more), F.pad(self.values, more)
        for store, new in ((self.keys[layer], k), (self.values[layer], v)):
            if self.even:
                store[:, :, self.longest : end] = new
            else:
                rows = torch.arange(len(positions), device=new.device)[:, None]
                store[rows, :, positions] = new.transpose(1, 2).to(store.dtype)
        return self.keys[layer][:, :, :end].to(k.dtype), self.values[layer][:, :, :end].to(v.dtype)

    def advance(self, n_tokens, lengths=None):
        """Count the tokens just written: `n_tokens` in each row, of which the first `lengths` (B,) were real (default: all)."""
        self.even = self.even and lengths is None
        self.length = self.length + (n_tokens if lengths is None else lengths)
        self.longest += n_tokens

    def select_rows(self, rows):
        """Forget all rows but those of the index tensor `rows`."""
        capacity = self.keys.shape[3] - self.longest
        self.keys, self.values = (
            F.pad(kept[:, rows, :, : self.longest], (0, 0, 0, capacity))
            for kept in (self.keys, self.values)
        )
        self.length, self.text_mask = self.length[rows], self.text_mask[rows]
        self.text = [kv and (kv[0][rows], kv[1][rows]) for kv in self.text]


@dataclass
class AttentionContext:
    """Where the tokens of a pass stand, the same for every block.

    positions: (T,), or with a cache (B, T); mask: which keys may be attended to, see `KVCache.mask`; without a cache the
    pass is causal from its first token.
    """

    positions: torch.Tensor
    cache: KVCache | None = None
    mask: torch.Tensor | None = None


def split_heads(x, n_head):
    """(B, T, C) -> (B, H, T, D)."""
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x):
    """(B, H, T, D) -> (B, T, C)."""
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)


def rope_cos_sin(places, rope_frequencies):
    """Turns (..., F, 2) by the angles `places` (...) * `rope_frequencies` (F,), as their cosines and sines."""
    angles = places[..., None] * rope_frequencies
    return torch.stack([angles.cos(), angles.sin()], -1)


def apply_rope(x, cos_sin):
    """Turn each pair of features of (..., D) by `cos_sin` (..., D/2, 2), where dimensions of x may be 1.

    Scores of turned queries and keys depend on the difference between their turns alone.
    """
    x = x.float().unflatten(-1, (-1, 2))
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        # A product of complex numbers: one pass over memory instead of five. The compiler has no code for them, nor needs it.
        return torch.view_as_real(
            torch.view_as_complex(x) * torch.view_as_complex(cos_sin)
        ).flatten(-2)
    (a, b), (cos, sin) = x.unbind(-1), cos_sin.unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def norm(x):
    """The last dimension with mean 0 and mean square 1; no learnt gain. On a CPU twice as fast as torch's RMSNorm."""
    return F.layer_norm(x, x.shape[-1:])


class SelfAttention(nn.Module):
    """Causal attention of every token to those before it and itself."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_head
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def forward(self, x, context, layer):
        q, k, v = (
            split_heads(part, self.n_head) for part in self.qkv(x).chunk(3, dim=-1)
        )  # (B, H, T, D)
        if context.cache is not None:
            k, v = context.cache.update(layer, k, v, context.positions)
        y = F.scaled_dot_product_attention(
            q, k, v.to(q.dtype), attn_mask=context.mask, is_causal=context.cache is None
        )
        return self.out(merge_heads(y))


class CrossAttention(nn.Module):
    """Attention of every token to the characters of the text."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_ctx_head
        self.q = nn.Linear(C, C, bias=False)
        self.kv = nn.Linear(config.n_embd_context, 2 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def keys_and_values(self, text):
        """(B, S, Cc) encoded text -> keys and values (B, H, S, D): once per text, however many tokens are drawn."""
        return tuple(split_heads(part, self.n_head) for part in self.kv(text).chunk(2, dim=-1))

    def forward(self, x, keys_and_values, text_mask):
        k, v = keys_and_values
        q = split_heads(self.q(x), self.n_head)
        y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), attn_mask=text_mask)
        return self.out(merge_heads(y))


class PackedAttention:
    """Attention of positions that lie end to end (`packing.PackedBatch`) to their own example's past and text.

    The examples are attended to one by one, each a slice that needs no padding and no copy, which suits a CPU. With a given
    `width` they are laid out as rows of that many positions and attended to at once: shapes that are known beforehand, and one
    call, which suits a GPU. text: per layer keys and values (B, H, S, D), or None; text_mask: (B, 1, 1, S).
    """

    def __init__(self, packed, text, text_mask, width=None):
        self.text, self.text_mask, self.width = text, text_mask, width
        self.n_rows = len(packed.lengths)
        if width is None:
            self.lengths, self.text_lengths = (
                packed.lengths.tolist(),
                text_mask.flatten(1).sum(1).tolist(),
            )
        else:  # where each position stands in the rows laid end to end; behind them all if it is of no example
            self.index = torch.where(
                packed.example < self.n_rows,
                packed.example * width + packed.position,
                self.n_rows * width,
            )

    def self_attend(self, layer, qk, v):
        """qk: (N, 2H, D) queries and keys; v: (N, C) values. Returns (N, C)."""
        D = qk.shape[2]
        qkv = torch.cat([qk.flatten(1), v], 1)
        parts = []
        for rows in self._to_rows(qkv):
            q, k, v = rows.unflatten(-1, (-1, D)).transpose(1, 2).chunk(3, dim=1)  # (b, H, T, D)
            parts.append(merge_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        return self._from_rows(parts)

    def cross_attend(self, layer, q):
        """q: (N, H, D) queries. Returns (N, C)."""
        k, v = self.text[layer]
        if self.width is None:
            texts = [
                (k[..., :n, :], v[..., :n, :], None)
                for k, v, n in zip(k.split(1), v.split(1), self.text_lengths)
            ]
        else:
            texts = [(k, v, self.text_mask)]
        parts = []
        for rows, (k, v, mask) in zip(self._to_rows(q.flatten(1)), texts):
            rows = rows.unflatten(-1, q.shape[1:]).transpose(1, 2)
            parts.append(
                merge_heads(F.scaled_dot_product_attention(rows, k, v.to(k.dtype), attn_mask=mask))
            )
        return self._from_rows(parts)

    def _to_rows(self, x):
        """(N, c) -> a list of (b, T, c): all rows at once, or each example by itself."""
        if self.width is None:
            return [part[None] for part in x.split(self.lengths)]
        rows = x.new_zeros(self.n_rows * self.width + 1, x.shape[1]).index_copy(0, self.index, x)
        return [rows[:-1].view(self.n_rows, self.width, -1)]

    def _from_rows(self, parts):
        """The opposite of `_to_rows`."""
        if self.width is None:
            return torch.cat(parts, dim=1)[0]
        rows = parts[0].flatten(0, 1)
        return torch.cat([rows, rows[:1]])[self.index]


class CachedAttention:
    """Attention of new positions, P in each of B rows, to all that a `KVCache` holds and to the text. N = B P."""

    def __init__(self, cache, n_positions):
        self.cache, self.rows = cache, len(cache.length)
        self.positions = cache.length[:, None] + torch.arange(
            n_positions, device=cache.length.device
        )
        self.mask = cache.mask(self.positions)

    def self_attend(self, layer, qk, v):
        D = qk.shape[2]
        q, k = qk.view(self.rows, -1, *qk.shape[1:]).transpose(1, 2).chunk(2, dim=1)
        k, v = self.cache.update(
            layer, k, v.view(self.rows, -1, v.shape[1] // D, D).transpose(1, 2), self.positions
        )
        return merge_heads(
            F.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=self.mask)
        ).flatten(0, 1)

    def cross_attend(self, layer, q):
        k, v = self.cache.text[layer]
        q = q.view(self.rows, -1, *q.shape[1:]).transpose(1, 2)
        return merge_heads(
            F.scaled_dot_product_attention(q, k, v, attn_mask=self.cache.text_mask)
        ).flatten(0, 1)


class RecordingAttention(CachedAttention):
    """The same, which keeps how much every position looked at every character: `cross_attention_weights`, a (B, H, P, S) for each layer that reads the text."""

    def __init__(self, cache, n_positions):
        super().__init__(cache, n_positions)
        self.cross_attention_weights = []

    def cross_attend(self, layer, q):
        heads = q.view(self.rows, -1, *q.shape[1:]).transpose(1, 2)
        self.cross_attention_weights.append(
            attention_weights(heads, self.cache.text[layer][0], self.cache.text_mask)
        )
        return super().cross_attend(layer, q)


def attention_weights(q, k, mask):
    """(B, H, P, D) queries and (B, H, S, D) keys -> (B, H, P, S), what `scaled_dot_product_attention` weighs values by."""
    scores = q @ k.to(q.dtype).transpose(2, 3) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)
