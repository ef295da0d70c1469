"""The published model: a GPT with one position for each token, and cross-attention to the text.

Does not depend on data sets, tokenizers or sampling. The caller owns the cache.

Shapes: B examples, T tokens, P groups of a prompt, G slots (the tokens of an offset),
S characters of text, C width, H heads, D = C / H, V vocabulary.

Every block computes

    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), text)
    x = x + mlp(norm(x))
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.data.packing import PackedBatch, as_rows, row_lengths
from cursivetransformer.models.attention import (
    AttentionContext,
    CrossAttention,
    KeysAndValues,
    KVCache,
    SelfAttention,
    attention_weights,
    split_heads,
)
from cursivetransformer.models.base import Model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.text_encoder import TextEncoder

INIT_STD = 0.02  # of the weights at the start, as in GPT-2


class TokenBlock(nn.Module):
    """One block: self-attention, cross-attention and an MLP, with LayerNorm and GELU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        C = config.n_embd
        self.norms = nn.ModuleList(nn.LayerNorm(C) for _ in range(3))
        self.attention = SelfAttention(config)
        self.cross = CrossAttention(config)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(
        self,
        x: torch.Tensor,
        context: AttentionContext,
        text_kv: KeysAndValues,
        text_mask: torch.Tensor,
        layer: int,
    ) -> torch.Tensor:
        """Map (B, T, C) to (B, T, C).

        Args:
            x: (B, T, C)
            context: the positions of the tokens, and the cache.
            text_kv: the text's keys and values for this block.
            text_mask: (B, 1, 1, S) which characters may be attended to.
            layer: index of the block.
        """
        x = x + self.attention(self.norms[0](x), context, layer)
        x = x + self.cross(self.norms[1](x), text_kv, text_mask)
        return x + self.mlp(self.norms[2](x))


