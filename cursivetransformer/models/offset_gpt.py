"""A GPT with one position for each offset, whose tokens are predicted one after the other.

It learns much faster than `TokenGPT`. Does not depend on data sets or sampling.

Shapes: N positions that lie end to end (see `PackedBatch`), B examples, P positions of a prompt,
S characters of text, C width, H heads, D = C / H, V vocabulary, G slots (the tokens of an offset).

A position is a group of tokens: WORD and filling, or the tokens of one offset. It reads the
embeddings of its tokens and of its writer, and the state of the pen: the last offsets, and the
place in the word. Every block computes

    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), text)      in every second block
    x = x + mlp(norm(x))

with rotary positions (Su et al. 2021, arXiv:2104.09864), normalized queries and keys (Henry et al.
2020, arXiv:2010.04245), squared ReLU (So et al. 2021, arXiv:2109.08668), norms without gain, and
output projections that start at zero, so that a new block changes nothing. The first slot's logits
are linear in norm(x). A later slot's are linear in a small network of norm(x) and of the tokens
before it.

Cross-attention is rotary too, in places on paper instead of counted positions. A query is rotated
by the x of its pen. A key is rotated by the x where its character should stand, according to the
learned widths of the characters before it. So a head finds the letter that is being written by
its place, from the first step on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.data.dataset import IGNORE
from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.attention import (
    Attention,
    CachedAttention,
    KeysAndValues,
    KVCache,
    PackedAttention,
    RecordingAttention,
    VarlenAttention,
    apply_rope,
    norm,
    rope_cos_sin,
)
from cursivetransformer.models.base import Model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.text_encoder import ConvolvedTextEncoder
from cursivetransformer.models.trajectory_encoder import PenState, TrajectoryEncoder

EMBEDDING_INIT_STD = 0.2  # of all embeddings at the start
# Width of an MLP's hidden layer, in widths of the model. More learns no faster, and the memory
# traffic of the MLPs is a third of a step.
MLP_EXPANSION = 2
ROTARY_BASE = 10_000.0  # as published: periods from 2 pi to 2 pi times this many positions
# Periods of the rotations of cross-attention, in canvas heights.
MIN_TEXT_PERIOD = 0.25
MAX_TEXT_PERIOD = 16.0
# Canvas heights between two words in cross-attention. Each word starts at x = 0.
WORD_GAP = 4.0
# A character's width is exp(this times its weight) times the mean, so that it is learned slowly.
WIDTH_RATE = 0.1


class SquaredReLU(torch.autograd.Function):
    """relu(x)^2, with one pass over memory less than autograd would take."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Compute relu(x)^2."""
        y = F.relu(x)
        ctx.save_for_backward(y)
        return y * y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """Compute the gradient 2 relu(x) * gradient."""
        (y,) = ctx.saved_tensors
        return torch.mul(gradient, y).mul_(2)


class MLP(nn.Module):
    """C -> 2 C -> C with squared ReLU; its output starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, MLP_EXPANSION * width, bias=False)
        self.down = nn.Linear(MLP_EXPANSION * width, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., C) to (..., C)."""
        return self.down(SquaredReLU.apply(self.up(x)))


