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

from cursivetransformer.attention import (
    CrossAttention, NormedCrossAttention, Place, RotarySelfAttention, SelfAttention, rms_norm, rotary_angles)

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

    @classmethod
    def from_settings(cls, settings, vocab_size, n_chars, max_text):
        """The shape that the settings of a run (a `config.Config`) ask for, with what they leave open."""
        named = ("block", "n_layer", "n_embd", "n_head", "n_ctx_head", "n_embd_context")
        return cls(**{name: getattr(settings, name) for name in named}, vocab_size=vocab_size, n_chars=n_chars,
                   max_length=settings.max_seq_length, max_text=max_text)

    def as_dict(self):
        """Plain values, for a checkpoint."""
        return asdict(self)


class LayerNormBlock(nn.Module):
    """The published block: LayerNorm and GELU."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(3))
        self.attention = SelfAttention(config)
        self.cross = CrossAttention(config)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(self, x, place, text_kv, text_mask, layer):
        x = x + self.attention(self.norms[0](x), place, layer)
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

    def forward(self, x, place, text_kv, text_mask, layer):
        x = x + self.attention(rms_norm(x), place, layer)
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
        self.norm = rms_norm if rotary else nn.LayerNorm(config.n_embd)
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
            place = Place(torch.arange(T, device=tokens.device))
        else:
            if cache.text is None:
                cache.text, cache.text_mask = self.encode_text(text)
            text_kv, text_mask = cache.text, cache.text_mask
            positions = cache.length[:, None] + torch.arange(T, device=tokens.device)  # (B, T)
            place = Place(positions, cache=cache, mask=cache.mask(positions))
        x = self.tokens(tokens)  # (B, T, C)
        if self.positions is not None:
            x = x + self.positions(place.positions)
        else:
            cos, sin = rotary_angles(place.positions, self.config.n_embd // self.config.n_head)
            place.rotation = (cos, sin) if cache is None else (cos[:, None], sin[:, None])  # a dimension for the heads
        for layer, block in enumerate(self.blocks):
            x = block(x, place, text_kv[layer], text_mask, layer)
        if cache is not None:
            cache.advance(T, lengths)
        return self.head(self.norm(x))


def token_loss(logits, targets, reduction="mean"):
    """Cross-entropy in nats per real token; targets of -100 are not scored."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)
