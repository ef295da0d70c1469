"""The ways of learning a hand that `benchmarks.personal` compares: settings of `train.py --init base`, and which weights are learnt."""

import torch
from torch import nn
from torch.nn.utils import parametrize

RANK, LORA_RATE = 16, 4e-3


class LowRank(nn.Module):
    """A matrix that stays, and the product of two thin ones that are learnt (Hu et al. 2021, arXiv:2106.09685)."""

    def __init__(self, weight):
        super().__init__()
        self.down = nn.Parameter(torch.randn(RANK, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], RANK))

    def forward(self, weight):
        return weight + self.up @ self.down


def only_author(model, config):
    """Optimizers that learn the embeddings of authors alone."""
    return _adamw(model, [model.authors.weight], config)


def low_rank(model, config):
    """Optimizers that learn the embeddings of authors, and a low-rank change of every matrix."""
    matrices = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for module in matrices:
        parametrize.register_parametrization(module, "weight", LowRank(module.weight))
    learnt = [p for module in matrices for p in (module.parametrizations.weight[0].up, module.parametrizations.weight[0].down)]
    return _adamw(model, [model.authors.weight, *learnt], config)


def _adamw(model, learnt, config):
    chosen = {id(p) for p in learnt}
    for p in model.parameters():
        p.requires_grad_(id(p) in chosen)
    optimizer = torch.optim.AdamW(learnt, lr=LORA_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["full_lr"] = group["lr"]
    return [optimizer]


# Name: (what it is, settings of train.py beside --init base, what makes the optimizers or None).
WAYS = {
    "adapted": ("what `--init base` does", {}, None),
    "no-splices": ("no spliced words", {"splice_words": 0, "splice_share": 0.0, "own_share": 0.8}, None),
    "no-replay": ("no words in the hands that the base knows", {"own_share": 0.1, "splice_share": 0.9}, None),
    "bank-alone": ("neither", {"splice_words": 0, "splice_share": 0.0, "own_share": 1.0}, None),
    "augmented": ("slant, size and rotation vary too", {"augment": True, "shear_width": 0.15, "scale_width": 0.1, "rotation_width": 0.03}, None),
    "pen": ("replay of fresh ink by the synthetic pen too", {"pen_words": 6000, "pen_every": 250}, None),
    "slow": ("half the rates", {"learning_rate": 2e-3, "muon_learning_rate": 5e-3}, None),
    "longer": ("twice the steps", {"max_steps": 1000}, None),
    "author": ("nothing but the author's embedding is learnt", {}, only_author),
    "low-rank": (f"matrices change by a product of rank {RANK}", {}, low_rank),
}
