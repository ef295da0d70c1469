"""Parameter groups, optimizers, and the learning rate as a pure function of the step. Knows no data and no loop."""

import torch
from torch import nn

MUON_MOMENTUM = 0.95
ADAM_BETAS = {"adamw": (0.9, 0.99), "muon": (0.9, 0.95)}
# Coefficients of Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon): they raise small singular values
# fast and leave all of them between about 0.7 and 1.2.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


def learning_rate_factor(step, config):
    """What the learning rates are multiplied by at a step counted from 0: a pure function.

    A linear warm-up from nearly zero; then, for schedule "linear", 1 until the last `cooldown_fraction` of the steps and a straight
    fall to nearly zero; for "step", `lr_decay` once every `step_lr_every` steps.
    """
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "step":
        return warmup * config.lr_decay ** (step // config.step_lr_every)
    cooldown = max(1, round(config.cooldown_fraction * config.max_steps))
    return warmup * min(1.0, max(0, config.max_steps - step) / cooldown)


def orthogonalize(matrices):
    """The nearest matrices with orthonormal rows or columns, roughly, by a Newton-Schulz iteration; (n, rows, columns)."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update of a matrix is made orthogonal (Jordan et al. 2024, as above).

    Matrices of one shape are stacked and updated together: a small model has many small matrices, and each call costs
    more than its arithmetic. An update is scaled by sqrt(max(1, rows / columns)). Weight decay is decoupled.
    """

    def __init__(self, params, lr, momentum=MUON_MOMENTUM, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                self._update(
                    params,
                    max(1, shape[0] / shape[1]) ** 0.5,
                    **{k: group[k] for k in ("lr", "momentum", "weight_decay")},
                )

    def _update(self, params, scale, lr, momentum, weight_decay):
        updates = []
        for p in params:
            buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            buffer.lerp_(p.grad, 1 - momentum)
            updates.append(p.grad.lerp(buffer, momentum))  # Nesterov's look ahead
        for p, update in zip(params, orthogonalize(torch.stack(updates))):
            p.mul_(1 - lr * weight_decay).add_(update, alpha=-lr * scale)


def make_optimizers(model, config):
    """The optimizers of a model, as a list; every parameter is in one group of one of them.

    Vectors and embeddings are not decayed. With "muon", Muon takes the model's inner matrices, AdamW the embeddings, the heads
    and the vectors. Each group keeps its full rate as "full_lr".
    """
    matrices = model.hidden_matrices()
    inside = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in inside]
    if config.optimizer == "adamw":
        embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        decayed = matrices + [p for p in rest if p.ndim >= 2 and id(p) not in embeddings]
        groups = [
            dict(params=decayed, weight_decay=config.weight_decay),
            dict(params=[p for p in rest if p.ndim < 2 or id(p) in embeddings], weight_decay=0.0),
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


def _adamw(groups, config):
    # fused: one kernel a step instead of several a tensor, on the CPU too.
    return torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=ADAM_BETAS[config.optimizer],
        fused=config.device != "mps",
    )


def set_learning_rates(optimizers, factor):
    """Set every group's rate to its full rate times `factor`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["full_lr"] * factor
