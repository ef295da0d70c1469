"""The GPT: tokens of ink in, logits of the next token out, with cross-attention to the characters of the text.

Knows no dataset, no tokenizer and no sampling; it takes a cache, and owns none. Shapes in the comments:
B examples, T tokens, S characters of text, C width, H heads, D = C / H, V vocabulary.

Every block reads, with its own kind of norm,

    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), text)
    x = x + mlp(norm(x))

`LayerNormBlock` is the published one. `RotaryBlock` has rotary positions (Su et al. 2021, arXiv:2104.09864), RMSNorm
(Zhang and Sennrich 2019, arXiv:1910.07467), queries and keys normalised (Henry et al. 2020, arXiv:2010.04245), squared
ReLU (So et al. 2021, arXiv:2109.08668) and output projections that start at zero, so that a new block changes nothing.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

ROTARY_BASE = 10_000.0     # as published; wavelengths from 2 pi to 2 pi times this many tokens
EMBEDDING_DEVIATION = 0.2  # of the rotary model's embeddings at the start
TEXT_KERNEL = 5            # characters that the convolution over the text sees at once


@dataclass
class ModelConfig:
    """The shape of a model. max_length: tokens of context; max_text: characters of context."""

    block: str
    n_layer: int
    n_embd: int
    n_head: int
    n_ctx_head: int
    n_embd_context: int
    vocab_size: int
    n_chars: int
    max_length: int
    max_text: int

    def as_dict(self):
        """Plain values, for a checkpoint."""
        return asdict(self)


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


class LayerNormBlock(nn.Module):
    """The published block: LayerNorm and GELU."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(3))
        self.attention = SelfAttention(config)
        self.cross = CrossAttention(config)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(self, x, positions, text_kv, text_mask, layer, cache, mask):
        x = x + self.attention(self.norms[0](x), positions, layer, cache, mask)
        x = x + self.cross(self.norms[1](x), text_kv, text_mask)
        return x + self.mlp(self.norms[2](x))


class RotaryBlock(nn.Module):
    """The fast learner: rotary positions, RMSNorm, normalised queries and keys, squared ReLU."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.attention = RotarySelfAttention(config)
        self.cross = NormedCrossAttention(config)
        self.up = nn.Linear(C, 4 * C, bias=False)
        self.down = nn.Linear(4 * C, C, bias=False)
        for projection in (self.attention.out, self.cross.out, self.down):
            nn.init.zeros_(projection.weight)

    def forward(self, x, positions, text_kv, text_mask, layer, cache, mask):
        x = x + self.attention(rms_norm(x), positions, layer, cache, mask)
        x = x + self.cross(rms_norm(x), text_kv, text_mask)
        h = F.relu(self.up(rms_norm(x)))
        return x + self.down(h * h)  # square() would be a power to autograd, and a fifth slower a step


class TextEncoder(nn.Module):
    """Character ids (B, S) -> embeddings (B, S, Cc) with positions of their own, zero in the padding."""

    def __init__(self, config):
        super().__init__()
        width = config.n_embd_context
        self.chars = nn.Embedding(config.n_chars, width)
        self.positions = nn.Embedding(config.max_text, width)

    def forward(self, text):
        x = self.chars(text) + self.positions(torch.arange(text.shape[1], device=text.device))
        return x * (text != 0).unsqueeze(-1).to(x.dtype)


class ConvolvedTextEncoder(TextEncoder):
    """The same, where every character also sees its neighbours: how a letter is joined depends on them."""

    def __init__(self, config):
        super().__init__(config)
        width = config.n_embd_context
        self.convolution = nn.Conv1d(width, width, TEXT_KERNEL, padding=TEXT_KERNEL // 2)

    def forward(self, text):
        x = super().forward(text)
        return x + self.convolution(x.transpose(1, 2)).transpose(1, 2)


class GPT(nn.Module):
    """tokens (B, T), text (B, S) -> logits (B, T, V). Character id 0 is padding and is never attended to."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        rotary = config.block == "rotary"
        self.tokens = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions = None if rotary else nn.Embedding(config.max_length, config.n_embd)
        self.text = (ConvolvedTextEncoder if rotary else TextEncoder)(config)
        self.blocks = nn.ModuleList((RotaryBlock if rotary else LayerNormBlock)(config) for _ in range(config.n_layer))
        self.norm = nn.RMSNorm(config.n_embd, elementwise_affine=False) if rotary else nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self._start_weights(rotary)

    def _start_weights(self, rotary):
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_DEVIATION if rotary else 0.02)
            elif isinstance(module, nn.Linear) and not rotary:
                nn.init.normal_(module.weight, std=0.02)
        if rotary:
            nn.init.zeros_(self.head.weight)  # the first loss is ln V
        else:
            for block in self.blocks:  # GPT-2: residual branches add up, so each starts smaller
                for projection in (block.attention.out, block.cross.out, block.mlp[2]):
                    nn.init.normal_(projection.weight, std=0.02 / math.sqrt(3 * self.config.n_layer))

    @property
    def n_parameters(self):
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())

    def encode_text(self, text):
        """Character ids (B, S) -> per block the keys and values of the text, and its mask (B, 1, 1, S)."""
        encoded = self.text(text)
        return [block.cross.keys_and_values(encoded) for block in self.blocks], (text != 0)[:, None, None, :]

    def forward(self, tokens, text=None, cache=None, lengths=None):
        """Logits of the token after each.

        Without a cache: whole sequences. With one: the tokens (B, T) that follow those it has seen, of which the first
        `lengths` (B,) of each row are real (default: all); `text` is needed in the first call only.
        """
        B, T = tokens.shape
        if cache is None:
            text_kv, text_mask = self.encode_text(text)
            positions, mask = torch.arange(T, device=tokens.device), None
        else:
            if cache.text is None:
                cache.text, cache.text_mask = self.encode_text(text)
            text_kv, text_mask = cache.text, cache.text_mask
            positions = cache.length[:, None] + torch.arange(T, device=tokens.device)  # (B, T)
            seen = torch.arange(cache.longest + T, device=tokens.device)
            mask = (seen <= positions[..., None])[:, None]  # (B, 1, T, longest + T)
        x = self.tokens(tokens)  # (B, T, C)
        if self.positions is not None:
            x = x + self.positions(positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, positions, text_kv[layer], text_mask, layer, cache, mask)
        if cache is not None:
            cache.advance(torch.full_like(cache.length, T) if lengths is None else lengths, T)
        return self.head(self.norm(x))


def token_loss(logits, targets, reduction="mean"):
    """Cross-entropy in nats per real token; targets of -100 are not scored."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)
