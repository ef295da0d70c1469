"""Measure what each part of the recipe is worth: one short training for each change to it.

    python -m benchmarks.ablations                       list the variants
    python -m benchmarks.ablations base no-muon ...      train these, or `all`
    python -m benchmarks.ablations base --steps 600 --threads 1 --batch_size 8 ...

All see as much ink, so a smaller batch makes more steps. Each prints a line: seconds of training,
held-out nats per offset, tokens a second, and, if `train_recognizer.py` has trained recognizers of
the bank, the fraction of characters that the grading one misreads, of English and of held-out words
as the model writes them. `--threads` bounds the CPU threads, so that two variants can train side by
side on two cores; other settings are those of train.py. `docs/experiments.md` has the results. A
difference of 0.02 can be due to the seed.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from benchmarks.options import take_options
from cursivetransformer.config.train import get_all_args
from cursivetransformer.config.train import replace as replace_settings
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.models import attention, offset_gpt, text_encoder
from cursivetransformer.models.attention import Attention, KeysAndValues
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.trajectory_encoder import PenState
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    find_recognizers,
    load_recognizer,
    recognizer_path,
)
from cursivetransformer.sampling.generate import generate_words
from cursivetransformer.training import optim
from cursivetransformer.training.run import new_run
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import UserError, run_script

SEEDS = (0, 1)  # of the words that are written to be read
WEIGHT_AVERAGE = "average"  # the variant that averages its weights
AVERAGE_START = 0.8  # of the steps, from which weights are averaged

Patch = AbstractContextManager[Any]


def rms_norm(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + torch.finfo(x.dtype).eps)


def patch(name: str, value: object) -> Patch:
    """Replace a name of the module `offset_gpt`."""
    return mock.patch.object(offset_gpt, name, value)


def cross_attention_in(has_cross_attention: Callable[[int], bool]) -> Patch:
    """Replace the blocks by blocks with cross-attention in the given layers."""

    class Block(offset_gpt.OffsetBlock):
        def __init__(self, config: ModelConfig, layer: int) -> None:
            super().__init__(config, 1 if has_cross_attention(layer) else 0)
            self.layer = layer

    return patch("OffsetBlock", Block)


def trajectory_encoder_without(*fields: str) -> Patch:
    """Replace the trajectory encoder by one that sees zeros in fields of `PenState`."""

    class TrajectoryEncoder(offset_gpt.TrajectoryEncoder):
        def forward(self, pen_state: PenState) -> torch.Tensor:
            zeros = {name: torch.zeros_like(getattr(pen_state, name)) for name in fields}
            return super().forward(replace(pen_state, **zeros))

    return patch("TrajectoryEncoder", TrajectoryEncoder)


def no_rotation(cos_sin: torch.Tensor) -> torch.Tensor:
    """Return rotations by no angle, of the same shape."""
    return torch.tensor([1.0, 0.0]).expand_as(cos_sin).contiguous()


class NoSelfRotaryBlock(offset_gpt.OffsetBlock):
    """A block without rotary positions in self-attention: the ink alone tells heads the order."""

    def forward(
        self,
        x: torch.Tensor,
        attention: Attention,
        cos_sin: torch.Tensor,
        text_cos_sin: torch.Tensor,
    ) -> torch.Tensor:
        return super().forward(x, attention, no_rotation(cos_sin), text_cos_sin)


class NoCrossRotaryBlock(offset_gpt.OffsetBlock):
    """A block whose cross-attention is not rotated by the places of pen and character."""

    def text_keys_and_values(self, text: torch.Tensor, cos_sin: torch.Tensor) -> KeysAndValues:
        return super().text_keys_and_values(text, no_rotation(cos_sin))

    def forward(
        self,
        x: torch.Tensor,
        attention: Attention,
        cos_sin: torch.Tensor,
        text_cos_sin: torch.Tensor,
    ) -> torch.Tensor:
        return super().forward(x, attention, cos_sin, no_rotation(text_cos_sin))


class GeluMLP(offset_gpt.MLP):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.gelu(self.up(x)))


class RandomInitMLP(offset_gpt.MLP):
    """An MLP whose output projection does not start at zero."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        torch.nn.init.normal_(self.down.weight, std=0.02)


class IndependentSlot(offset_gpt.SlotHead):
    """A radius that does not depend on its theta."""

    def forward(self, hidden: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden, before * 0)


