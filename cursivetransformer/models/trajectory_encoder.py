"""What the pen has done, as a model reads it: the last offsets as numbers, and where in its word the pen stands.

Tokens alone would leave a model to add up hundreds of offsets in its head. Shapes: N positions, G slots, C width.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

RECENT = 4  # offsets that a position sees as numbers
OFFSET_SCALE = 30.0  # makes an offset of a thirtieth of the canvas height 1
LONGEST_PERIOD, PERIODS = (
    8.0,
    8,
)  # canvas heights: the pen's place is read as sines of this period, its half, ...


@dataclass
class PenState:
    """How the pen came to each of N positions. recent: (N, RECENT, 3) offsets, the position's own first, zeros before its
    example; pen: (N, 2) place in the word, in canvas heights; words: (N,) how many words of its example lie before its own."""

    recent: torch.Tensor
    pen: torch.Tensor
    words: torch.Tensor

    def map(self, change):
        """The track whose tensors are `change` of this one's."""
        return PenState(*(change(tensor) for tensor in vars(self).values()))


def repeat(x, n):
    """(N, ...) -> (n N, ...), the whole n times over."""
    return x.repeat(n, *(1,) * (x.ndim - 1))


class TrajectoryEncoder(nn.Module):
    """Tracks -> (N, C). ink: (V, 4), see `Tokenizer.ink_table`."""

    def __init__(self, config, ink, init_std):
        super().__init__()
        self.word_id = config.word_id
        self.features = nn.Linear(3 * RECENT + 4 * PERIODS, config.n_embd, bias=False)
        nn.init.normal_(self.features.weight, std=init_std)
        self.register_buffer("ink", torch.as_tensor(ink), persistent=False)
        self.register_buffer(
            "frequencies",
            2 * math.pi / LONGEST_PERIOD * 2.0 ** torch.arange(PERIODS),
            persistent=False,
        )
        self.register_buffer(
            "scale", torch.tensor([OFFSET_SCALE, OFFSET_SCALE, 1.0]), persistent=False
        )

    def forward(self, pen_state):
        angles = (pen_state.pen[..., None] * self.frequencies).flatten(1)
        return self.features(
            torch.cat(
                [(pen_state.recent * self.scale).flatten(1), angles.sin(), angles.cos()], dim=1
            )
        )

    def pen_states(self, tokens, at, word_start):
        """The `PenState` of whole examples that lie end to end. tokens: (N, G); at: (N,) positions in their example; word_start:
        (N,) index of the WORD of each position's word."""
        offsets = self._offsets(tokens)
        recent = [offsets] + [
            offsets.roll(back, 0) * (at >= back)[:, None] for back in range(1, RECENT)
        ]
        path = offsets[:, :2].cumsum(0)
        words = (tokens[:, 0] == self.word_id).cumsum(0)
        first = torch.arange(len(at), device=at.device) - at
        return PenState(torch.stack(recent, 1), path - path[word_start], words - words[first])

    def step(self, pen_state, tokens):
        """The track after one more group (N, G) at each of its positions."""
        is_word = tokens[:, 0] == self.word_id
        offsets = self._offsets(tokens)
        return PenState(
            torch.cat([offsets[:, None], pen_state.recent[:, :-1]], 1),
            (pen_state.pen + offsets[:, :2]).masked_fill(is_word[:, None], 0),
            pen_state.words + is_word,
        )

    def _offsets(self, tokens):
        """(N, G) tokens -> (N, 3) offsets as they are decoded; zeros for WORD."""
        unit_x, unit_y, r, pen = self.ink[tokens].sum(1).unbind(1)
        scale = r / (unit_x * unit_x + unit_y * unit_y).clamp(min=1e-12).sqrt()
        return torch.stack([unit_x * scale, unit_y * scale, pen], 1)
