"""Encode the text that the ink attends to.

Shapes: B examples, S characters, Cc width. Character id 0 is padding.
"""

import unicodedata
from collections.abc import Container

import torch
from torch import nn

from cursivetransformer.models.model_config import ModelConfig

TEXT_KERNEL = 5  # characters that the convolution over the text sees at once


class TextEncoder(nn.Module):
    """Embed each character and its position in the text."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.n_embd_context
        self.chars = nn.Embedding(config.n_chars, width)
        self.positions = nn.Embedding(config.max_text, width)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Encode character ids (B, S) as vectors (B, S, Cc), which are zero in the padding."""
        x = self.chars(text) + self.positions(torch.arange(text.shape[1], device=text.device))
        return x * (text != 0).unsqueeze(-1).to(x.dtype)


class ConvolvedTextEncoder(TextEncoder):
    """Embed each character with its neighbors, on which the joins of a letter depend."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.n_embd_context
        self.convolution = nn.Conv1d(width, width, TEXT_KERNEL, padding=TEXT_KERNEL // 2)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Encode character ids (B, S) as vectors (B, S, Cc)."""
        x = super().forward(text)
        return x + self.convolution(x.transpose(1, 2)).transpose(1, 2)


def remap_character_rows(rows: torch.Tensor, before: str, after: str) -> torch.Tensor:
    """Rearrange a weight's rows for another alphabet.

    Row 0 is kept. A new character starts with the row of the most similar known one, or with the
    mean of all characters' rows.

    Args:
        rows: (1 + len(before), ...), a row for the padding and one for each character.
        before: alphabet of `rows`.
        after: alphabet of the result.

    Returns:
        (1 + len(after), ...)
    """
    index = {char: i for i, char in enumerate(before, 1)}
    mean = rows[1:].mean(0)
    remapped = [rows[0]]
    for char in after:
        similar = similar_character(char, index)
        remapped.append(mean if similar is None else rows[index[similar]])
    return torch.stack(remapped)


def similar_character(char: str, known: Container[str]) -> str | None:
    """Return `char`, its base letter (e for é) or its other case: the first that is known."""
    base_letter = unicodedata.normalize("NFD", char)[0]
    for candidate in (char, base_letter, char.swapcase()):
        if candidate in known:
            return candidate
    return None
