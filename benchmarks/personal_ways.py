"""The ways of learning a hand that `benchmarks.personal` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.bank.word import Word
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.config.train import Config
from cursivetransformer.ink import measures
from cursivetransformer.models.base import Model
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.training import finetune

LOW_RANK = 16
LOW_RANK_LEARNING_RATE = 4e-3
N_CANDIDATES = 150  # synthetic writers that are tried
N_FITTED = 4  # of them, the nearest in style, are kept
N_JUDGED_WORDS = 25  # words of each candidate
N_FITTED_WORDS = 3000  # words by the kept ones


class LowRank(nn.Module):
    """A fixed matrix plus a learned product of two thin ones (Hu et al. 2021, arXiv:2106.09685)."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(LOW_RANK, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], LOW_RANK))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def only_author(model: Model, config: Config) -> list[torch.optim.Optimizer]:
    """Make an optimizer that learns nothing but the author embeddings."""
    return _adamw(model, [model.authors.weight])


def low_rank(model: Model, config: Config) -> list[torch.optim.Optimizer]:
    """Make an optimizer that learns the author embeddings and a low-rank change of every matrix."""
    learned = [model.authors.weight]
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for layer in layers:
        change = LowRank(layer.weight)
        parametrize.register_parametrization(layer, "weight", change)
        learned += [change.up, change.down]
    return _adamw(model, learned)


def _adamw(model: Model, learned: Sequence[nn.Parameter]) -> list[torch.optim.Optimizer]:
    """Make an AdamW of the parameters `learned`, and freeze all others."""
    learned_ids = {id(parameter) for parameter in learned}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in learned_ids)
    optimizer = torch.optim.AdamW(
        learned, lr=LOW_RANK_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0
    )
    for group in optimizer.param_groups:
        group["full_lr"] = group["lr"]
    return [optimizer]


def fit_hands(words: Sequence[Word]) -> list[Hand]:
    """Find the synthetic hands whose ink is nearest in style to recorded words.

    They have the author, size and slant of these words. The best fonts, joins, loops and widths are
    found by trying.
    """
    inks, texts = [word.points for word in words], [word.text for word in words]
    target = measures.measure(inks, texts)
    slant, x_height = measures.hand_slant(inks), measures.estimate_x_height(inks, texts)
    candidates = []
    for seed in range(N_CANDIDATES):
        hand, rng = Hand(words[0].author, seed, load_fonts("own")), np.random.default_rng(seed)
        hand.parameters.slant, hand.parameters.x_height = slant, x_height
        writable = [text for text in texts[:N_JUDGED_WORDS] if all(map(hand.glyph, text))]
        written = [write_word(hand, text, rng).points for text in writable]
        distances = measures.distance(measures.measure(written, writable), target)
        candidates.append((np.mean(list(distances.values())), seed, hand))
    candidates.sort(key=lambda candidate: candidate[:2])
    return [hand for _, _, hand in candidates[:N_FITTED]]


def replayed_and_fitted(
    config: Config, words: list[Word], warn: Callable[[str], None]
) -> list[Word]:
    """Return the base model's words and as many by fitted hands, under the author's name."""
    rng, hands = np.random.default_rng(config.seed), fit_hands(words)
    texts = make_prompts(WordbankSettings(size=N_FITTED_WORDS, least=0, pairs=0), rng)
    fitted = [write_word(hands[i % N_FITTED], text, rng) for i, text in enumerate(texts)]
    return _load_replay(config, words, warn) + fitted


_load_replay = finetune.load_replay  # the original, which `replayed_and_fitted` replaces
OPTIMIZERS = "training.run.make_optimizers"


@dataclass
class Way:
    """A way of learning a hand.

    settings: of `train.py`, beside --finetune base; replacements: of names in the package, by
    "module.name".
    """

    description: str = ""
    settings: dict[str, int | float | bool] = field(default_factory=dict)
    replacements: dict[str, Any] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        """Whether its checkpoints can be loaded. Replaced optimizers change the model's modules."""
        return OPTIMIZERS not in self.replacements


WAYS = {
    "adapted": Way("what `--finetune base` does"),
    "any-splices": Way(
        "spliced words are any that come, none of them put together to say what people write",
        replacements={"synthesis.concatenative.ASSEMBLED_FRACTION": 0.0},
    ),
    "straight": Way(
        "what is spliced is not bent",
        replacements={"synthesis.concatenative.WAVER_STD": 0.0},
    ),
    "early": Way(
        "the best of all ten models is kept, not of the last four", {"monitor_start": 0.0}
    ),
    "no-splices": Way(
        "no spliced words", {"splice_words": 0, "splice_fraction": 0.0, "own_fraction": 0.8}
    ),
    "no-replay": Way(
        "no words in the hands that the base knows", {"own_fraction": 0.1, "splice_fraction": 0.9}
    ),
    "bank-alone": Way("neither", {"splice_words": 0, "splice_fraction": 0.0, "own_fraction": 1.0}),
    "plain": Way("slant, size and rotation do not vary", {"augment": False}),
    "augmented": Way(
        "they vary twice as much",
        {"shear_width": 0.2, "scale_width": 0.2, "rotation_width": 0.04},
    ),
    "fitted": Way(
        "beside the hands of the base, words by synthetic writers fitted to the hand",
        replacements={"training.run.load_replay": replayed_and_fitted},
    ),
    "pen": Way(
        "beside the hands of the base, fresh ink by the synthetic pen in many hands",
        {"synthetic_words": 6000, "synthetic_interval": 250},
    ),
    "slow": Way("half the rates", {"learning_rate": 4e-3, "muon_learning_rate": 1e-2}),
    "longer": Way("twice the steps", {"max_steps": 1600}),
    "author": Way(
        "nothing but the author's embedding is learnt", replacements={OPTIMIZERS: only_author}
    ),
    "low-rank": Way(
        f"matrices change by a product of rank {LOW_RANK}", replacements={OPTIMIZERS: low_rank}
    ),
}
