"""The ways of learning a hand that `benchmarks.personal` compares: settings of `train.py --finetune base`, and what is put in place of its parts."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from cursivetransformer.bank.prompts import make_prompts
from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.ink import measures as style
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.training import finetune as adapt

RANK, LORA_RATE = 16, 4e-3
CANDIDATES, FITTED, SEEN, FITTED_WORDS = (
    150,
    4,
    25,
    3000,
)  # synthetic writers, those that are likest, words each is judged by, words of theirs


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
    learnt = [
        p
        for module in matrices
        for p in (module.parametrizations.weight[0].up, module.parametrizations.weight[0].down)
    ]
    return _adamw(model, [model.authors.weight, *learnt], config)


def _adamw(model, learnt, config):
    chosen = {id(p) for p in learnt}
    for p in model.parameters():
        p.requires_grad_(id(p) in chosen)
    optimizer = torch.optim.AdamW(learnt, lr=LORA_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["full_lr"] = group["lr"]
    return [optimizer]


def fitted_writers(words):
    """The synthetic writers whose ink is nearest in style to the recorded `words`, with the size and slant measured from these, named as their
    author: which of the faces, joins, loops and widths is nearest is found by trying."""
    inks, texts = [word.points for word in words], [word.text for word in words]
    real, slant, x_height, found = (
        style.measure(inks, texts),
        style.hand_slant(inks),
        style.estimate_x_height(inks, texts),
        [],
    )
    for seed in range(CANDIDATES):
        writer, rng = Hand(words[0].author, seed, load_fonts("own")), np.random.default_rng(seed)
        writer.parameters.slant, writer.parameters.x_height = slant, x_height
        spelt = [text for text in texts[:SEEN] if all(writer.glyph(char) for char in text)]
        near = style.distance(
            style.measure([write_word(writer, text, rng).points for text in spelt], spelt), real
        )
        found.append((np.mean(list(near.values())), seed, writer))
    return [writer for _, _, writer in sorted(found, key=lambda one: one[:2])[:FITTED]]


def replayed_and_fitted(config, words, warn):
    """The base's words, and as many by synthetic writers that are fitted to the hand, in its name."""
    rng, writers = np.random.default_rng(config.seed), fitted_writers(words)
    texts = make_prompts(WordbankSettings(size=FITTED_WORDS, least=0, pairs=0), rng)
    return _replayed(config, words, warn) + [
        write_word(writers[i % FITTED], text, rng) for i, text in enumerate(texts)
    ]


_replayed = adapt.replayed  # what is put in its place calls it
ONLY_SOME = "trainer.make_optimizers"  # where it is replaced, what is learnt is no model that loads: it is measured as it is
# Name: (what it is, settings of train.py beside --finetune base, {module.name: what is put in its place}).
WAYS = {
    "adapted": ("what `--finetune base` does", {}, {}),
    "any-splices": (
        "spliced words are any that come, none of them put together to say what people write",
        {},
        {"synthesis.concatenative.ASSEMBLED_FRACTION": 0.0},
    ),
    "straight": ("what is spliced is not bent", {}, {"synthesis.concatenative.WAVER_STD": 0.0}),
    "early": (
        "the best of all ten models is kept, not of the last four",
        {"monitor_start": 0.0},
        {},
    ),
    "no-splices": (
        "no spliced words",
        {"splice_words": 0, "splice_fraction": 0.0, "own_fraction": 0.8},
        {},
    ),
    "no-replay": (
        "no words in the hands that the base knows",
        {"own_fraction": 0.1, "splice_fraction": 0.9},
        {},
    ),
    "bank-alone": ("neither", {"splice_words": 0, "splice_fraction": 0.0, "own_fraction": 1.0}, {}),
    "plain": ("slant, size and rotation do not vary", {"augment": False}, {}),
    "augmented": (
        "they vary twice as much",
        {"shear_width": 0.2, "scale_width": 0.2, "rotation_width": 0.04},
        {},
    ),
    "fitted": (
        "beside the hands of the base, words by synthetic writers fitted to the hand",
        {},
        {"trainer.replayed": replayed_and_fitted},
    ),
    "pen": (
        "beside the hands of the base, fresh ink by the synthetic pen in many hands",
        {"synthetic_words": 6000, "synthetic_interval": 250},
        {},
    ),
    "slow": ("half the rates", {"learning_rate": 4e-3, "muon_learning_rate": 1e-2}, {}),
    "longer": ("twice the steps", {"max_steps": 1600}, {}),
    "author": ("nothing but the author's embedding is learnt", {}, {ONLY_SOME: only_author}),
    "low-rank": (f"matrices change by a product of rank {RANK}", {}, {ONLY_SOME: low_rank}),
}
