"""The loss of a batch, in the precision that suits the device, and compiled where that is wanted.

Does not depend on the data or on the training loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cursivetransformer.config.train import Config
from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.base import Model

MAX_ERROR_LENGTH = 150  # characters of a compiler's message that a warning quotes


class BatchLoss:
    """The summed loss of a batch, in nats, as a run's settings want it computed.

    Args:
        model: the model whose `nll` is computed.
        config: the settings `device`, `precision` and `compile`.
        warn: takes one sentence where the compiler fails.
    """

    def __init__(self, model: Model, config: Config, warn: Callable[[str], object]) -> None:
        self._nll = model.nll
        self._warn = warn
        self._device = config.device
        self._autocast = autocast_arguments(config)
        self._training_nll: Callable[[PackedBatch, int | None], torch.Tensor] = (
            self._compile() if should_compile(config) else self._nll
        )

    def training_nll(self, packed: PackedBatch, width: int | None) -> torch.Tensor:
        """Compute the loss of a training batch. See `PackedAttention` for `width`.

        Where the model is compiled, all training batches must have one shape.
        """
        with torch.autocast(**self._autocast):
            return self._training_nll(packed, width)

    def __call__(self, packed: PackedBatch) -> torch.Tensor:
        """Compute the loss of a batch of any shape."""
        with torch.autocast(**self._autocast):
            return self._nll(packed)

    def _compile(self) -> Callable[[PackedBatch, int | None], torch.Tensor]:
        """Compile the model's `nll`; fall back to the plain one if the first batch fails."""
        compiled = torch.compile(
            self._nll,
            fullgraph=True,
            mode="reduce-overhead" if self._device.startswith("cuda") else None,
        )

        def first_nll(packed: PackedBatch, width: int | None) -> torch.Tensor:
            try:
                nll = compiled(packed, width)
                self._training_nll = compiled
            # A missing compiler, an old card, a bug of the compiler: none is worth a training run.
            except Exception as error:
                reason = str(error).strip().splitlines()[0][:MAX_ERROR_LENGTH]
                self._warn(f"torch.compile failed ({reason}); training goes on without")
                self._training_nll = self._nll
                nll = self._nll(packed, width)
            return nll

        return first_nll


def autocast_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of `torch.autocast` for a run's device and precision."""
    device_type = config.device.partition(":")[0]
    automatic = config.precision == "auto" and device_type == "cuda"
    return dict(
        device_type=device_type,
        dtype=torch.bfloat16,
        enabled=config.precision == "bfloat16" or automatic,
    )


def should_compile(config: Config) -> bool:
    """Return whether a run compiles its model."""
    return config.compile == "on" or (config.compile == "auto" and config.device.startswith("cuda"))


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
