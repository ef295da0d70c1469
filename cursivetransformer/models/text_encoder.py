"""Characters -> vectors that the ink attends to. Shapes: B examples, S characters, Cc width. Character id 0 is padding."""

import unicodedata

import torch
from torch import nn

TEXT_KERNEL = 5  # characters that the convolution over the text sees at once


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


def character_rows(rows, before, after):
    """Rows of a weight, the first and then one for each character of the alphabet `before` -> the same for the alphabet `after`.

    A new character begins as the one it is made from, as an é as an e, or as its small or capital letter, else as the mean of all.
    """
    places, mean, found = {char: i for i, char in enumerate(before, 1)}, rows[1:].mean(0), [rows[0]]
    for char in after:
        likeness = next(
            (
                like
                for like in (char, unicodedata.normalize("NFD", char)[0], char.swapcase())
                if like in places
            ),
            None,
        )
        found.append(mean if likeness is None else rows[places[likeness]])
    return torch.stack(found)