@dataclass
class Variant:
    """A change to the recipe.

    settings: of train.py; patches: makes the patches, anew for each run.
    """

    description: str
    settings: dict[str, int | float | str] = field(default_factory=dict)
    patches: Callable[[], list[Patch]] = list


VARIANTS = {
    "base": Variant("nothing"),
    "published-block": Variant(
        "the published model, two positions an offset, in this recipe", {"model": "token"}
    ),
    "adamw": Variant("AdamW for all weights", {"optimizer": "adamw"}),
    "adamw-slow": Variant(
        "AdamW for all weights, at 2e-3", {"optimizer": "adamw", "learning_rate": 2e-3}
    ),
    "muon-fast": Variant("Muon at 0.04", {"muon_learning_rate": 0.04}),
    "muon-slow": Variant("Muon at 0.01", {"muon_learning_rate": 0.01}),
    "rates-half": Variant("AdamW at half its rate", {"learning_rate": 4e-3}),
    "rates-double": Variant("AdamW at twice its rate", {"learning_rate": 16e-3}),
    "newton-schulz-3": Variant(
        "3 Newton-Schulz steps instead of 5",
        patches=lambda: [mock.patch.object(optim, "NEWTON_SCHULZ_STEPS", 3)],
    ),
    "no-cooldown": Variant("constant learning rate", {"cooldown_fraction": 0.0}),
    WEIGHT_AVERAGE: Variant(
        "constant learning rate, and the mean of the weights over the last fifth",
        {"cooldown_fraction": 0.0},
    ),
    "batch-4": Variant("4 examples a step", {"batch_size": 4}),
    "batch-8": Variant("8 examples a step", {"batch_size": 8}),
    "batch-16": Variant("16 examples a step", {"batch_size": 16}),
    "batch-32": Variant("32 examples a step", {"batch_size": 32}),
    "one-word": Variant("examples of one word", {"num_words": 1}),
    "augment-more": Variant(
        "slant, size and rotation vary half as much again, and twice",
        {"shear_width": 0.6, "scale_width": 0.3, "rotation_width": 0.08},
    ),
    "augment-less": Variant(
        "slant, size and rotation vary half as much",
        {"shear_width": 0.2, "scale_width": 0.1, "rotation_width": 0.02},
    ),
    "rms-norm": Variant(
        "RMSNorm written out instead of a LayerNorm without gain",
        patches=lambda: [
            patch("norm", rms_norm),
            mock.patch.object(attention, "norm", rms_norm),
        ],
    ),
    "gelu": Variant("GELU instead of squared ReLU", patches=lambda: [patch("MLP", GeluMLP)]),
    "mlp-4": Variant("MLPs 4 wide instead of 2", patches=lambda: [patch("MLP_EXPANSION", 4)]),
    "not-from-zero": Variant(
        "MLPs that do not start at zero", patches=lambda: [patch("MLP", RandomInitMLP)]
    ),
    "embeddings-0.5": Variant(
        "embeddings drawn with deviation 0.5", patches=lambda: [patch("EMBEDDING_INIT_STD", 0.5)]
    ),
    "no-rotary": Variant(
        "no rotary positions in self-attention",
        patches=lambda: [patch("OffsetBlock", NoSelfRotaryBlock)],
    ),
    "no-paper-turns": Variant(
        "cross-attention without turns by place on paper",
        patches=lambda: [patch("OffsetBlock", NoCrossRotaryBlock)],
    ),
    "text-everywhere": Variant(
        "cross-attention in every block",
        patches=lambda: [cross_attention_in(lambda layer: True)],
    ),
    "text-once": Variant(
        "cross-attention in the second block only",
        patches=lambda: [cross_attention_in(lambda layer: layer == 1)],
    ),
    "no-recent": Variant(
        "positions do not see the last offsets as numbers",
        patches=lambda: [trajectory_encoder_without("recent")],
    ),
    "no-pen": Variant(
        "positions do not see where the pen is",
        patches=lambda: [trajectory_encoder_without("pen")],
    ),
    "no-convolution": Variant(
        "no convolution over the text",
        patches=lambda: [mock.patch.object(text_encoder, "TEXT_KERNEL", 1)],
    ),
    "independent": Variant(
        "radius predicted without knowing theta",
        patches=lambda: [patch("SlotHead", IndependentSlot)],
    ),
    "wide-2": Variant(
        "2 blocks of width 192, 6 heads",
        {"n_layer": 2, "n_embd": 192, "n_embd_context": 192, "n_head": 6, "n_ctx_head": 6},
    ),
    "wide-3": Variant(
        "3 blocks of width 128, 4 heads",
        {"n_layer": 3, "n_embd": 128, "n_embd_context": 128, "n_head": 4, "n_ctx_head": 4},
    ),
    "deep-6": Variant("6 blocks", {"n_layer": 6}),
    "six-heads": Variant("6 heads of 16", {"n_head": 6, "n_ctx_head": 6}),
}


