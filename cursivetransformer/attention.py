"""Attention, and the cache that decoding keeps its keys and values in. Shapes as in `model.py`.

Knows no tokens and no characters, only vectors and their positions.
"""

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
        self.text = None          # per block, keys and values (B, H, S, D) of the text
        self.text_mask = None     # (B, 1, 1, S)

    def write(self, layer, k, v, positions):
        """Store (B, H, T, D) keys and values at `positions` (B, T); return all up to the longest row."""
        rows = torch.arange(len(positions), device=k.device)[:, None]
        end = self.longest + positions.shape[1]
        if end > self.keys.shape[3]:
            more = (0, 0, 0, max(self.keys.shape[3], end))
            self.keys, self.values = F.pad(self.keys, more), F.pad(self.values, more)
        self.keys[layer][rows, :, positions] = k.transpose(1, 2).to(self.keys.dtype)
        self.values[layer][rows, :, positions] = v.transpose(1, 2).to(self.values.dtype)
        return self.keys[layer][:, :, :end].to(k.dtype), self.values[layer][:, :, :end].to(v.dtype)

    def advance(self, lengths, n_tokens):
        """Count the tokens just written: `lengths` (B,) of the `n_tokens` of each row were real."""
        self.length = self.length + lengths
        self.longest += n_tokens

    def keep(self, rows):
        """Forget all rows but those of the index tensor `rows`."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self.length, self.text_mask = self.length[rows], self.text_mask[rows]
        self.text = [(k[rows], v[rows]) for k, v in self.text]


def split_heads(x, n_head):
    """(B, T, C) -> (B, H, T, D)."""
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x):
    """(B, H, T, D) -> (B, T, C)."""
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)


def rotate(x, positions):
    """Turn each pair of features of (B, H, T, D) by an angle that grows with its position; positions: (B, T) or (T,).

    Scores of rotated queries and keys depend on the distance between them alone.
    """
    half = x.shape[-1] // 2
    frequencies = ROTARY_BASE ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = (positions[..., None] * frequencies).unsqueeze(-3)  # (B, 1, T, D/2) or (1, T, D/2)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def rms_norm(x):
    """Scale the last dimension to mean square 1; no learnt gain."""
    return F.rms_norm(x, (x.shape[-1],))


class SelfAttention(nn.Module):
    """Causal attention of every token to those before it and itself."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.n_head = config.n_head
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C, bias=False)

    def shape_queries_and_keys(self, q, k, positions):
        """What is done to (B, H, T, D) queries and keys before their scores; here nothing."""
        return q, k

    def forward(self, x, positions, layer, cache, mask):
        q, k, v = (split_heads(part, self.n_head) for part in self.qkv(x).chunk(3, dim=-1))  # (B, H, T, D)
        q, k = self.shape_queries_and_keys(q, k, positions)
        if cache is not None:
            k, v = cache.write(layer, k, v, positions)
        y = F.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=mask, is_causal=mask is None)
        return self.out(merge_heads(y))


class RotarySelfAttention(SelfAttention):
    def shape_queries_and_keys(self, q, k, positions):
        return rotate(rms_norm(q), positions), rotate(rms_norm(k), positions)


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
