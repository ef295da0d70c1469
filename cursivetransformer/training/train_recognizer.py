"""Train the two recognizers of a bank, on halves of its training words that share no text.

One of them selects among versions of a word, and the other one evaluates what was selected.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.bank.registry import bank_name, load_banks
from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import RecognizerTrainingConfig
from cursivetransformer.data.dataloader import mix
from cursivetransformer.data.dataset import own_words, split_words
from cursivetransformer.ink.distort import PAIR_PROBABILITY, distort, side_by_side
from cursivetransformer.ink.stance import Stance
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
from cursivetransformer.training.optim import (
    check_optimizer_state,
    optimizer_state,
    restore_optimizer,
    set_learning_rates,
)
from cursivetransformer.training.progress import (
    Console,
    Progress,
    Stage,
    format_misread,
    random_states,
    restore_random_states,
)
from cursivetransformer.training.threads import ThreadTuner
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.lock import locked_folder
from cursivetransformer.utils.serialization import check_weights, read_content, write_content
from cursivetransformer.utils.signals import Stopped, signals_interrupt, stop_signals

# Streams of random numbers of a seed, after those of the data loader.
HALVES, EXAMPLES = 3, 4
# Number of the batch of synthetic words for recognizers; the training of a model never reaches it.
SYNTHETIC_BATCH = 1_000_000
SORTED_BATCHES = 4  # batches whose examples are sorted together
MAX_COLUMNS = 2_000  # of a training word, about 160 letters: bounds the memory of a batch
WARMUP_STEPS = 50
WEIGHT_DECAY = 0.05
GRAD_CLIP = 1.0
MODEL_RATE = 0.65  # fraction of the points dropped, as in the model's ink by default
# The settings that make a difference to the recognizer; they are stored with it.
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

# What a file that holds an unfinished training is, and the seconds between two writings of it.
KIND, FORMAT = "recognizer training", 1
SAVE_SECONDS = 5.0
STEP_COST = 0.25  # seconds of a step on one core

Example = tuple[np.ndarray, str]  # ink (n, 3) and its text
# Takes the number of steps made and the loss; first, the steps of an earlier time and None.
OnStep = Callable[[int, float | None], object]


def train_recognizers(
    config: RecognizerTrainingConfig,
    say: Callable[[str], object] = print,
    show_progress: bool = False,
) -> Path:
    """Train both recognizers of a bank; return the folder that holds them.

    A recognizer that was trained already with the same settings is kept, and one whose training
    was stopped goes on from there. Raises `UserError`, and SystemExit after a signal.
    """
    folder = Path(config.out or Path(config.recognizer_dir) / bank_name(config.dataset_name))
    with signals_interrupt(), locked_folder(folder, say):
        return _train_recognizers(config, folder, say, show_progress)


def _train_recognizers(
    config: RecognizerTrainingConfig,
    folder: Path,
    say: Callable[[str], object],
    show_progress: bool,
) -> Path:
    names = (SELECTION, EVALUATION)
    stages = [Stage(f"the {name} recognizer learns", config.max_steps, STEP_COST) for name in names]
    progress = Progress(stages, Console(say, show_progress))
    say = progress.console.say
    words, digest = load_banks(config.dataset_name, config.strict, say)
    words = own_words(words, config)
    train_ids, test_ids = split_words(words, config.test_fraction, config.seed)
    test_words = [words[i] for i in test_ids]
    held_out = {word.text for word in test_words}
    n_words = len(words)
    if config.synthetic_words:
        synthetic = synthesize_batch(words, config, SYNTHETIC_BATCH)
        words = words + [word for word in synthetic if word.text not in held_out]
    replay = []
    if config.replay:
        replayed = load_banks(config.replay, config.strict, say)[0]
        replay = [word for word in replayed if word.text not in held_out]
    halves = split_halves(words, np.append(train_ids, np.arange(n_words, len(words))), config.seed)
    alphabet = alphabet_of(words + replay)
    say(
        f"{len(halves[0])} and {len(halves[1])} training words, {len(test_ids)} held out, "
        f"{len(alphabet) - 1} characters"
    )
    for index, (half, ids) in enumerate(zip(names, halves)):
        initial = None
        if config.start_from:
            initial_path = recognizer_path(Path(config.start_from), half)
            initial = load_recognizer(initial_path, config.device)
        wanted, chosen = plan_recognizer(
            [words[i] for i in ids], alphabet, digest, config, half, initial, say
        )
        path = folder / f"{half}.pt"
        present = recognizer_path(folder, half)
        if _is_trained(present, wanted):
            say(f"{half} recognizer: trained already with these settings, {present} stays")
            _add_stances(present, chosen, config.device)
            progress.begin(stages[index].name, config.max_steps)
            continue
        start = time.monotonic()
        unfinished = folder / f"{half}-training.pt"
        on_step = show_steps(progress, stages[index].name)
        try:
            recognizer = train_recognizer(
                wanted, chosen, replay, config, index, initial, unfinished, on_step
            )
        except Stopped as stopped:
            say("stopped; the same command goes on from here")
            raise SystemExit(128 + stopped.args[0]) from None
        errors = measure_recognizer(recognizer, test_words)
        save_recognizer(path, recognizer)
        unfinished.unlink(missing_ok=True)
        say(
            f"the {half} recognizer ({recognizer.n_parameters:,} weights, "
            f"{time.monotonic() - start:.0f} s) {errors}"
        )
    return folder


def show_steps(progress: Progress, name: str) -> OnStep:
    """Return what shows the steps of a recognizer's training as the stage `name`."""

    def on_step(step: int, loss: float | None) -> None:
        if loss is None:
            progress.begin(name, step)
            return
        progress.reach(name, step)
        total = progress.stages[name].total
        progress.show(name, f"step {step}/{total}, loss {loss:.3f} nats per character")

    return on_step


