"""The loss of a batch in the arithmetic that suits the device: half precision, compiled. Knows no data and no training loop."""

import torch


class BatchLoss:
    """A model's `nll` as the settings of a run want it computed. compiled: whether training batches go through torch.compile, which wants them
    of one shape; warn: takes a sentence where that fails."""

    def __init__(self, model, config, warn):
        self._nats, self._warn, self._device = model.nll, warn, config.device
        kind = config.device.partition(":")[0]
        self._autocast = dict(
            device_type=kind,
            dtype=torch.bfloat16,
            enabled=config.precision == "bfloat16"
            or (config.precision == "auto" and kind == "cuda"),
        )
        self.training_nll = self._compile() if is_compiled(config) else self._nats

    def training(self, packed, width):
        """Of a training batch; width: see `attention.PackedAttention`."""
        with torch.autocast(**self._autocast):
            return self.training_nll(packed, width)

    def __call__(self, packed):
        """Of a batch of any shape."""
        with torch.autocast(**self._autocast):
            return self._nats(packed)

    def _compile(self):
        """The model's `nll`, compiled; where that fails at the first batch, uncompiled."""
        compiled = torch.compile(
            self._nats,
            fullgraph=True,
            mode="reduce-overhead" if self._device.startswith("cuda") else None,
        )

        def first(packed, width):
            try:
                nll = compiled(packed, width)
                self.training_nll = compiled
            except Exception as error:  # a missing compiler, an old card, a bug of the compiler: none is worth a training run
                self._warn(
                    f"torch.compile failed ({str(error).strip().splitlines()[0][:150]}); training goes on without"
                )
                self.training_nll = self._nats
                nll = self._nats(packed, width)
            return nll

        return first


def is_compiled(config):
    """Whether a run compiles its model."""
    return config.compile == "on" or (config.compile == "auto" and config.device.startswith("cuda"))


@torch.no_grad()
def estimate_loss(nll, batches):
    """The loss of batches, by a model's `nll`: nats per scored token, and per offset."""
    total = sum(float(nll(batch)) for batch in batches)
    return total / sum(int(b.n_tokens) for b in batches), total / sum(
        int(b.n_offsets) for b in batches
    )
