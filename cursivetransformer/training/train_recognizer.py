"""Training of recognizers: two of them on disjoint halves of a bank's training words, so that one may choose what the other grades."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from cursivetransformer.bank.registry import bank_name, load_banks
from cursivetransformer.data.dataloader import mix
from cursivetransformer.data.dataset import split_words
from cursivetransformer.ink.distort import PAIR_PROBABILITY, distort, side_by_side
from cursivetransformer.ink.strokes import resize
from cursivetransformer.models.text_encoder import remap_character_rows
from cursivetransformer.recognition.error_rate import read_back
from cursivetransformer.recognition.features import FeatureGrid, count_columns
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    Recognizer,
    RecognizerConfig,
    load_recognizer,
    recognizer_path,
    save_recognizer,
)
from cursivetransformer.synthesis.online import synthesize_batch
from cursivetransformer.training.optim import set_learning_rates
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error

HALVES, EXAMPLES = 3, 4  # streams of random numbers of a seed, after those of `stream.py`
READING = 1_000_000  # number of the batch of fresh words that recognizers learn: one that no model comes to
SORTED_BATCHES = 4
WIDEST = 2_000  # columns of a training word, which bounds the memory of a batch: about 160 letters
WARMUP_STEPS = 50
WEIGHT_DECAY = 0.05
GRAD_CLIP = 1.0
# What of the settings makes a recognizer another one.
RECIPE = (
    "max_steps",
    "batch_size",
    "learning_rate",
    "synthetic_words",
    "synthetic_named_fraction",
    "synthetic_fonts",
    "start_from",
    "replay",
    "own_fraction",
)
MODEL_RATE = 0.65  # of the points dropped, as the model's ink is by default


def train_recognizers(config, say=print, show_progress=False):
    """Train both recognizers as `config` (a `config.RecognizerTrainingConfig`) says; returns the folder they were written to."""
    words, digest = load_banks(config.dataset_name, config.strict, say)
    words = [
        dataclasses.replace(word, points=resize(word.points, config.ink_scale)) for word in words
    ]
    train_ids, test_ids = split_words(words, config.test_fraction, config.seed)
    held_out = {words[i].text for i in test_ids}
    n_words = len(words)
    words = (
        words
        + [word for word in synthesize_batch(words, config, READING) if word.text not in held_out]
        if config.synthetic_words
        else words
    )
    beside = (
        [
            word
            for word in load_banks(config.replay, config.strict, say)[0]
            if word.text not in held_out
        ]
        if config.replay
        else []
    )
    halves = split_halves(words, np.append(train_ids, np.arange(n_words, len(words))), config.seed)
    folder = Path(config.out or Path(config.recognizer_dir) / bank_name(config.dataset_name))
    with as_user_error(folder):  # before the work, not after it
        folder.mkdir(parents=True, exist_ok=True)
    alphabet = alphabet_of(words + beside)
    say(
        f"{len(halves[0])} and {len(halves[1])} training words, {len(test_ids)} held out, {len(alphabet) - 1} characters"
    )
    for number, (half, ids) in enumerate(zip((SELECTION, EVALUATION), halves)):
        before = (
            load_recognizer(recognizer_path(Path(config.start_from), half), config.device)
            if config.start_from
            else None
        )
        wanted, chosen = plan_recognizer(
            [words[i] for i in ids], alphabet, digest, config, half, before, say
        )
        path = folder / f"{half}.pt"
        if _is_there(path, wanted):
            say(f"{half} recognizer: trained already with these settings, {path} stays")
            continue
        start = time.monotonic()
        # Two recognizers that have nothing in common but the method, and what they replay.
        recognizer = train_recognizer(wanted, chosen, beside, config, number, before, show_progress)
        told = measure_recognizer(recognizer, [words[i] for i in test_ids])
        save_recognizer(path, recognizer)
        say(
            f"{half} recognizer, {recognizer.n_parameters:,} weights, {time.monotonic() - start:.0f} s: {told}"
        )
    return folder


def alphabet_of(words):
    """The characters of words, and the space that stands between two."""
    return "".join(sorted(set("".join(word.text for word in words)) | {" "}))


def plan_recognizer(words, alphabet, digest, config, half, before, say):
    """The `RecognizerConfig` of a recognizer of `words`, which begins with the recognizer `before` or None, and which of the words it can learn."""
    frame = FeatureGrid(**before.config.frame) if before else FeatureGrid.from_words(words)
    chosen = [word for word in words if count_columns(word.points, frame) <= WIDEST]
    if len(chosen) < len(words):
        say(
            f"left out {len(words) - len(chosen)} of {len(words)} words whose ink is far wider than the others'"
        )
    recipe = {name: getattr(config, name) for name in RECIPE}
    alphabet = "".join(sorted(set(alphabet) | set(before.config.alphabet))) if before else alphabet
    return RecognizerConfig(
        alphabet,
        frame.as_dict(),
        digest,
        config.seed,
        config.test_fraction,
        half,
        len(chosen),
        recipe,
        ink_scale=config.ink_scale,
    ), chosen


def train_recognizer(wanted, words, beside, config, number, before=None, show_progress=False):
    """A `Recognizer` of `words`, which `plan_recognizer` chose, and of others `beside` in the shares that `config.own_fraction` says."""
    torch.manual_seed(config.seed + number)
    recognizer = Recognizer(wanted, config.device)
    if before:
        weights = before.net.state_dict()
        for name in ("head.weight", "head.bias"):
            weights[name] = remap_character_rows(
                weights[name], before.config.alphabet, wanted.alphabet
            )
        recognizer.net.load_state_dict(weights)
    words = words + beside
    ids = mix(
        [np.arange(wanted.n_words), np.arange(wanted.n_words, len(words))], [config.own_fraction]
    )
    _fit(
        recognizer,
        [words[i] for i in ids],
        config,
        np.random.default_rng([config.seed, EXAMPLES, number]),
        show_progress,
    )
    return recognizer


def measure_recognizer(recognizer, words):
    """Measure a recognizer on held-out words, note its error in its config, and return a sentence about it."""
    recorded, thinned = (read_back(recognizer, words, rate) for rate in (0, MODEL_RATE))
    recognizer.config.error = recorded.cer
    return (
        f"of the held-out words' characters {recorded.cer:.2%} are misread, of the words {recorded.wer:.2%}; "
        f"with {MODEL_RATE:.0%} of the points dropped {thinned.cer:.2%} and {thinned.wer:.2%}"
    )


def _is_there(path, config):
    """Whether the file holds a recognizer of this `RecognizerConfig`, so that what was finished before an interruption need not be done again."""
    try:
        return dataclasses.replace(load_recognizer(path).config, error=None) == config
    except UserError:
        return False


def split_halves(words, ids, seed):
    """The words `ids` in two halves that share no text."""
    texts = sorted({words[i].text for i in ids})
    if len(texts) < 2:
        raise UserError("two recognizers need training words of two different texts at least")
    first = {texts[i] for i in np.random.default_rng([seed, HALVES]).permutation(len(texts))[::2]}
    here = np.array([words[i].text in first for i in ids])
    return ids[here], ids[~here]


def batches(rng, words, size):
    """Endless lists of `size` distorted inks with their texts: single words, and two side by side.

    Several batches are drawn at once and their examples sorted, so that those of like width stand together and little is padding.
    """
    while True:
        examples = []
        for _ in range(SORTED_BATCHES * size):
            chosen = [
                words[i]
                for i in rng.integers(len(words), size=1 + (rng.random() < PAIR_PROBABILITY))
            ]
            examples.append(
                side_by_side(
                    [distort(word.points, rng) for word in chosen],
                    [word.text for word in chosen],
                    rng,
                )
            )
        examples.sort(key=lambda example: np.ptp(example[0][:, 0]))
        for batch in rng.permutation(SORTED_BATCHES):
            yield examples[batch * size : (batch + 1) * size]


def _fit(recognizer, words, config, rng, show_progress):
    matrices = [p for p in recognizer.net.parameters() if p.ndim > 1]
    vectors = [p for p in recognizer.net.parameters() if p.ndim <= 1]
    rate = config.learning_rate
    optimizer = torch.optim.AdamW(
        [
            dict(params=matrices, weight_decay=WEIGHT_DECAY, full_lr=rate),
            dict(params=vectors, weight_decay=0.0, full_lr=rate),
        ],
        rate,
    )
    examples, warmup = (
        batches(rng, words, config.batch_size),
        min(WARMUP_STEPS, 1 + config.max_steps // 10),
    )
    recognizer.net.train()
    with tqdm(
        range(config.max_steps),
        desc=f"{recognizer.config.half} recognizer",
        unit="step",
        disable=None if show_progress else True,
        leave=False,
    ) as bar:
        for step in bar:
            set_learning_rates([optimizer], min((step + 1) / warmup, 1 - step / config.max_steps))
            loss = ctc_loss(recognizer, *zip(*next(examples)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(recognizer.net.parameters(), GRAD_CLIP)
            optimizer.step()
            if step % 10 == 0:
                bar.set_postfix_str(f"{loss.item():.3f} nats/character")


def ctc_loss(recognizer, inks, texts):
    """Nats per character of a batch."""
    logits, frames = recognizer.logits(inks)
    targets, lengths = (
        [c for text in texts for c in recognizer.encode(text)],
        [len(text) for text in texts],
    )
    # On the CPU: its lengths may be tensors of the host. A text too long for its ink's frames has no loss.
    nll = F.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1).cpu(),
        torch.tensor(targets),
        frames,
        torch.tensor(lengths),
        reduction="sum",
        zero_infinity=True,
    )
    return nll / sum(lengths)