class OffsetBlock(nn.Module):
    """One block: self-attention, cross-attention in every second block, and an MLP.

    Args:
        config: the model's shape.
        layer: index of the block.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        C = config.n_embd
        self.layer = layer
        self.n_head, self.n_ctx_head = config.n_head, config.n_ctx_head
        self.qk = nn.Linear(C, 2 * C, bias=False)
        self.v = nn.Linear(C, C, bias=False)
        self.out = nn.Linear(C, C, bias=False)
        # The first block reads the ink alone, before any block reads the text.
        self.reads_text = layer % 2 == 1 or config.n_layer == 1
        if self.reads_text:
            self.text_q = nn.Linear(C, C, bias=False)
            self.text_kv = nn.Linear(config.n_embd_context, 2 * C, bias=False)
            self.text_out = nn.Linear(C, C, bias=False)
            nn.init.zeros_(self.text_out.weight)
        self.mlp = MLP(C)
        nn.init.zeros_(self.out.weight)

    def text_keys_and_values(self, text: torch.Tensor, cos_sin: torch.Tensor) -> KeysAndValues:
        """Compute the keys and values (B, H, S, D) of a text, in a block that reads it.

        Args:
            text: (B, S, Cc) encoded text.
            cos_sin: (B, S, D / 2, 2) rotations by the places of the characters.
        """
        k, v = (
            part.unflatten(-1, (self.n_ctx_head, -1)).transpose(1, 2)
            for part in self.text_kv(text).chunk(2, dim=-1)
        )
        return apply_rope(norm(k), cos_sin[:, None]), v

    def forward(
        self,
        x: torch.Tensor,
        attention: Attention,
        cos_sin: torch.Tensor,
        text_cos_sin: torch.Tensor,
    ) -> torch.Tensor:
        """Map (N, C) to (N, C).

        Args:
            x: (N, C)
            attention: attends to the past and the text of each position.
            cos_sin: (N, 1, D / 2, 2) rotations by position, for self-attention.
            text_cos_sin: (N, 1, D / 2, 2) rotations by the pen's x, for cross-attention.
        """
        h = norm(x)
        qk = self.qk(h).unflatten(-1, (2 * self.n_head, -1))  # (N, 2H, D)
        qk = apply_rope(norm(qk), cos_sin)
        x = x + self.out(attention.self_attend(self.layer, qk, self.v(h)))
        if self.reads_text:
            q = self.text_q(norm(x)).unflatten(-1, (self.n_ctx_head, -1))  # (N, H, D)
            q = apply_rope(norm(q), text_cos_sin)
            x = x + self.text_out(attention.cross_attend(self.layer, q))
        return x + self.mlp(norm(x))


class SlotHead(nn.Module):
    """The logits of a slot, given the hidden state and the tokens of the slots before it.

    Args:
        config: the model's shape.
        size: number of ids of the slot.
    """

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self.given = nn.Embedding(config.vocab_size, config.n_embd)
        self.mlp = MLP(config.n_embd)
        self.head = nn.Linear(config.n_embd, size, bias=False)

    def forward(self, hidden: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Compute the logits (N, size).

        Args:
            hidden: (N, C) normalized hidden states.
            before: (N, g) token ids of the g slots before.
        """
        x = hidden + self.given(before).sum(1)
        return self.head(norm(x + self.mlp(norm(x))))


@dataclass
class OffsetState:
    """The state of B rows that are being written.

    Attributes:
        cache: keys and values of the groups so far, and of the text.
        hidden: (B, C) normalized hidden states of the last whole group.
        group: (B,) tokens that were sampled since.
        pen_state: the state of the pen after the last whole group.
        authors: (B,) writers.
    """

    cache: KVCache
    hidden: torch.Tensor
    group: list[torch.Tensor]
    pen_state: PenState
    authors: torch.Tensor

    def select_rows(self, rows: torch.Tensor) -> None:
        """Keep only the rows of the index tensor `rows`."""
        self.cache.select_rows(rows)
        self.authors = self.authors[rows]
        self.hidden = self.hidden[rows]
        self.pen_state = self.pen_state.map(lambda tensor: tensor[rows])
        self.group = [token[rows] for token in self.group]

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors that a whole group replaces."""
        pen = self.pen_state
        return [self.hidden, pen.recent, pen.pen, pen.words]

    def set_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace the tensors that `tensors` returns, at the start of a group."""
        self.hidden, *pen = tensors
        self.pen_state = PenState(*pen)
        self.group = []