@dataclass
class TokenState:
    """The state of B rows that are being written.

    Attributes:
        cache: keys and values of the tokens so far, and of the text.
        authors: (B,) writers.
    """

    cache: KVCache
    authors: torch.Tensor

    def select_rows(self, rows: torch.Tensor) -> None:
        """Keep only the rows of the index tensor `rows`."""
        self.authors = self.authors[rows]
        self.cache.select_rows(rows)

    def tensors(self) -> list[torch.Tensor]:
        """Return no tensors: all that changes is in the cache."""
        return []

    def set_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace no tensors."""


class TokenGPT(Model):
    """Predict the next token from those before it and from the text."""

    fills_words = False  # a WORD is one position, like any token
    bounded = True  # its learned positions end with the context

    def __init__(self, config: ModelConfig) -> None:
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
        # At the start all writers are alike.
        self.authors = nn.Embedding.from_pretrained(
            torch.zeros(1 + len(config.authors), config.n_embd), freeze=False
        )
        # GPT-2: the residual branches add up, so each starts smaller.
        residual_std = INIT_STD / math.sqrt(3 * config.n_layer)
        for block in self._token_blocks():
            mlp_out = cast(nn.Linear, block.mlp[2])
            for projection in (block.attention.out, block.cross.out, mlp_out):
                nn.init.normal_(projection.weight, std=residual_std)

    def forward(
        self,
        tokens: torch.Tensor,
        text: torch.Tensor | None = None,
        cache: KVCache | None = None,
        lengths: torch.Tensor | None = None,
        authors: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the logits (B, T, V) of the token after each.

        Args:
            tokens: (B, T) whole sequences; with a cache, the tokens that follow those it has seen.
            text: (B, S) character ids, 0 in the padding. With a cache only the first call needs it.
            cache: keys and values of the tokens before, or None.
            lengths: (B,) how many of the tokens are real, the first ones of the row; None if all
                are. Needs a cache.
            authors: (B,) writers, or None for no known one.
        """
        n_tokens = tokens.shape[1]
        text_kv, text_mask = self._text_or_cached(text, cache)
        positions = torch.arange(n_tokens, device=tokens.device)
        if cache is None:
            context = AttentionContext(positions)
        else:
            positions = cache.length[:, None] + positions  # (B, T)
            context = AttentionContext(positions, cache=cache, mask=cache.mask(positions))
        x = self.tokens(tokens) + self.positions(context.positions)  # (B, T, C)
        x = x + (self.authors.weight[0] if authors is None else self.authors(authors)[:, None])
        for layer, block in enumerate(self.blocks):
            x = block(x, context, text_kv[layer], text_mask, layer)
        if cache is not None:
            cache.advance(n_tokens, lengths)
        return self.head(self.norm(x))

    def nll(
        self, packed: PackedBatch, width: int | None = None, varlen: bool = False
    ) -> torch.Tensor:
        """See `Model.nll`; each example becomes a padded row."""
        if width is None:
            n_tokens = int(row_lengths(packed).max())
        else:
            n_tokens = min(len(self.config.slot_sizes) * width, self.config.max_length)
        tokens, targets = as_rows(packed, self.config.word_id, n_tokens)
        return token_loss(self(tokens, packed.text, authors=packed.authors), targets, "sum")

    @torch.no_grad()
    def prefill(
        self,
        prompt: torch.Tensor,
        text: torch.Tensor,
        authors: torch.Tensor | None = None,
        capacity: int = 0,
    ) -> tuple[TokenState, torch.Tensor]:
        B, G = len(text), prompt.shape[1]
        tokens = prompt[prompt <= self.config.word_id]  # without the filling
        cache = KVCache(self.config, B, len(tokens) + capacity * G, text.device)
        if authors is None:
            authors = torch.zeros(B, dtype=torch.long, device=text.device)
        logits = self(tokens.repeat(B, 1), text, cache, authors=authors)[:, -1]
        return TokenState(cache, authors), logits

    @torch.no_grad()
    def decode_one_token(self, state: TokenState, token: torch.Tensor) -> torch.Tensor:
        return self(token[:, None], cache=state.cache, authors=state.authors)[:, -1]

    @torch.no_grad()
    def cross_attention_weights(
        self, prompt: torch.Tensor, text: torch.Tensor, authors: torch.Tensor
    ) -> torch.Tensor:
        """See `Model.cross_attention_weights`; a group's weights are the mean over its tokens."""
        recorded = []

        def record(cross: CrossAttention, arguments: tuple[Any, ...], _: torch.Tensor) -> None:
            x, (k, _values), mask = arguments
            q = split_heads(cross.q(x), cross.n_head)
            recorded.append(attention_weights(q, k, mask))

        hooks = [block.cross.register_forward_hook(record) for block in self._token_blocks()]
        try:
            self.prefill(prompt, text, authors)
        finally:
            for hook in hooks:
                hook.remove()
        weights = torch.cat(recorded, 1)[0]  # (heads, T, S)
        groups = torch.arange(len(prompt), device=prompt.device)[:, None].expand_as(prompt)
        group = groups[prompt <= self.config.word_id]  # (T,) the group of each token
        sums = weights.new_zeros(len(weights), len(prompt), weights.shape[2])
        sums.index_add_(1, group, weights)
        return sums / group.bincount(minlength=len(prompt))[:, None]

    def hidden_matrices(self) -> list[nn.Parameter]:
        return [p for p in self.blocks.parameters() if p.ndim == 2]

    def _text_or_cached(
        self, text: torch.Tensor | None, cache: KVCache | None
    ) -> tuple[dict[int, KeysAndValues], torch.Tensor]:
        """Return the text's keys and values by layer and its mask, from the cache if it has them.

        A new cache keeps them.
        """
        if cache is not None and cache.text:
            return cache.text, cache.text_mask
        if text is None:
            raise ValueError("the first call needs the text")
        text_kv, text_mask = self._encode_text(text)
        if cache is not None:
            cache.text, cache.text_mask = text_kv, text_mask
        return text_kv, text_mask

    def _encode_text(self, text: torch.Tensor) -> tuple[dict[int, KeysAndValues], torch.Tensor]:
        """Encode character ids (B, S): keys and values by layer, and the mask (B, 1, 1, S)."""
        encoded = self.text(text)
        keys_and_values = {
            layer: block.cross.keys_and_values(encoded)
            for layer, block in enumerate(self._token_blocks())
        }
        return keys_and_values, (text != 0)[:, None, None, :]

    def _token_blocks(self) -> "list[TokenBlock]":
        return cast("list[TokenBlock]", self.blocks)


def token_loss(
    logits: torch.Tensor, targets: torch.Tensor, reduction: str = "mean"
) -> torch.Tensor:
    """Compute the cross-entropy of tokens, in nats; targets of IGNORE are not scored.

    Args:
        logits: (B, T, V)
        targets: (B, T) token ids.
        reduction: "mean" over the scored tokens, or "sum".
    """
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction=reduction)