def alphabet_of(words: Sequence[Word]) -> str:
    """Return the sorted characters of words, and the space that stands between two words."""
    return "".join(sorted(set("".join(word.text for word in words)) | {" "}))


def plan_recognizer(
    words: Sequence[Word],
    alphabet: str,
    digest: str,
    config: RecognizerTrainingConfig,
    half: str,
    initial: Recognizer | None,
    say: Callable[[str], object],
) -> tuple[RecognizerConfig, list[Word]]:
    """Return what a recognizer will be, and the words that it can learn.

    Args:
        words: training words of this recognizer.
        alphabet: characters to read; those of `initial` are added.
        digest: of the bank.
        config: settings of the training.
        half: which of the two recognizers.
        initial: the recognizer to initialize from, or None.
        say: takes a note if words are too wide.
    """
    grid = FeatureGrid(**initial.config.frame) if initial else FeatureGrid.from_words(words)
    chosen = [word for word in words if count_columns(word.points, grid) <= MAX_COLUMNS]
    if len(chosen) < len(words):
        say(
            f"left out {len(words) - len(chosen)} of {len(words)} words "
            "whose ink is far wider than the others'"
        )
    if initial:
        alphabet = "".join(sorted(set(alphabet) | set(initial.config.alphabet)))
    planned = RecognizerConfig(
        alphabet,
        grid.as_dict(),
        digest,
        config.seed,
        config.test_fraction,
        half,
        len(chosen),
        {name: getattr(config, name) for name in RECIPE},
        ink_scale=config.ink_scale,
    )
    return planned, chosen


def train_recognizer(
    planned: RecognizerConfig,
    words: Sequence[Word],
    replay: Sequence[Word],
    config: RecognizerTrainingConfig,
    index: int,
    initial: Recognizer | None = None,
    unfinished: Path | None = None,
    on_step: OnStep | None = None,
) -> Recognizer:
    """Train a recognizer on words that `plan_recognizer` chose.

    Args:
        planned: what the recognizer will be.
        words: the chosen words.
        replay: words of another bank; `config.own_fraction` of the examples are of `words`.
        config: settings of the training.
        index: which recognizer of the seed; each has its own weights and examples.
        initial: the recognizer to initialize from, or None.
        unfinished: file that keeps the training while it goes on. If it holds this training, it
            goes on from there, exactly as if it had never been stopped.
        on_step: is told how far the training is.

    Raises:
        Stopped: after a signal; the file holds all that was done.
    """
    torch.manual_seed(config.seed + index)
    recognizer = Recognizer(planned, config.device)
    if initial:
        recognizer.net.load_state_dict(_remapped_weights(initial, planned.alphabet))
    mixed = [*words, *replay]
    ids = mix(
        [np.arange(planned.n_words), np.arange(planned.n_words, len(mixed))],
        [config.own_fraction],
    )
    rng = np.random.default_rng([config.seed, EXAMPLES, index])
    _fit(recognizer, [mixed[i] for i in ids], config, rng, unfinished, on_step)
    recognizer.config.stances = measure_stances(words, recognizer)
    return recognizer