class OffsetGPT(Model):
    """Predict the next group of tokens from those before it and from the text.

    Args:
        config: the model's shape.
        ink: (V, 4), see `Tokenizer.ink_table`.
    """

    fills_words = True  # a WORD takes a whole group, its unused slots filled with PAD
    bounded = False  # positions are rotations, so the context has no end

    rope_frequencies: torch.Tensor
    text_rope_frequencies: torch.Tensor

    def __init__(self, config: ModelConfig, ink: np.ndarray) -> None:
        super().__init__()
        self.config = config
        C, sizes = config.n_embd, config.slot_sizes
        self.n_slots = len(sizes)
        # The first id of each slot, then WORD.
        self.slot_starts = [sum(sizes[:slot]) for slot in range(len(sizes) + 1)]
        self.tokens = nn.Embedding(config.vocab_size, C)
        self.trajectory_encoder = TrajectoryEncoder(config, ink, EMBEDDING_INIT_STD)
        self.text = ConvolvedTextEncoder(config)
        self.widths = nn.Parameter(torch.zeros(config.n_chars))
        self.blocks = nn.ModuleList(OffsetBlock(config, layer) for layer in range(config.n_layer))
        # WORD and END may stand in the first slot.
        self.head = nn.Linear(C, sizes[0] + 2, bias=False)
        self.slot_heads = nn.ModuleList(SlotHead(config, size) for size in sizes[1:])
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_INIT_STD)
        # At the start all writers are alike.
        self.authors = nn.Embedding.from_pretrained(
            torch.zeros(1 + len(config.authors), C), freeze=False
        )
        # At the start all tokens of a slot are equally likely.
        nn.init.zeros_(self.head.weight)
        for slot_head in self._slot_heads():
            nn.init.zeros_(slot_head.head.weight)
        frequencies = rope_frequencies(C // config.n_head // 2)
        text_frequencies = text_rope_frequencies(C // config.n_ctx_head // 2)
        self.register_buffer("rope_frequencies", frequencies, persistent=False)
        self.register_buffer("text_rope_frequencies", text_frequencies, persistent=False)

    def nll(
        self, packed: PackedBatch, width: int | None = None, varlen: bool = False
    ) -> torch.Tensor:
        text, text_mask = self._encode_text(packed.text)
        attention: Attention
        if varlen:
            attention = VarlenAttention(packed, text, text_mask)
        else:
            attention = PackedAttention(packed, text, text_mask, width)
        pen_state = self.trajectory_encoder.compute_pen_states(
            packed.tokens, packed.position, packed.word_start
        )
        # Positions of no example have the index B, and so the padding 0 as their author.
        authors = F.pad(packed.authors, (0, 1))[packed.example]
        hidden = self._trunk(packed.tokens, packed.position, attention, pen_state, authors)
        losses = [self._slot_nll(slot, hidden, packed.targets) for slot in range(self.n_slots)]
        return sum(losses[1:], losses[0])

    @torch.no_grad()
    def prefill(
        self,
        prompt: torch.Tensor,
        text: torch.Tensor,
        authors: torch.Tensor | None = None,
        capacity: int = 0,
    ) -> tuple[OffsetState, torch.Tensor]:
        cache = self._new_cache(text, len(prompt) + capacity)
        state = self._read_prompt(prompt, authors, CachedAttention(cache, len(prompt)))
        return state, self._token_logits(state)

    @torch.no_grad()
    def decode_one_token(self, state: OffsetState, token: torch.Tensor) -> torch.Tensor:
        state.group.append(token)
        if len(state.group) == self.n_slots:
            self._append_group(state, torch.stack(state.group, 1))
            state.group = []
        return self._token_logits(state)

    @torch.no_grad()
    def cross_attention_weights(
        self, prompt: torch.Tensor, text: torch.Tensor, authors: torch.Tensor
    ) -> torch.Tensor:
        attention = RecordingAttention(self._new_cache(text, len(prompt)), len(prompt))
        self._read_prompt(prompt, authors, attention)
        return torch.cat(attention.cross_attention_weights, 1)[0]

    def hidden_matrices(self) -> list[nn.Parameter]:
        hidden = (self.blocks, *(slot_head.mlp for slot_head in self._slot_heads()))
        return [p for module in hidden for p in module.parameters() if p.ndim == 2]

    def _trunk(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        attention: Attention,
        pen_state: PenState,
        authors: torch.Tensor,
    ) -> torch.Tensor:
        """Compute the normalized hidden states (N, C).

        Args:
            tokens: (N, G) token ids.
            positions: (N,) position in the example.
            attention: attends to the past and the text of each position.
            pen_state: the state of the pen at each position.
            authors: (N,) writers.
        """
        x = self.tokens(tokens).sum(1) + self.trajectory_encoder(pen_state) + self.authors(authors)
        cos_sin = rope_cos_sin(positions, self.rope_frequencies)[:, None]
        places = pen_state.pen[:, 0] + WORD_GAP * pen_state.words
        text_cos_sin = rope_cos_sin(places, self.text_rope_frequencies)[:, None]
        for block in self.blocks:
            x = block(x, attention, cos_sin, text_cos_sin)
        return norm(x)

    def _slot_nll(self, slot: int, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum the cross-entropies of a slot over positions, with `targets` (N, G)."""
        before = targets[:, :slot].clamp(min=0)
        logits = self._slot_logits(slot, hidden, before)
        local_targets = to_slot_ids(targets[:, slot], slot, self.slot_starts)
        return F.cross_entropy(logits.float(), local_targets, reduction="sum")

    def _slot_logits(
        self, slot: int, hidden: torch.Tensor, before: torch.Tensor | None
    ) -> torch.Tensor:
        """Compute the logits of a slot, (N, ids of the slot).

        Args:
            slot: index of the slot.
            hidden: (N, C) normalized hidden states.
            before: (N, slot) tokens of the slots before; slot 0 ignores them.
        """
        if slot == 0:
            return self.head(hidden)
        return self.slot_heads[slot - 1](hidden, before)

    def _token_logits(self, state: OffsetState) -> torch.Tensor:
        """Compute the logits (B, V) of the next token of each row.

        They are -inf for ids that cannot stand in its slot, and 0 for PAD in a later slot, where
        PAD fills a WORD's group.
        """
        slot = len(state.group)
        before = torch.stack(state.group, 1) if state.group else None
        local = self._slot_logits(slot, state.hidden, before).float()
        logits = local.new_full((len(local), self.config.vocab_size), -torch.inf)
        start, stop = self.slot_starts[slot : slot + 2]
        size, word_id = stop - start, self.config.word_id
        logits[:, start:stop] = local[:, :size]
        if slot == 0:
            logits[:, word_id : word_id + 2] = local[:, size:]  # WORD and END
        else:
            logits[:, word_id + 2] = 0  # PAD
        return logits

    def _new_cache(self, text: torch.Tensor, capacity: int) -> KVCache:
        """Make a cache that holds the text (B, S) and has room for `capacity` positions."""
        cache = KVCache(self.config, len(text), capacity, text.device)
        cache.text, cache.text_mask = self._encode_text(text)
        return cache

    def _read_prompt(
        self, prompt: torch.Tensor, authors: torch.Tensor | None, attention: CachedAttention
    ) -> OffsetState:
        """Read the prompt (P, G) into each of B rows of a new cache, that of `attention`."""
        cache = attention.cache
        B, P, device = len(cache.length), len(prompt), prompt.device
        if authors is None:
            authors = torch.zeros(B, dtype=torch.long, device=cache.length.device)
        positions = torch.arange(P, device=device)
        is_word = prompt[:, 0] == self.config.word_id
        word_start = torch.where(is_word, positions, 0).cummax(0).values
        pen_state = self.trajectory_encoder.compute_pen_states(prompt, positions, word_start)
        hidden = self._trunk(
            tile(prompt, B),
            tile(positions, B),
            attention,
            pen_state.map(lambda tensor: tile(tensor, B)),
            authors.repeat_interleave(P),
        )
        cache.advance(P)
        last_hidden = hidden.view(B, P, -1)[:, -1]
        last_pen_state = pen_state.map(lambda tensor: tile(tensor[-1:], B))
        return OffsetState(cache, last_hidden, [], last_pen_state, authors)

    def _append_group(self, state: OffsetState, tokens: torch.Tensor) -> None:
        """Append a whole group (B, G) to each row."""
        state.pen_state = self.trajectory_encoder.advance_pen_state(state.pen_state, tokens)
        attention = CachedAttention(state.cache, 1)
        state.hidden = self._trunk(
            tokens, attention.positions[:, 0], attention, state.pen_state, state.authors
        )
        state.cache.advance(1)

    def _encode_text(self, text: torch.Tensor) -> tuple[dict[int, KeysAndValues], torch.Tensor]:
        """Encode character ids (B, S).

        Returns:
            The keys and values of each layer that reads the text, and the mask (B, 1, 1, S).
        """
        encoded = self.text(text)
        centers = self._character_centers(text)
        cos_sin = rope_cos_sin(centers, self.text_rope_frequencies)
        keys_and_values = {
            block.layer: block.text_keys_and_values(encoded, cos_sin)
            for block in cast("list[OffsetBlock]", self.blocks)
            if block.reads_text
        }
        return keys_and_values, (text != 0)[:, None, None, :]

    def _character_centers(self, text: torch.Tensor) -> torch.Tensor:
        """Return the x of each character of `text` (B, S), see `character_centers`."""
        widths = self.config.mean_width * torch.exp(WIDTH_RATE * self.widths[text])
        return character_centers(widths, text == self.config.space_id)

    def _slot_heads(self) -> "list[SlotHead]":
        return cast("list[SlotHead]", self.slot_heads)


def rope_frequencies(n_pairs: int) -> torch.Tensor:
    """Return the frequencies ROTARY_BASE^(-i / n_pairs) of self-attention, (n_pairs,)."""
    return ROTARY_BASE ** -torch.linspace(0, 1, n_pairs + 1)[:-1]


def text_rope_frequencies(n_pairs: int) -> torch.Tensor:
    """Return the frequencies of cross-attention, (n_pairs,), in radians per canvas height.

    Their periods grow geometrically from MIN_TEXT_PERIOD to MAX_TEXT_PERIOD.
    """
    growth = MAX_TEXT_PERIOD / MIN_TEXT_PERIOD
    periods = MIN_TEXT_PERIOD * growth ** torch.linspace(0, 1, n_pairs)
    return 2 * math.pi / periods


def character_centers(widths: torch.Tensor, is_space: torch.Tensor) -> torch.Tensor:
    """Compute the x where the middle of each character should stand.

    Every word starts at x = 0, plus WORD_GAP for each word before it. A space stands after the
    last letter of its word. The pen finds it there when the word is written. Nothing else says
    that a word of one letter is over, since attention to a single key cannot tell before from
    after.

    Args:
        widths: (B, S) widths of the characters, in canvas heights.
        is_space: (B, S) which characters are spaces.

    Returns:
        (B, S), in canvas heights.
    """
    ends = widths.cumsum(1)
    words_before = is_space.cumsum(1) - is_space.long()
    word_start = F.pad(torch.where(is_space, ends, 0).cummax(1).values[:, :-1], (1, 0))
    return ends - widths / 2 - word_start + WORD_GAP * words_before


def to_slot_ids(tokens: torch.Tensor, slot: int, slot_starts: list[int]) -> torch.Tensor:
    """Convert token ids (N,) to indices of a slot's logits; ids below 0 are not scored.

    In the logits WORD and END follow the first slot's ids. In the vocabulary they follow the last
    slot's.
    """
    word_id, first_size = slot_starts[-1], slot_starts[1]
    ids = torch.where(tokens >= word_id, tokens - word_id + first_size, tokens - slot_starts[slot])
    return ids.masked_fill(tokens < 0, IGNORE)


def tile(x: torch.Tensor, n: int) -> torch.Tensor:
    """Repeat (N, ...) as a whole `n` times, as (n N, ...)."""
    return x.repeat(n, *(1,) * (x.ndim - 1))