@dataclass
class Result:
    """What a training came to.

    nll: held-out nats per offset; seconds: of training; speed: tokens a second; error_rates:
    character error rates of English and of held-out words, none without a recognizer.
    """

    nll: float
    seconds: float
    speed: float
    error_rates: list[float]


def run(name: str, steps: int, rest: Sequence[str]) -> Result:
    """Train one variant, for as much ink as `steps` steps of the recipe take."""
    variant = VARIANTS[name]
    changes = [word for key, value in variant.settings.items() for word in (f"--{key}", str(value))]
    base = get_all_args(argv=["--wandb", "off", *rest])
    config = get_all_args(argv=["--wandb", "off", *rest, *changes])
    base_words, words = (c.batch_size * (c.min_words + c.num_words) for c in (base, config))
    steps = max(1, steps * base_words // words)
    warmup_steps = min(base.warmup_steps, steps // 20)
    config = replace_settings(config, max_steps=steps, warmup_steps=warmup_steps)
    with ExitStack() as stack:
        for change in variant.patches():
            stack.enter_context(change)
        trainer = new_run(config, warn=lambda sentence: None)
        average, n_averaged = None, 0
        tokens, start = torch.zeros(()), time.perf_counter()
        for step in range(steps):
            tokens += trainer.train_step()[1].cpu()
            if name == WEIGHT_AVERAGE and step >= AVERAGE_START * steps:
                n_averaged += 1
                average = average or copy.deepcopy(trainer.model)
                for mean, weights in zip(average.parameters(), trainer.model.parameters()):
                    mean.data.lerp_(weights.data, 1 / n_averaged)
        seconds = time.perf_counter() - start
        trainer.model = average or trainer.model
        nll = trainer.evaluate("test")[1]
        return Result(nll, seconds, float(tokens) / seconds, error_rates(trainer))


def error_rates(trainer: Trainer) -> list[float]:
    """Return the error rates of English and of held-out words, over SEEDS; see `Result`."""
    config, tokenizer, words = trainer.config, trainer.loader.tokenizer, trainer.loader.words
    folder = find_recognizers(config.recognizer_dir, trainer.checkpoint.bank_digest)
    if folder is None:
        return []
    recognizer = load_recognizer(recognizer_path(folder, EVALUATION), config.device)
    training_texts = [words[i].text for i in trainer.loader.train_ids]
    english = text_sets(tokenizer.alphabet, training_texts)[0]["English"]
    held_out = [words[i].text for i in trainer.loader.test_ids]
    model = trainer.model.eval()
    rates = []
    for texts in (english, held_out):
        inks = []
        for seed in SEEDS:
            written = generate_words(model, tokenizer, texts, config.min_words, seed=seed)
            inks += [word.points for word in written]
        rates.append(ErrorRate.from_readings(texts * len(SEEDS), recognizer.read(inks)).cer)
    return rates


def split_names(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into names of variants, and options with their values."""
    names, options = [], []
    words = iter(argv)
    for word in words:
        if word.startswith("--"):
            options += [word, next(words, "")]
        else:
            names.append(word)
    return names, options


def main() -> None:
    options, argv = take_options(sys.argv[1:], {"steps": "300", "threads": "0"})
    names, rest = split_names(argv)
    if names == ["all"]:
        names = list(VARIANTS)
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise UserError(f"there is no variant {unknown[0]!r}")
    if not options["steps"].isdigit() or not options["threads"].isdigit():
        raise UserError("--steps and --threads take whole numbers")
    if int(options["threads"]):
        torch.set_num_threads(int(options["threads"]))
    if not names:
        for name, variant in VARIANTS.items():
            print(f"{name:18} {variant.description}")
    for name in names:
        result = run(name, int(options["steps"]), rest)
        cells = [
            name,
            VARIANTS[name].description,
            f"{result.seconds:.0f}",
            f"{result.nll:.3f}",
            f"{result.speed:,.0f}",
        ]
        rates = " | ".join(f"{rate:.2%}" for rate in result.error_rates)
        print("| " + " | ".join(cells) + " | " + rates, flush=True)


if __name__ == "__main__":
    run_script(main)