def measure_stances(words: Sequence[Word], recognizer: Recognizer) -> dict[str, dict[str, Any]]:
    """Measure how the letters of each author stand and join: plain values by author.

    An author is left out if no word tells the x-height.
    """
    inks, texts = [word.points for word in words], [word.text for word in words]
    centers = recognizer.align(inks, texts)
    stances = {}
    for author in dict.fromkeys(word.author for word in words):
        of_author = [i for i, word in enumerate(words) if word.author == author]
        stance = Stance.from_words(
            [inks[i] for i in of_author],
            [texts[i] for i in of_author],
            [centers[i] for i in of_author],
        )
        if stance:
            stances[author] = stance.as_dict()
    return stances


def measure_recognizer(recognizer: Recognizer, words: Sequence[Word]) -> str:
    """Measure a recognizer on held-out words; store its error, and return a sentence about it."""
    recorded, thinned = (read_back(recognizer, words, rate) for rate in (0, MODEL_RATE))
    recognizer.config.error = recorded.cer
    return (
        f"misreads {format_misread(recorded.cer)} of held-out ink "
        f"({recorded.cer:.2%} of the characters, {recorded.wer:.2%} of the words; "
        f"with {MODEL_RATE:.0%} of the points dropped {thinned.cer:.2%} and {thinned.wer:.2%})"
    )


