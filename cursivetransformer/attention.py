"""Attention, and the cache that decoding keeps its keys and values in. Shapes as in `model.py`.

Knows no tokens and no characters, only vectors and their positions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

ROTARY_BASE = 10_000.0  # as published; wavelengths from 2 pi to 2 pi times this many tokens


class KVCache:
    """Keys and values of the tokens seen so far and of the text, owned by whoever decodes.

    Rows may have seen different numbers of tokens: `length` (B,) says how many, and what lies behind is never read.
    There is room for `max_length` tokens at first; a cache that is full doubles.
    """

    def __init__(self, config, batch_size, max_length, device="cpu", dtype=torch.float32):
        head = config.n_embd // config.n_head
        self.keys, self.values = (
            torch.zeros(config.n_layer, batch_size, config.n_head, max_length, head, device=device, dtype=dtype)
            for _ in range(2))
        self.length = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.longest = 0          # of `length`, kept apart so that a GPU need not be asked
        self.even = True          # all rows are of that length, and writing and masking are simpler
        self.text = None          # per block, keys and values (B, H, S, D) of the text
        self.text_mask = None     # (B, 1, 1, S)

    def mask(self, positions):
        """(B, 1, T, seen) booleans: which keys the tokens at `positions` (B, T) may attend to; None for all that are seen."""
        n_tokens = positions.shape[1]
        if self.even and n_tokens == 1:
            return None
        seen = torch.arange(self.longest + n_tokens, device=positions.device)
        return (seen <= positions[..., None])[:, None]

    def write(self, layer, k, v, positions):
        """Store (B, H, T, D) keys and values at `positions` (B, T); return all up to the longest row."""
        end = self.longest + positions.shape[1]
        if end > self.keys.shape[3]:
            more = (0, 0, 0, max(self.keys.shape[3], end))
            self.keys, self.values = F.pad(self.keys, more), F.pad(self.values, more)
        for store, new in ((self.keys[layer], k), (self.values[layer], v)):
            if self.even:
                store[:, :, self.longest:end] = new
            else:
                rows = torch.arange(len(positions), device=new.device)[:, None]
                store[rows, :, positions] = new.transpose(1, 2).to(store.dtype)
        return self.keys[layer][:, :, :end].to(k.dtype), self.values[layer][:, :, :end].to(v.dtype)

    def advance(self, n_tokens, lengths=None):
        """Count the tokens just written: `n_tokens` in each row, of which the first `lengths` (B,) were real (default: all)."""
        self.even = self.even and lengths is None
        self.length = self.length + (n_tokens if lengths is None else lengths)
        self.longest += n_tokens

    def keep(self, rows):
        """Forget all rows but those of the index tensor `rows`."""
        room = self.keys.shape[3] - self.longest
        self.keys, self.values = (F.pad(kept[:, rows, :, :self.longest], (0, 0, 0, room)) for kept in (self.keys, self.values))
        self.length, self.text_mask = self.length[rows], self.text_mask[rows]
        self.text = [(k[rows], v[rows]) for k, v in self.text]


@dataclass
class Place:
    """Where the tokens of a pass stand, the same for every block.

    positions: (T,), or with a cache (B, T); rotation: cosines and sines of the positions, for a rotary model; mask: which
    keys may be attended to, see `KVCache.mask`; without a cache the pass is causal from its first token.
    """

    positions: torch.Tensor
    rotation: tuple | None = None
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


def rotary_angles(positions, head_size):
    """Cosine and sine (..., T, D/2) of the angles by which the pairs of features turn at `positions` (..., T)."""
    half = head_size // 2
    frequencies = ROTARY_BASE ** (-torch.arange(half, device=positions.device, dtype=torch.float32) / half)
    angles = positions[..., None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Turn each pair of features of (B, H, T, D) by the angles of its position, given as (T, D/2) or (B, 1, T, D/2).

    Scores of rotated queries and keys depend on the distance between them alone.
    """
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def rms_norm(x):
    """Scale the last dimension to mean square 1; no learnt gain.

    Written out, because on a CPU torch's own is several times slower for the few rows of a decoding step.
    """
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + torch.finfo(x.dtype).eps)


class SelfAttention(nn.Module):
    """Causal attention of every token to those before it and itself."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_head
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def shape_queries_and_keys(self, q, k, rotation):
        """What is done to (B, H, T, D) queries and keys before their scores; here nothing."""
        return q, k

    def forward(self, x, place, layer):
        q, k, v = (split_heads(part, self.n_head) for part in self.qkv(x).chunk(3, dim=-1))  # (B, H, T, D)
        q, k = self.shape_queries_and_keys(q, k, place.rotation)
        if place.cache is not None:
            k, v = place.cache.write(layer, k, v, place.positions)
        y = F.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=place.mask, is_causal=place.cache is None)
        return self.out(merge_heads(y))


class RotarySelfAttention(SelfAttention):
    def shape_queries_and_keys(self, q, k, rotation):
        return rotate(rms_norm(q), *rotation), rotate(rms_norm(k), *rotation)


class CrossAttention(nn.Module):
    """Attention of every token to the characters of the text."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_ctx_head
        self.q = nn.Linear(C, C, bias=False)
        self.kv = nn.Linear(config.n_embd_context, 2 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def norm_heads(self, x):
        """What is done to (B, H, T, D) queries or keys before their scores; here nothing."""
        return x

    def keys_and_values(self, text):
        """(B, S, Cc) encoded text -> keys and values (B, H, S, D): once per text, however many tokens are drawn."""
        k, v = (split_heads(part, self.n_head) for part in self.kv(text).chunk(2, dim=-1))
        return self.norm_heads(k), v

    def forward(self, x, keys_and_values, text_mask):
        k, v = keys_and_values
        q = self.norm_heads(split_heads(self.q(x), self.n_head))
        y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), attn_mask=text_mask)
        return self.out(merge_heads(y))


class NormedCrossAttention(CrossAttention):
    def norm_heads(self, x):
        return rms_norm(x)
