"""What each part of the recipe is worth: the same short training with one thing changed at a time.

    python -m benchmarks.ablations                       list the variants
    python -m benchmarks.ablations base no-muon ...      train these, or `all`
    python -m benchmarks.ablations base --steps 600 --threads 1 --batch_size 8 ...

All see as much ink, so a smaller batch makes more steps. Each prints a line: seconds of training, held-out nats per offset, tokens a
second, and, where `train_recognizer.py` has trained recognizers of the bank, how many characters the grading one misreads of English
and of held-out words as the model writes them. `--threads` bounds the CPU threads, so
that two variants may be trained side by side on two cores; other settings are those of train.py. `docs/experiments.md` tells
what came of them. A difference of 0.02 is within the luck of one seed.
"""

import copy
import sys
import time
from contextlib import ExitStack
from unittest import mock

import torch
import torch.nn.functional as F

from benchmarks.options import take_options
from cursivetransformer.config.train import get_all_args, replace
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.models import attention, offset_gpt, text_encoder
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    find_recognizers,
    load_recognizer,
    recognizer_path,
)
from cursivetransformer.sampling.generate import generate_words
from cursivetransformer.training import optim
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import UserError, run_script

SEEDS = (0, 1)  # of the words that are written to be read


def rms_norm(x):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + torch.finfo(x.dtype).eps)


def block_with(reads_text):
    """Blocks whose cross-attention stands where `reads_text(layer)` says."""

    class Block(offset_gpt.OffsetBlock):
        def __init__(self, config, layer):
            super().__init__(config, 1 if reads_text(layer) else 0)
            self.layer = layer

    return mock.patch.object(offset_gpt, "OffsetBlock", Block)


def trajectory_encoder_without(recent, pen):
    """A trajectory encoder that is blind to the last offsets, or to the pen's place."""

    class TrajectoryEncoder(offset_gpt.TrajectoryEncoder):
        def forward(self, pen_state):
            return super().forward(
                offset_gpt.PenState(
                    pen_state.recent * (not recent), pen_state.pen * (not pen), pen_state.words
                )
            )

    return mock.patch.object(offset_gpt, "TrajectoryEncoder", TrajectoryEncoder)


def no_rotation(cos_sin):
    """Turns of the same shape by no angle."""
    return torch.tensor([1.0, 0.0]).expand_as(cos_sin).contiguous()


class StillBlock(offset_gpt.OffsetBlock):
    """No rotary positions: what came when, a head must learn from the ink alone."""

    def forward(self, x, attention, cos_sin, text_cos_sin):
        return super().forward(x, attention, no_rotation(cos_sin), text_cos_sin)


class UncountedBlock(offset_gpt.OffsetBlock):
    """Cross-attention that is not turned by where pen and character stand."""

    def text_keys_and_values(self, text, cos_sin):
        return super().text_keys_and_values(text, no_rotation(cos_sin))

    def forward(self, x, attention, cos_sin, text_cos_sin):
        return super().forward(x, attention, cos_sin, no_rotation(text_cos_sin))


class GeluMLP(offset_gpt.MLP):
    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class StartedMLP(offset_gpt.MLP):
    """Its output projection does not start at zero."""

    def __init__(self, width):
        super().__init__(width)
        torch.nn.init.normal_(self.down.weight, std=0.02)


class IndependentSlot(offset_gpt.SlotHead):
    """A radius that does not know its theta."""

    def forward(self, hidden, before):
        return super().forward(hidden, before * 0)


def patch(name, value):
    return mock.patch.object(offset_gpt, name, value)