def split_halves(
    words: Sequence[Word], ids: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split word ids into halves that share no text. Raises `UserError` for a single text."""
    texts = sorted({words[i].text for i in ids})
    if len(texts) < 2:
        raise UserError("two recognizers need training words of two different texts at least")
    order = np.random.default_rng([seed, HALVES]).permutation(len(texts))
    first = {texts[i] for i in order[::2]}
    in_first = np.array([words[i].text in first for i in ids])
    return ids[in_first], ids[~in_first]


def batches(rng: np.random.Generator, words: Sequence[Word], size: int) -> Iterator[list[Example]]:
    """Yield batches of distorted ink without end: single words, and two side by side.

    Several batches are sampled at once and their examples sorted by width, so that there is little
    padding.
    """
    while True:
        examples = [_sample_example(rng, words) for _ in range(SORTED_BATCHES * size)]
        examples.sort(key=lambda example: np.ptp(example[0][:, 0]))
        for batch in rng.permutation(SORTED_BATCHES):
            yield examples[batch * size : (batch + 1) * size]


def ctc_loss(
    recognizer: Recognizer, inks: Sequence[np.ndarray], texts: Sequence[str]
) -> torch.Tensor:
    """Return the CTC loss of a batch, in nats per character."""
    logits, frames = recognizer.logits(inks)
    targets = [class_id for text in texts for class_id in recognizer.encode(text)]
    lengths = [len(text) for text in texts]
    # On the CPU, where the lengths may be. A text too long for its ink's frames has no loss.
    nll = F.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1).cpu(),
        torch.tensor(targets),
        frames,
        torch.tensor(lengths),
        reduction="sum",
        zero_infinity=True,
    )
    return nll / sum(lengths)


def _is_trained(path: Path, planned: RecognizerConfig) -> bool:
    """Return whether the file holds this recognizer, finished before an interruption."""
    try:
        found = load_recognizer(path).config
        return planned == dataclasses.replace(
            found, error=None, stances={}, version=planned.version
        )
    except UserError:
        return False


def _add_stances(path: Path, words: Sequence[Word], device: str) -> None:
    """Store how the hands of its words stand with a recognizer of a version that did not."""
    recognizer = load_recognizer(path, device)
    if not recognizer.config.stances:
        recognizer.config.stances = measure_stances(words, recognizer)
        save_recognizer(path, recognizer)


def _remapped_weights(initial: Recognizer, alphabet: str) -> dict[str, torch.Tensor]:
    """Return the weights of a recognizer with one class for each character of `alphabet`."""
    weights = initial.net.state_dict()
    for name in ("head.weight", "head.bias"):
        weights[name] = remap_character_rows(weights[name], initial.config.alphabet, alphabet)
    return weights


def _sample_example(rng: np.random.Generator, words: Sequence[Word]) -> Example:
    n_words = 1 + (rng.random() < PAIR_PROBABILITY)
    chosen = [words[i] for i in rng.integers(len(words), size=n_words)]
    inks = [distort(word.points, rng) for word in chosen]
    return side_by_side(inks, [word.text for word in chosen], rng)


def _fit(
    recognizer: Recognizer,
    words: Sequence[Word],
    config: RecognizerTrainingConfig,
    rng: np.random.Generator,
    unfinished: Path | None,
    on_step: OnStep | None,
) -> None:
    """Run the training loop, with AdamW and a linear schedule."""
    rate, net = config.learning_rate, recognizer.net
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    groups = [
        dict(params=matrices, weight_decay=WEIGHT_DECAY, full_lr=rate),
        dict(params=vectors, weight_decay=0.0, full_lr=rate),
    ]
    optimizer = torch.optim.AdamW(groups, rate)
    first = _restore(unfinished, recognizer, optimizer, rng) if unfinished else 0
    examples = batches(rng, words, config.batch_size)
    warmup = min(WARMUP_STEPS, 1 + config.max_steps // 10)
    net.train()
    saved = time.monotonic()
    if on_step:
        on_step(first, None)
    with stop_signals() as stop, ThreadTuner(config.threads) as threads:
        for step in range(first, config.max_steps):
            set_learning_rates([optimizer], min((step + 1) / warmup, 1 - step / config.max_steps))
            inks, texts = zip(*next(examples))
            loss = ctc_loss(recognizer, inks, texts)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), GRAD_CLIP)
            optimizer.step()
            is_last = step + 1 == config.max_steps
            # In between, batches are waiting that were sampled together.
            if (step + 1) % SORTED_BATCHES and not is_last:
                continue
            if config.device == "cpu":
                threads.note(SORTED_BATCHES)
            if on_step:
                on_step(step + 1, loss.item())
            due = stop.signal or is_last or time.monotonic() - saved > SAVE_SECONDS
            if unfinished and due:
                _save(unfinished, recognizer, optimizer, rng, step + 1)
                saved = time.monotonic()
                threads.pause()
            if stop.signal:
                raise Stopped(stop.signal)


def _save(
    path: Path,
    recognizer: Recognizer,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    step: int,
) -> None:
    """Write an unfinished training to a file."""
    content = {
        "kind": KIND,
        "format": FORMAT,
        "version": recognizer.config.version,
        "planned": dataclasses.asdict(recognizer.config),
        "step": step,
        "weights": recognizer.net.state_dict(),
        "optimizer": optimizer_state(optimizer),
        "examples": rng.bit_generator.state,
        **random_states(),
    }
    write_content(path, content)


def _restore(
    path: Path,
    recognizer: Recognizer,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> int:
    """Go on with the unfinished training of a file; return its steps, 0 if it is another one."""

    def build(content: dict[str, Any]) -> int:
        if content["planned"] != dataclasses.asdict(recognizer.config):
            return 0
        # All is checked before any of it is used.
        check_weights(recognizer.net, content["weights"])
        check_optimizer_state(optimizer, content["optimizer"], "optimizer")
        np.random.default_rng().bit_generator.state = content["examples"]
        step = int(content["step"])
        restore_random_states(content)
        recognizer.net.load_state_dict(content["weights"])
        restore_optimizer(optimizer, content["optimizer"])
        rng.bit_generator.state = content["examples"]
        return step

    try:
        return read_content(path, KIND, FORMAT, "", build)
    except UserError:  # none yet, or it cannot be used
        return 0
