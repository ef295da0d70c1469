"""What training and sampling need of a model.

Shapes: B examples, P groups of a prompt, G slots (the tokens of an offset), S characters of text,
V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.attention import KVCache
from cursivetransformer.models.model_config import ModelConfig


class DecodingState(Protocol):
    """The state of B rows that are being written.

    cache: keys and values of what they have seen.
    """

    cache: KVCache

    def select_rows(self, rows: torch.Tensor) -> None:
        """Keep only the rows of the index tensor `rows`."""

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors that a whole group replaces; those of the cache change in place."""

    def set_tensors(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace the tensors that `tensors` returns, at the start of a group."""


class Model(nn.Module, ABC):
    """Predict the tokens of ink from those before them and from the text.

    config: the model's shape; fills_words: whether a WORD takes a whole group, its unused slots
    filled with PAD; bounded: whether the context has an end; authors: a vector of each writer,
    the first of none known.
    """

    fills_words: ClassVar[bool]
    bounded: ClassVar[bool]
    config: ModelConfig
    authors: nn.Embedding

    @abstractmethod
    def nll(
        self, packed: PackedBatch, width: int | None = None, varlen: bool = False
    ) -> torch.Tensor:
        """Sum the cross-entropies of all scored tokens, in nats.

        Args:
            packed: the batch.
            width: positions that a row has room for, at least those of the longest example, or
                None for as many as the batch needs.
            varlen: attend with `VarlenAttention` instead, if the model's positions are packed.
        """

    @abstractmethod
    def prefill(
        self,
        prompt: torch.Tensor,
        text: torch.Tensor,
        authors: torch.Tensor | None = None,
        capacity: int = 0,
    ) -> tuple[DecodingState, torch.Tensor]:
        """Read the text and the prompt.

        Args:
            prompt: (P, G) groups of tokens that every row starts with, WORD first.
            text: (B, S) character ids.
            authors: (B,) writers, or None for no known one.
            capacity: groups to make room for, beside the prompt's.

        Returns:
            The decoding state of the rows, and the logits (B, V) of the first token.
        """

    @abstractmethod
    def decode_one_token(self, state: Any, token: torch.Tensor) -> torch.Tensor:
        """Append the token (B,) that was sampled for each row.

        Returns:
            The logits (B, V) of the token after it.
        """

    @abstractmethod
    def cross_attention_weights(
        self, prompt: torch.Tensor, text: torch.Tensor, authors: torch.Tensor
    ) -> torch.Tensor:
        """Measure how much each group of `prompt` attends to each character of the text.

        A group's weights tell where the model looks to predict the next group.

        Args:
            prompt: (P, G) groups of tokens, WORD first.
            text: (1, S) character ids.
            authors: (1,) the writer.

        Returns:
            (heads, P, S), with all heads of every block that reads the text.
        """

    @abstractmethod
    def hidden_matrices(self) -> list[nn.Parameter]:
        """Return the matrices between two hidden layers, which Muon optimizes."""

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())