# Name: (what is changed, settings of train.py, patches made anew for each run).
VARIANTS = {
    "base": ("nothing", {}, lambda: []),
    "published-block": (
        "the published model, two positions an offset, in this recipe",
        {"model": "token"},
        lambda: [],
    ),
    "adamw": ("AdamW for all weights", {"optimizer": "adamw"}, lambda: []),
    "adamw-slow": (
        "AdamW for all weights, at 2e-3",
        {"optimizer": "adamw", "learning_rate": 2e-3},
        lambda: [],
    ),
    "muon-fast": ("Muon at 0.04", {"muon_learning_rate": 0.04}, lambda: []),
    "muon-slow": ("Muon at 0.01", {"muon_learning_rate": 0.01}, lambda: []),
    "rates-half": ("AdamW at half its rate", {"learning_rate": 4e-3}, lambda: []),
    "rates-double": ("AdamW at twice its rate", {"learning_rate": 16e-3}, lambda: []),
    "newton-schulz-3": (
        "3 Newton-Schulz steps instead of 5",
        {},
        lambda: [mock.patch.object(optim, "NEWTON_SCHULZ_STEPS", 3)],
    ),
    "no-cooldown": ("constant learning rate", {"cooldown_fraction": 0.0}, lambda: []),
    "average": (
        "constant learning rate, and the mean of the weights over the last fifth",
        {"cooldown_fraction": 0.0},
        lambda: [],
    ),
    "batch-4": ("4 examples a step", {"batch_size": 4}, lambda: []),
    "batch-8": ("8 examples a step", {"batch_size": 8}, lambda: []),
    "batch-16": ("16 examples a step", {"batch_size": 16}, lambda: []),
    "batch-32": ("32 examples a step", {"batch_size": 32}, lambda: []),
    "one-word": ("examples of one word", {"num_words": 1}, lambda: []),
    "augment-more": (
        "slant, size and rotation vary half as much again, and twice",
        {"shear_width": 0.6, "scale_width": 0.3, "rotation_width": 0.08},
        lambda: [],
    ),
    "augment-less": (
        "slant, size and rotation vary half as much",
        {"shear_width": 0.2, "scale_width": 0.1, "rotation_width": 0.02},
        lambda: [],
    ),
    "rms-norm": (
        "RMSNorm written out instead of a LayerNorm without gain",
        {},
        lambda: [
            patch("norm", rms_norm),
            mock.patch.object(attention, "norm", rms_norm),
        ],
    ),
    "gelu": ("GELU instead of squared ReLU", {}, lambda: [patch("MLP", GeluMLP)]),
    "mlp-4": ("MLPs 4 wide instead of 2", {}, lambda: [patch("MLP_EXPANSION", 4)]),
    "not-from-zero": (
        "MLPs that do not start at zero",
        {},
        lambda: [patch("MLP", StartedMLP)],
    ),
    "embeddings-0.5": (
        "embeddings drawn with deviation 0.5",
        {},
        lambda: [patch("EMBEDDING_INIT_STD", 0.5)],
    ),
    "no-rotary": (
        "no rotary positions in self-attention",
        {},
        lambda: [patch("OffsetBlock", StillBlock)],
    ),
    "no-paper-turns": (
        "cross-attention without turns by place on paper",
        {},
        lambda: [patch("OffsetBlock", UncountedBlock)],
    ),
    "text-everywhere": (
        "cross-attention in every block",
        {},
        lambda: [block_with(lambda layer: True)],
    ),
    "text-once": (
        "cross-attention in the second block only",
        {},
        lambda: [block_with(lambda layer: layer == 1)],
    ),
    "no-recent": (
        "positions do not see the last offsets as numbers",
        {},
        lambda: [trajectory_encoder_without(True, False)],
    ),
    "no-pen": (
        "positions do not see where the pen is",
        {},
        lambda: [trajectory_encoder_without(False, True)],
    ),
    "no-convolution": (
        "no convolution over the text",
        {},
        lambda: [mock.patch.object(text_encoder, "TEXT_KERNEL", 1)],
    ),
    "independent": (
        "radius predicted without knowing theta",
        {},
        lambda: [patch("SlotHead", IndependentSlot)],
    ),
    "wide-2": (
        "2 blocks of width 192, 6 heads",
        {"n_layer": 2, "n_embd": 192, "n_embd_context": 192, "n_head": 6, "n_ctx_head": 6},
        lambda: [],
    ),
    "wide-3": (
        "3 blocks of width 128, 4 heads",
        {"n_layer": 3, "n_embd": 128, "n_embd_context": 128, "n_head": 4, "n_ctx_head": 4},
        lambda: [],
    ),
    "deep-6": ("6 blocks", {"n_layer": 6}, lambda: []),
    "six-heads": ("6 heads of 16", {"n_head": 6, "n_ctx_head": 6}, lambda: []),
}


