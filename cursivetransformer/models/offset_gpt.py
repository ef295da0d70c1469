"""The fast learner: a GPT with one position for each offset, whose tokens are predicted one after the other.

Knows no dataset and no sampling. Shapes in the comments: N positions, lying end to end (see `packing.PackedBatch`), B examples,
S characters of text, C width, H heads, D = C / H, V vocabulary, G slots (the tokens of an offset).

A position reads the embeddings of its tokens and of its writer, and what its pen does: the last offsets, and where in its word
it stands.
Every block reads

    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), text)      in every second block
    x = x + mlp(norm(x))

with rotary positions (Su et al. 2021, arXiv:2104.09864), normalised queries and keys (Henry et al. 2020, arXiv:2010.04245),
squared ReLU (So et al. 2021, arXiv:2109.08668), norms without gain, and output projections that start at zero, so that a new
block changes nothing. The first slot's logits are linear in norm(x); a later slot's are linear in a small network of norm(x)
and the tokens before it.

Cross-attention is rotary too, not in counted positions but on paper: a query is turned by the x of its pen, a key by the x
at which its character should stand by the learnt widths of those before it. So a head finds the letter that is being
written by where it is, from the first step on.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.models.attention import (
    CachedAttention,
    KVCache,
    PackedAttention,
    RecordingAttention,
    norm,
    rope_cos_sin,
)
from cursivetransformer.models.offset_block import OffsetBlock, SlotHead
from cursivetransformer.models.text_encoder import ConvolvedTextEncoder
from cursivetransformer.models.trajectory_encoder import (
    PenState,
    TrajectoryEncoder,
    repeat,
)

EMBEDDING_INIT_STD = 0.2  # of all embeddings at the start
ROTARY_BASE = 10_000.0  # as published: periods from 2 pi to 2 pi times this many positions
TEXT_PERIODS = (
    0.25,
    16.0,
)  # canvas heights: shortest and longest period of the turns of cross-attention
WORD_GAP = (
    4.0  # canvas heights that cross-attention sees between two words, each of which starts at x = 0
)
WIDTH_RATE = 0.1  # a character's width is exp(this times its weight) times the mean, so that it is learnt slowly


@dataclass
class WritingState:
    """Where B rows that are being written stand. hidden: (B, C) of the last whole group; group: tokens (B,) drawn since;
    pen_state: of the last position; authors: (B,)."""

    cache: KVCache
    hidden: torch.Tensor
    group: list
    pen_state: PenState
    authors: torch.Tensor

    def select_rows(self, rows):
        """Forget all rows but those of the index tensor `rows`."""
        self.cache.select_rows(rows)
        self.authors = self.authors[rows]
        self.hidden, self.pen_state = (
            self.hidden[rows],
            self.pen_state.map(lambda tensor: tensor[rows]),
        )
        self.group = [token[rows] for token in self.group]


class OffsetGPT(nn.Module):
    """Groups of tokens and text in, logits of the next group's tokens out. `ink`: (V, 4), see `Tokenizer.ink_table`."""

    fills_words = True  # a WORD takes a whole group, its unused slots filled with PAD
    bounded = False  # positions are turns, and have no end

    def __init__(self, config, ink):
        super().__init__()
        self.config = config
        C, sizes = config.n_embd, config.slot_sizes
        self.tokens = nn.Embedding(config.vocab_size, C)
        self.trajectory_encoder = TrajectoryEncoder(config, ink, EMBEDDING_INIT_STD)
        self.text = ConvolvedTextEncoder(config)
        self.widths = nn.Parameter(torch.zeros(config.n_chars))
        self.blocks = nn.ModuleList(OffsetBlock(config, layer) for layer in range(config.n_layer))
        self.head = nn.Linear(
            C, sizes[0] + 2, bias=False
        )  # WORD and END may take the first slot's place
        self.later = nn.ModuleList(SlotHead(config, size) for size in sizes[1:])
        self.starts = [
            sum(sizes[:slot]) for slot in range(len(sizes) + 1)
        ]  # first id of each slot, then WORD
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_INIT_STD)
        # At the start nobody's hand is told from another's.
        self.authors = nn.Embedding.from_pretrained(
            torch.zeros(1 + len(config.authors), C), freeze=False
        )
        for head in (self.head, *(slot.head for slot in self.later)):
            nn.init.zeros_(head.weight)  # the first loss is that of guessing
        rope_frequencies = ROTARY_BASE ** -torch.linspace(0, 1, C // config.n_head // 2 + 1)[:-1]
        self.register_buffer("rope_frequencies", rope_frequencies, persistent=False)
        short, long = TEXT_PERIODS
        periods = short * (long / short) ** torch.linspace(0, 1, C // config.n_ctx_head // 2)
        self.register_buffer("text_rope_frequencies", 2 * math.pi / periods, persistent=False)

    @property
    def n_parameters(self):
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())

    def hidden_matrices(self):
        """The matrices between two hidden layers, for an optimizer that treats them apart."""
        inner = (self.blocks, *(slot.mlp for slot in self.later))
        return [p for module in inner for p in module.parameters() if p.ndim == 2]

    def nll(self, packed, width=None):
        """Sum of the cross-entropies of all scored tokens. width: see `PackedAttention`."""
        context = PackedAttention(packed, *self._encode_text(packed.text), width)
        pen_state = self.trajectory_encoder.pen_states(
            packed.tokens, packed.position, packed.word_start
        )
        authors = F.pad(packed.authors, (0, 1))[packed.example]
        x = self._trunk(packed.tokens, packed.position, context, pen_state, authors)
        nll = 0
        for slot in range(len(self.starts) - 1):
            targets = packed.targets[:, slot]
            # END and WORD follow the first slot's ids in its logits, but the last slot's in the vocabulary.
            local = torch.where(
                targets >= self.starts[-1],
                targets - self.starts[-1] + self.starts[1],
                targets - self.starts[slot],
            )
            local = local.masked_fill(targets < 0, -100)
            logits = self._slot_logits(slot, x, packed.targets[:, :slot].clamp(min=0))
            nll = nll + F.cross_entropy(logits.float(), local, reduction="sum")
        return nll

    @torch.no_grad()
    def prefill(self, prompt, text, authors=None, capacity=0, attention=CachedAttention):
        """Start to write. prompt: (P, G) groups that every row starts with, WORD first; text: (B, S); authors: (B,), None for nobody
        known; room: positions to make place for. Returns a `WritingState` and the logits (B, V) of the first token to draw."""
        B, P = len(text), len(prompt)
        at = torch.arange(P, device=prompt.device)
        word_start = torch.where(prompt[:, 0] == self.starts[-1], at, 0).cummax(0).values
        pen_state = self.trajectory_encoder.pen_states(prompt, at, word_start)
        cache = KVCache(self.config, B, P + capacity, text.device)
        cache.text, cache.text_mask = self._encode_text(text)
        authors = (
            torch.zeros(B, dtype=torch.long, device=text.device) if authors is None else authors
        )
        x = self._trunk(
            repeat(prompt, B),
            repeat(at, B),
            attention(cache, P),
            pen_state.map(lambda tensor: repeat(tensor, B)),
            authors.repeat_interleave(P),
        )
        cache.advance(P)
        state = WritingState(
            cache,
            x.view(B, P, -1)[:, -1],
            [],
            pen_state.map(lambda tensor: repeat(tensor[-1:], B)),
            authors,
        )
        return state, self._all_logits(0, state.hidden, [])

    def cross_attention_weights(self, prompt, text, authors):
        """(heads, P, S) how much each group of `prompt` (P, G) looks at each character of text (1, S), in each head of every block that
        reads the text. From what a position sees the next group is predicted."""
        places = []

        def watched(cache, n_positions):
            places.append(RecordingAttention(cache, n_positions))
            return places[-1]

        self.prefill(prompt, text, authors, attention=watched)
        return torch.cat(places[0].cross_attention_weights, 1)[0]

    @torch.no_grad()
    def decode_one_token(self, state, token):
        """Take the token (B,) that was drawn for each row; returns the logits (B, V) of the one after it."""
        state.group.append(token)
        if len(state.group) == len(self.starts) - 1:
            self._take_group(state, torch.stack(state.group, 1))
            state.group = []
        return self._all_logits(len(state.group), state.hidden, state.group)

    def _take_group(self, state, tokens):
        """One more group (B, G) in each row."""
        state.pen_state = self.trajectory_encoder.step(state.pen_state, tokens)
        context = CachedAttention(state.cache, 1)
        state.hidden = self._trunk(
            tokens, context.positions[:, 0], context, state.pen_state, state.authors
        )
        state.cache.advance(1)

    def _trunk(self, tokens, at, context, pen_state, authors):
        """tokens: (N, G); at: (N,) positions in their example; track: theirs; authors: (N,). Returns (N, C), normalised."""
        x = self.tokens(tokens).sum(1) + self.trajectory_encoder(pen_state) + self.authors(authors)
        cos_sin = rope_cos_sin(at, self.rope_frequencies)[:, None]
        text_cos_sin = rope_cos_sin(
            pen_state.pen[:, 0] + WORD_GAP * pen_state.words, self.text_rope_frequencies
        )[:, None]
        for block in self.blocks:
            x = block(x, context, cos_sin, text_cos_sin)
        return norm(x)

    def _slot_logits(self, slot, hidden, before):
        return self.head(hidden) if slot == 0 else self.later[slot - 1](hidden, before)

    def _all_logits(self, slot, hidden, group):
        """(B, V) logits of the next token; ids that cannot stand in its slot have -inf, PAD in a later slot has 0."""
        local = self._slot_logits(slot, hidden, torch.stack(group, 1) if group else None).float()
        logits = local.new_full((len(local), self.config.vocab_size), -torch.inf)
        start, stop = self.starts[slot : slot + 2]
        logits[:, start:stop] = local[:, : stop - start]
        if slot == 0:
            logits[:, self.starts[-1] : self.starts[-1] + 2] = local[:, stop - start :]
        else:
            logits[:, self.starts[-1] + 2] = 0
        return logits

    def _encode_text(self, text):
        """(B, S) character ids -> per block keys and values or None, and the mask (B, 1, 1, S)."""
        encoded = self.text(text)
        cos_sin = rope_cos_sin(self._char_places(text), self.text_rope_frequencies)
        return [block.text_keys_and_values(encoded, cos_sin) for block in self.blocks], (text != 0)[
            :, None, None, :
        ]

    def _char_places(self, text):
        """(B, S) character ids -> (B, S) the x at which the middle of each character should stand, in canvas heights."""
        width = self.config.mean_width * torch.exp(WIDTH_RATE * self.widths[text])
        space = text == self.config.space_id
        ends = width.cumsum(1)
        # A space stands behind the last letter of its word. There a pen that has written all finds it, and nothing else says that a
        # word of one letter is over: attention to a single key cannot tell before from behind.
        words = space.cumsum(1) - space.long()
        word_start = F.pad(torch.where(space, ends, 0).cummax(1).values[:, :-1], (1, 0))
        return ends - width / 2 - word_start + WORD_GAP * words
