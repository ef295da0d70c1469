"""Parameter groups, optimizers, and the learning rate as a pure function of the step.

Does not depend on data or on the training loop.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from cursivetransformer.config.train import Config
from cursivetransformer.models.base import Model
from cursivetransformer.utils.serialization import check_tensor

MUON_MOMENTUM = 0.95
ADAM_BETAS = {"adamw": (0.9, 0.99), "muon": (0.9, 0.95)}
# Coefficients of Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon). They raise small
# singular values fast, and leave all of them between about 0.7 and 1.2.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


def learning_rate_factor(step: int, config: Config) -> float:
    """Return the factor of all learning rates at a step counted from 0.

    The factor rises linearly from nearly zero in `warmup_steps`. Then the schedule "linear" stays
    at 1 and falls linearly to nearly zero over the last `cooldown_fraction` of the steps; "step"
    multiplies by `lr_decay` every `step_lr_every` steps.
    """
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "step":
        return warmup * config.lr_decay ** (step // config.step_lr_every)
    cooldown_steps = max(1, round(config.cooldown_fraction * config.max_steps))
    return warmup * min(1.0, max(0, config.max_steps - step) / cooldown_steps)


def set_learning_rates(optimizers: Iterable[Optimizer], factor: float) -> None:
    """Set each group's learning rate to its full rate times `factor`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * factor


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """Return roughly the nearest matrices with orthonormal rows or columns.

    The Newton-Schulz iteration x <- a x + (b x x^T + c (x x^T)^2) x.

    Args:
        matrices: (n, rows, columns).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(Optimizer):
    """Momentum with orthogonalized updates of matrices (Jordan et al. 2024, as above).

    Matrices of one shape are stacked and updated together: a small model has many small matrices,
    and each call costs more than its arithmetic. An update is scaled by sqrt(max(1, rows /
    columns)). Weight decay is decoupled.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = MUON_MOMENTUM,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for params in by_shape.values():
                self._update(params, group)

    def _update(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Update parameters of one shape."""
        lr, momentum = group["lr"], group["momentum"]
        rows, columns = params[0].shape
        scale = max(1, rows / columns) ** 0.5
        updates = []
        for p in params:
            assert p.grad is not None
            buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            buffer.lerp_(p.grad, 1 - momentum)
            updates.append(p.grad.lerp(buffer, momentum))  # Nesterov momentum
        for p, update in zip(params, orthogonalize(torch.stack(updates))):
            p.mul_(1 - lr * group["weight_decay"]).add_(update, alpha=-lr * scale)


# Names of what each optimizer keeps for a parameter.
STATE_NAMES: dict[type[Optimizer], set[str]] = {
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
    Muon: {"momentum_buffer"},
}


def make_optimizers(model: Model, config: Config) -> list[Optimizer]:
    """Return the optimizers of a model; each parameter is in one group of one of them.

    Vectors and embeddings do not decay. With "muon", Muon takes the matrices between hidden layers,
    and AdamW the embeddings, the heads and the vectors. Each group keeps its full rate as
    "full_lr".
    """
    matrices = model.hidden_matrices()
    hidden = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in hidden]
    optimizers: list[Optimizer]
    if config.optimizer == "adamw":
        embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        is_decayed = [p.ndim >= 2 and id(p) not in embeddings for p in rest]
        decayed = matrices + [p for p, decays in zip(rest, is_decayed) if decays]
        others = [p for p, decays in zip(rest, is_decayed) if not decays]
        groups = [
            dict(params=decayed, weight_decay=config.weight_decay),
            dict(params=others, weight_decay=0.0),
        ]
        optimizers = [_adamw(groups, config)]
    else:
        optimizers = [
            Muon(matrices, config.muon_learning_rate, weight_decay=config.weight_decay),
            _adamw([dict(params=rest, weight_decay=0.0)], config),
        ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    return optimizers


def check_optimizer_state(optimizer: Optimizer, stored: object, name: str) -> None:
    """Check that `restore_optimizer` can continue with a stored state.

    Args:
        optimizer: the optimizer.
        stored: what its `state_dict` was, as a file holds it.
        name: of the state in the file.

    Raises:
        ValueError: it is the state of other parameters, or of another optimizer.
    """
    params = [p for group in optimizer.param_groups for p in group["params"]]
    states = stored.get("state") if isinstance(stored, dict) else None
    if not isinstance(states, dict) or not states.keys() <= set(range(len(params))):
        raise ValueError(f"{name} is not the state of {len(params)} parameters")
    for index, state in states.items():
        if not isinstance(state, dict) or state.keys() != STATE_NAMES[type(optimizer)]:
            raise ValueError(f"{name}.{index} is not a state of {type(optimizer).__name__}")
        for key, value in state.items():
            own = torch.zeros(()) if key == "step" else params[index]
            check_tensor(value, own, f"{name}.{index}.{key}")


def restore_optimizer(optimizer: Optimizer, stored: dict[str, Any]) -> None:
    """Continue with a state that `check_optimizer_state` accepts.

    Learning rates, betas and decay stay those that the settings gave.
    """
    own = optimizer.state_dict()
    # A copy, for torch keeps the tensors that it is given.
    optimizer.load_state_dict(copy.deepcopy({**own, "state": stored["state"]}))


def _adamw(groups: Sequence[dict[str, Any]], config: Config) -> torch.optim.AdamW:
    # fused: one kernel for a step instead of several for each tensor, on the CPU too.
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=ADAM_BETAS[config.optimizer],
        fused=config.device != "mps",
    )
