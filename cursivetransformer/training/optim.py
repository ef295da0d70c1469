"""Parameter groups, optimizers, and the learning rate as a pure function of the step.

Does not depend on data or on the training loop.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
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


def set_learning_rates(optimizers: Iterable[Optimizer], factor: float | torch.Tensor) -> None:
    """Set each group's learning rate to its full rate times `factor`.

    A tensor () on the device makes tensors, which a recorded graph reads anew each time.
    """
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

    Matrices are stacked and updated together: a small model has many small matrices, and each call
    costs more than its arithmetic. On a GPU it costs so much more that all matrices become one
    stack, filled up with zeros. An update is scaled by sqrt(max(1, rows / columns)). Weight decay
    is decoupled.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = MUON_MOMENTUM,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self._scales: dict[tuple[torch.Size, ...], torch.Tensor] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            stacks: dict[tuple[int, ...], list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    # On a CPU zeros cost as much as numbers.
                    key = () if p.is_cuda else tuple(sorted(p.shape))
                    stacks.setdefault(key, []).append(p)
            for params in stacks.values():
                self._update(params, group)

    def _update(self, params: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Update parameters as one stack."""
        lr, momentum = group["lr"], group["momentum"]
        gradients = [cast(torch.Tensor, p.grad) for p in params]
        buffers = [self._momentum_buffer(p) for p in params]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        updates = torch._foreach_lerp(gradients, buffers, momentum)  # Nesterov momentum
        stacked = orthogonalize(stack_upright(updates)).mul_(lr * self._scale(params))
        weights: list[torch.Tensor] = [*params]
        torch._foreach_mul_(weights, 1 - lr * group["weight_decay"])
        # One after the other, for parts of a stack are not what a fused operation takes.
        for weight, update in zip(weights, unstack_upright(stacked, [p.shape for p in params])):
            weight.sub_(update)

    def _momentum_buffer(self, p: nn.Parameter) -> torch.Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]

    def _scale(self, params: list[nn.Parameter]) -> torch.Tensor:
        """Return the scale of each parameter's update, (n, 1, 1)."""
        shapes = tuple(p.shape for p in params)
        if shapes not in self._scales:
            scales = [max(1, rows / columns) ** 0.5 for rows, columns in shapes]
            self._scales[shapes] = torch.tensor(scales, device=params[0].device)[:, None, None]
        return self._scales[shapes]


def stack_upright(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack matrices, wide ones transposed and small ones filled up with zeros.

    The zeros change nothing in `orthogonalize`.
    """
    upright = [m.mT if m.shape[0] < m.shape[1] else m for m in matrices]
    rows, columns = (max(m.shape[side] for m in upright) for side in (0, 1))
    return torch.stack(
        [
            m
            if m.shape == (rows, columns)
            else F.pad(m, (0, columns - m.shape[1], 0, rows - m.shape[0]))
            for m in upright
        ]
    )


def unstack_upright(stacked: torch.Tensor, shapes: Sequence[torch.Size]) -> list[torch.Tensor]:
    """Invert `stack_upright`."""
    return [
        m[:columns, :rows].mT if rows < columns else m[:rows, :columns]
        for m, (rows, columns) in zip(stacked, shapes)
    ]


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


def optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return what `restore_optimizer` needs; learning rates are numbers, as in the settings."""
    state = optimizer.state_dict()
    for group in state["param_groups"]:  # copies
        group["lr"] = group["full_lr"]
    return state


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
    # capturable: the steps are counted on the device, so that a CUDA graph can hold the update.
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=ADAM_BETAS[config.optimizer],
        fused=config.device != "mps",
        capturable=config.device.startswith("cuda"),
    )
