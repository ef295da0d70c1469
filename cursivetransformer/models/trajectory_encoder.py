"""Encode the state of the pen: its last offsets as numbers, and its place in the word.

With tokens alone, a model would have to add up hundreds of offsets itself.
Shapes: N positions, G slots (the tokens of an offset), C width, V vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cursivetransformer.models.model_config import ModelConfig

N_RECENT = 4  # offsets that a position sees as numbers
OFFSET_SCALE = 30.0  # scales an offset of a thirtieth of the canvas height to 1
# The pen's place is encoded as sines of this period, in canvas heights, and of its half, ...
MAX_PERIOD = 8.0
N_PERIODS = 8


@dataclass
class PenState:
    """The state of the pen at each of N positions.

    Attributes:
        recent: (N, N_RECENT, 3) last offsets (dx, dy, pen), the position's own first; zeros before
            the start of its example. dx and dy are in canvas heights, pen is 1 while it stays down.
        pen: (N, 2) place of the pen in its word, in canvas heights.
        words: (N,) number of words of its example before its own.
    """

    recent: torch.Tensor
    pen: torch.Tensor
    words: torch.Tensor

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "PenState":
        """Apply `function` to each tensor."""
        return PenState(function(self.recent), function(self.pen), function(self.words))


class TrajectoryEncoder(nn.Module):
    """Turn a `PenState` into vectors.

    Args:
        config: the model's shape.
        ink: (V, 4), see `Tokenizer.ink_table`.
        init_std: standard deviation of the weights at the start.
    """

    ink: torch.Tensor
    frequencies: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: ModelConfig, ink: np.ndarray, init_std: float) -> None:
        super().__init__()
        self.word_id = config.word_id
        self.features = nn.Linear(3 * N_RECENT + 4 * N_PERIODS, config.n_embd, bias=False)
        nn.init.normal_(self.features.weight, std=init_std)
        frequencies = 2 * math.pi / MAX_PERIOD * 2.0 ** torch.arange(N_PERIODS)
        scale = torch.tensor([OFFSET_SCALE, OFFSET_SCALE, 1.0])
        self.register_buffer("ink", torch.as_tensor(ink), persistent=False)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, pen_state: PenState) -> torch.Tensor:
        """Encode the state of the pen at N positions as (N, C)."""
        recent = (pen_state.recent * self.scale).flatten(1)
        angles = (pen_state.pen[..., None] * self.frequencies).flatten(1)
        return self.features(torch.cat([recent, angles.sin(), angles.cos()], dim=1))

    def compute_pen_states(
        self, tokens: torch.Tensor, position: torch.Tensor, word_start: torch.Tensor
    ) -> PenState:
        """Compute the state of the pen at all positions of examples that lie end to end.

        Args:
            tokens: (N, G) token ids.
            position: (N,) position in the example.
            word_start: (N,) index of the WORD of the position's word.
        """
        offsets = decode_offsets(self.ink, tokens)
        recent = [offsets]
        for n_back in range(1, N_RECENT):
            recent.append(offsets.roll(n_back, 0) * (position >= n_back)[:, None])
        path = offsets[:, :2].cumsum(0)
        words = (tokens[:, 0] == self.word_id).cumsum(0)
        example_start = torch.arange(len(position), device=position.device) - position
        return PenState(
            torch.stack(recent, 1), path - path[word_start], words - words[example_start]
        )

    def advance_pen_state(self, pen_state: PenState, tokens: torch.Tensor) -> PenState:
        """Compute the state of the pen after one more group of tokens (N, G)."""
        is_word = tokens[:, 0] == self.word_id
        offsets = decode_offsets(self.ink, tokens)
        return PenState(
            torch.cat([offsets[:, None], pen_state.recent[:, :-1]], 1),
            (pen_state.pen + offsets[:, :2]).masked_fill(is_word[:, None], 0),
            pen_state.words + is_word,
        )


def decode_offsets(ink: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Decode groups of tokens as offsets.

    The rows of `ink` add up to a direction u, a radius r and the pen; the offset is r u / |u|.

    Args:
        ink: (V, 4), see `Tokenizer.ink_table`.
        tokens: (N, G) token ids.

    Returns:
        (N, 3) offsets (dx, dy, pen), in canvas heights; zeros for a WORD.
    """
    unit_x, unit_y, r, pen = ink[tokens].sum(1).unbind(1)
    scale = r / (unit_x * unit_x + unit_y * unit_y).clamp(min=1e-12).sqrt()
    return torch.stack([unit_x * scale, unit_y * scale, pen], 1)