def run(name, steps, rest):
    """Train one variant; returns nats per offset, seconds, tokens a second, and what `misread` finds."""
    what, settings, patches = VARIANTS[name]
    given = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    base, config = (get_all_args(argv=["--wandb", "off", *rest, *words]) for words in ([], given))
    words_a_step = [c.batch_size * (c.min_words + c.num_words) for c in (base, config)]
    steps = max(1, steps * words_a_step[0] // words_a_step[1])  # so that all see as much ink
    config = replace(config, max_steps=steps, warmup_steps=min(base.warmup_steps, steps // 20))
    with ExitStack() as stack:
        for change in patches():
            stack.enter_context(change)
        trainer = Trainer.start(config, warn=lambda sentence: None)
        mean, n_mean, tokens, start = None, 0, torch.zeros(()), time.perf_counter()
        for step in range(steps):
            tokens += trainer.train_step()[1].cpu()
            if name == "average" and step >= 0.8 * steps:
                n_mean += 1
                mean = mean or copy.deepcopy(trainer.model)
                for a, b in zip(mean.parameters(), trainer.model.parameters()):
                    a.data.lerp_(b.data, 1 / n_mean)
        seconds = time.perf_counter() - start
        trainer.model = mean or trainer.model
        return trainer.evaluate("test")[1], seconds, float(tokens) / seconds, misread(trainer)


def misread(trainer):
    """Character error rates of English and of held-out words over SEEDS, graded; nothing where there is no recognizer."""
    c, tokenizer, words = trainer.config, trainer.loader.tokenizer, trainer.loader.words
    folder = find_recognizers(c.recognizer_dir, trainer.bank_digest)
    if folder is None:
        return []
    recognizer = load_recognizer(recognizer_path(folder, EVALUATION), c.device)
    english = text_sets(tokenizer.alphabet, [words[i].text for i in trainer.loader.train_ids])[0][
        "English"
    ]
    rates = []
    for texts in (english, [words[i].text for i in trainer.loader.test_ids]):
        inks = [
            word.points
            for seed in SEEDS
            for word in generate_words(
                trainer.model.eval(), tokenizer, texts, c.min_words, seed=seed
            )
        ]
        rates.append(ErrorRate.from_readings(texts * len(SEEDS), recognizer.read(inks)).cer)
    return rates


def main():
    options, given = take_options(sys.argv[1:], {"steps": "300", "threads": "0"})
    names, rest, words = [], [], iter(given)
    for word in words:
        if word.startswith("--"):
            rest += [word, next(words, "")]
        else:
            names.append(word)
    names = list(VARIANTS) if names == ["all"] else names
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not options["steps"].isdigit() or not options["threads"].isdigit():
        raise UserError(
            f"there is no variant {unknown[0]!r}"
            if unknown
            else "--steps and --threads take whole numbers"
        )
    if int(options["threads"]):
        torch.set_num_threads(int(options["threads"]))
    for name in names or VARIANTS:
        if not names:
            print(f"{name:18} {VARIANTS[name][0]}")
            continue
        loss, seconds, speed, rates = run(name, int(options["steps"]), rest)
        print(
            f"| {name} | {VARIANTS[name][0]} | {seconds:.0f} | {loss:.3f} | {speed:,.0f} | "
            + " | ".join(f"{rate:.2%}" for rate in rates),
            flush=True,
        )


if __name__ == "__main__":
    run_script(main)
