"""The loss of a batch: as a run trains on it, in the precision that suits the device, and exact.

Does not depend on the data or on the training loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cursivetransformer.config.train import Config
from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.attention import varlen_kernel
from cursivetransformer.models.base import Model

BFLOAT16_CAPABILITY = 8  # compute capability from which NVIDIA's cards have bfloat16 arithmetic


class BatchLoss:
    """The summed loss of a batch, in nats.

    Args:
        model: the model whose `nll` is computed.
        config: the settings `device` and `precision`.

    Attributes:
        compiled: whether the loss of training batches is compiled.
        varlen: whether training uses `VarlenAttention`.
    """

    def __init__(self, model: Model, config: Config) -> None:
        self.model = model
        self.compiled = False
        self.varlen = has_varlen(config)
        self._autocast = autocast_arguments(config)
        self._compiled_nll: Callable[..., torch.Tensor] | None = None

    def training_nll(self, packed: PackedBatch, width: int | None) -> torch.Tensor:
        """Compute the loss of a training batch. See `Model.nll` for `width`.

        Where the model is compiled, all training batches must have one shape.
        """
        nll: Callable[..., torch.Tensor] = self.model.nll
        if self.compiled:
            if self._compiled_nll is None:  # not before, for it imports the compiler
                self._compiled_nll = torch.compile(nll, fullgraph=True, dynamic=False)
            nll = self._compiled_nll
        with torch.autocast(**self._autocast):
            return nll(packed, width, self.varlen)

    def __call__(self, packed: PackedBatch) -> torch.Tensor:
        """Compute the loss of a batch of any shape, in float32.

        In bfloat16 some cards plan the attention of every new shape anew, which takes minutes for
        the batches of an evaluation.
        """
        return self.model.nll(packed)


def autocast_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of `torch.autocast` for a run's device and precision."""
    automatic = config.precision == "auto" and _has_bfloat16(config.device)
    return dict(
        device_type=config.device.partition(":")[0],
        dtype=torch.bfloat16,
        enabled=config.precision == "bfloat16" or automatic,
    )


def has_varlen(config: Config) -> bool:
    """Return whether training can use `VarlenAttention`.

    Its kernels have no float32, and take heads whose width is a multiple of 8.
    """
    widths = config.n_embd // config.n_head, config.n_embd // config.n_ctx_head
    return (
        _has_bfloat16(config.device)
        and autocast_arguments(config)["enabled"]
        and all(width % 8 == 0 for width in widths)
        and varlen_kernel() is not None
    )


def _has_bfloat16(device: str) -> bool:
    """Return whether the device is a GPU that computes in bfloat16."""
    if not device.startswith("cuda"):
        return False
    return torch.cuda.get_device_capability(device)[0] >= BFLOAT16_CAPABILITY


@torch.no_grad()
def estimate_loss(
    nll: Callable[[PackedBatch], torch.Tensor], batches: Sequence[PackedBatch]
) -> tuple[float, float]:
    """Measure the loss of batches, in nats per scored token and in nats per offset.

    Args:
        nll: a model's `nll`, or a `BatchLoss`.
        batches: what to measure on.
    """
    total = sum(float(nll(batch)) for batch in batches)
    n_tokens = sum(int(batch.n_tokens) for batch in batches)
    n_offsets = sum(int(batch.n_offsets) for batch in batches)
    return total / n_tokens, total / n_offsets
