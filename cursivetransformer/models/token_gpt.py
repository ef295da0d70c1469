"""The published model: a GPT with one position for each token, and cross-attention to the characters of the text.

Knows no dataset, no tokenizer and no sampling; it takes a cache, and owns none. Shapes in the comments: B examples,
T tokens, S characters of text, C width, H heads, D = C / H, V vocabulary.

Every block reads

    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), text)
    x = x + mlp(norm(x))
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.data.packing import as_rows, row_lengths
from cursivetransformer.models.attention import (
    AttentionContext,
    CrossAttention,
    KVCache,
    SelfAttention,
    attention_weights,
    split_heads,
)
from cursivetransformer.models.text_encoder import TextEncoder

INIT_STD = 0.02  # of the weights at the start, as in GPT-2


class TokenBlock(nn.Module):
    """LayerNorm and GELU."""

    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(3))
        self.attention = SelfAttention(config)
        self.cross = CrossAttention(config)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(self, x, context, text_kv, text_mask, layer):
        x = x + self.attention(self.norms[0](x), context, layer)
        x = x + self.cross(self.norms[1](x), text_kv, text_mask)
        return x + self.mlp(self.norms[2](x))


@dataclass
class TokenState:
    """Where rows that are being written stand."""

    cache: KVCache
    authors: torch.Tensor

    def select_rows(self, rows):
        """Forget all rows but those of the index tensor `rows`."""
        self.authors = self.authors[rows]
        self.cache.select_rows(rows)


class TokenGPT(nn.Module):
    """tokens (B, T), text (B, S) -> logits of the next tokens (B, T, V). Character id 0 is padding and is never attended to."""

    fills_words = False  # a WORD is one position, like any token
    bounded = True  # its learnt positions end with the context

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions = nn.Embedding(config.max_length, config.n_embd)
        self.text = TextEncoder(config)
        self.blocks = nn.ModuleList(TokenBlock(config) for _ in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Embedding, nn.Linear)):
                nn.init.normal_(module.weight, std=INIT_STD)
        self.authors = nn.Embedding.from_pretrained(
            torch.zeros(1 + len(config.authors), config.n_embd), freeze=False
        )
        for block in self.blocks:  # GPT-2: residual branches add up, so each starts smaller
            for projection in (block.attention.out, block.cross.out, block.mlp[2]):
                nn.init.normal_(projection.weight, std=INIT_STD / math.sqrt(3 * config.n_layer))

    @property
    def n_parameters(self):
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())

    def hidden_matrices(self):
        """The matrices between two hidden layers, for an optimizer that treats them apart."""
        return [p for p in self.blocks.parameters() if p.ndim == 2]

    def nll(self, packed, width=None):
        """Sum of the cross-entropies of all scored tokens, an example in each padded row. width: of the rows in positions of
        `packed`, or None for as much as the batch needs."""
        slots = len(self.config.slot_sizes)
        width = (
            int(row_lengths(packed).max())
            if width is None
            else min(slots * width, self.config.max_length)
        )
        tokens, targets = as_rows(packed, self.config.word_id, width)
        return token_loss(self(tokens, packed.text, authors=packed.authors), targets, "sum")

    @torch.no_grad()
    def prefill(self, prompt, text, authors=None, capacity=0):
        """Start to write. prompt: (P, G) groups that every row starts with, WORD first; text: (B, S); authors: (B,), None for nobody
        known; room: positions to make place for. Returns a `TokenState` and the logits (B, V) of the first token to draw."""
        tokens = prompt[prompt <= self.config.word_id]  # without the filling
        cache = KVCache(
            self.config, len(text), len(tokens) + capacity * prompt.shape[1], text.device
        )
        authors = (
            torch.zeros(len(text), dtype=torch.long, device=text.device)
            if authors is None
            else authors
        )
        return TokenState(cache, authors), self(
            tokens.repeat(len(text), 1), text, cache, authors=authors
        )[:, -1]

    @torch.no_grad()
    def decode_one_token(self, state, token):
        """Take the token (B,) that was drawn for each row; returns the logits (B, V) of the one after it."""
        return self(token[:, None], cache=state.cache, authors=state.authors)[:, -1]

    @torch.no_grad()
    def cross_attention_weights(self, prompt, text, authors):
        """(heads, P, S) how much each group of `prompt` (P, G) looks at each character of text (1, S), in each head of every block, as
        the mean over its tokens. From what the last of them sees the next group is predicted."""
        seen = []

        def watch(cross, arguments, _):
            x, (k, _), mask = arguments
            seen.append(attention_weights(split_heads(cross.q(x), cross.n_head), k, mask))

        hooks = [block.cross.register_forward_hook(watch) for block in self.blocks]
        try:
            self.prefill(prompt, text, authors)
        finally:
            for hook in hooks:
                hook.remove()
        of_token = torch.cat(seen, 1)[0]  # (heads, T, S)
        group = torch.arange(len(prompt), device=prompt.device)[:, None].expand_as(prompt)[
            prompt <= self.config.word_id
        ]
        summed = of_token.new_zeros(len(of_token), len(prompt), of_token.shape[2]).index_add_(
            1, group, of_token
        )
        return summed / group.bincount(minlength=len(prompt))[:, None]

    def encode_text(self, text):
        """Character ids (B, S) -> per block the keys and values of the text, and its mask (B, 1, 1, S)."""
        encoded = self.text(text)
        return [block.cross.keys_and_values(encoded) for block in self.blocks], (text != 0)[
            :, None, None, :
        ]

    def forward(self, tokens, text=None, cache=None, lengths=None, authors=None):
        """Logits of the token after each.

        Without a cache: whole sequences. With one: the tokens (B, T) that follow those it has seen, of which the first
        `lengths` (B,) of each row are real (default: all); `text` is needed in the first call only. authors: (B,), None for nobody known.
        """
        B, T = tokens.shape
        if cache is None:
            text_kv, text_mask = self.encode_text(text)
            context = AttentionContext(torch.arange(T, device=tokens.device))
        else:
            if cache.text is None:
                cache.text, cache.text_mask = self.encode_text(text)
            text_kv, text_mask = cache.text, cache.text_mask
            positions = cache.length[:, None] + torch.arange(T, device=tokens.device)  # (B, T)
            context = AttentionContext(positions, cache=cache, mask=cache.mask(positions))
        x = self.tokens(tokens) + self.positions(context.positions)  # (B, T, C)
        x = x + (self.authors.weight[0] if authors is None else self.authors(authors)[:, None])
        for layer, block in enumerate(self.blocks):
            x = block(x, context, text_kv[layer], text_mask, layer)
        if cache is not None:
            cache.advance(T, lengths)
        return self.head(self.norm(x))


def token_loss(logits, targets, reduction="mean"):
    """Cross-entropy in nats per real token; targets of -100 are not scored."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)
