"""Build a training run: a new one, a resumed one, or one that fine-tunes a model to a new hand.

Everything that a `Trainer` needs is made here: words, model, data loader, optimizers, recognizer,
and the mixture of replayed, spliced and synthetic words.
"""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from cursivetransformer.bank.authors import author_names, describe_hands
from cursivetransformer.bank.coverage import tell_advice
from cursivetransformer.bank.registry import bank_name, load_banks
from cursivetransformer.bank.word import Word, mean_character_width
from cursivetransformer.config import train as configs
from cursivetransformer.config.args import public_values
from cursivetransformer.config.train import Config
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.dataset import own_words
from cursivetransformer.data.tokenizer import Tokenizer, fold_text, make_tokenizer
from cursivetransformer.models.base import Model
from cursivetransformer.models.checkpoint import (
    BASE,
    SHIPPED,
    STARTED,
    Checkpoint,
    export,
    find_run,
    find_run_by_id,
    load_checkpoint,
    stored_config,
)
from cursivetransformer.models.factory import make_model
from cursivetransformer.models.loss import BatchLoss
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.text_encoder import remap_character_rows
from cursivetransformer.recognition.recognizer import (
    Recognizer,
    find_selection_recognizer,
    recognizer_from_state,
)
from cursivetransformer.synthesis.concatenative import make_spliced_words
from cursivetransformer.synthesis.online import OnlineSynthesizer
from cursivetransformer.training.distributed import ProcessGroup, process_group
from cursivetransformer.training.finetune import (
    NEAREST_HAND,
    RECOGNIZER_STATE,
    SPLICING,
    NewHand,
    check_enough_words,
    choose_settings,
    hand_stages,
    init_author_embeddings,
    known_authors,
    load_replay,
    train_hand_recognizer,
)
from cursivetransformer.training.optim import make_optimizers
from cursivetransformer.training.progress import Console, Progress
from cursivetransformer.training.samples import draw_samples, reading_error
from cursivetransformer.training.step import needs_fixed_shapes
from cursivetransformer.training.tracking import fetch_checkpoint
from cursivetransformer.training.trainer import (
    Callbacks,
    Trainer,
    TrainingState,
    training_stages,
)
from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.io import as_user_error, atomic_path, read_regular
from cursivetransformer.utils.lock import locked_folder
from cursivetransformer.utils.schema import from_plain
from cursivetransformer.utils.serialization import fitting
from cursivetransformer.utils.signals import Stopped, signals_interrupt

Say = Callable[[str], object]

# Settings that may differ from the checkpoint's when a run is resumed. Any other would make it
# another run.
MAY_CHANGE = {
    "max_steps",
    "print_every",
    "log_every",
    "device",
    "compile",
    "cuda_graph",
    "threads",
    "run_dir",
    "dataset_name",
    "resume",
    "local_checkpoint_path",
    "strict",
    "load_from_run_id",
    "recognizer_dir",
    "read_words",
    "monitor",
    "monitor_start",
    "patience",
    "wandb",
    "wandb_entity",
    "wandb_project",
    "wandb_run_name",
    "wandb_api_key",
}
# Settings that are taken from the model that a run is initialized from.
SHAPE = ("model", "n_layer", "n_embd", "n_head", "n_ctx_head", "n_embd_context", "tokenizer")
MAX_SETTINGS_BYTES = 1 << 20  # of the settings of a run without a checkpoint
DRIVER_SECONDS = 20  # for the driver to list its cards
MAX_SYNTHESIZERS = 16  # processes that write words; each takes some 100 MB of memory
MIN_TEXT = 64  # characters of context, however short the words of the bank are
# Weights of a model that have a row for each character id.
CHARACTER_WEIGHTS = {"text.chars.weight", "widths"}


def train(config: Config, warn: Say = print) -> Path:
    """Train, or resume, as `config` says; under torchrun together with its other processes.

    Returns:
        The path of the best checkpoint.

    Raises:
        UserError: if something does not fit.
        SystemExit: after a signal, with all saved that was done.
    """
    with process_group(config) as (group, device):
        config = configs.replace(config, device=device)
        if not group.first:
            warn = _say_nothing
        tell_unused_card(config, warn)
        source = group.broadcast(lambda: checkpoint_to_resume(config))
        folder = source.parent if source else group.broadcast(lambda: new_folder(config))
        lock = locked_folder(folder, warn) if group.first else nullcontext()
        try:
            with signals_interrupt(), lock:
                if source is None:
                    trainer = new_run(config, warn, group, folder)
                elif source.name == STARTED:
                    trainer = resume_start(source, config, warn, group)
                else:
                    trainer = resume_run(source, config, warn, group)
                return trainer.run()
        except KeyboardInterrupt as interrupt:
            if any((folder / name).exists() for name in (STARTED, "last.pt")):
                warn(f"stopped; continue with: {how_to_run('train')} --resume {folder}")
            number = interrupt.args[0] if isinstance(interrupt, Stopped) else signal.SIGINT
            raise SystemExit(128 + number) from None


def tell_unused_card(config: Config, warn: Say) -> None:
    """Say so where training is about to take the CPU although there is an NVIDIA card."""
    if config.device != "cpu" or "device" in config.explicit or not _list_cards():
        return
    built_for = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "has no CUDA"
    warn(
        f"note: there is an NVIDIA card, but torch {torch.__version__} sees none ({built_for}), so "
        "training takes the CPU, which is slow; paperspace.sh installs a torch that fits the "
        "driver, and --device cpu silences this note"
    )


def _list_cards() -> str:
    """Return what the driver's own tool lists, "" where there is no driver."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=DRIVER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listed.stdout if listed.returncode == 0 else ""


def new_run(
    config: Config,
    warn: Say = print,
    group: ProcessGroup | None = None,
    folder: Path | None = None,
) -> Trainer:
    """Build a new run in a folder.

    Its weights are random, or those of `config.start_from`, or it fine-tunes `config.finetune`.
    """
    group = group or ProcessGroup()
    folder = folder or group.broadcast(lambda: new_folder(config))
    group.broadcast(lambda: check_is_new(folder))
    words, digest = load_banks(config.dataset_name, config.strict, warn)
    if config.finetune:
        config = choose_settings(config, words)
        group.broadcast(lambda: tell_advice(words, folder, warn))
        hands = describe_hands(words, config.hands)
        if hands:
            warn(hands)
    else:
        check_enough_words(config, words)
    return _start(config, words, digest, folder, warn, group)


def resume_start(
    path: Path, config: Config, warn: Say = print, group: ProcessGroup | None = None
) -> Trainer:
    """Build a run that was stopped before its first step, from the settings in its folder."""
    stored, digest = load_settings(path)
    config = resumed_config(stored, config, path)
    words = _load_same_bank(config, digest, path, warn)
    warn(f"continuing {path.parent} before its first step")
    return _start(config, words, digest, path.parent, warn, group or ProcessGroup())


def _start(
    config: Config,
    words: Sequence[Word],
    digest: str,
    folder: Path,
    warn: Say,
    group: ProcessGroup,
) -> Trainer:
    """Build a run at its first step; `words` are as recorded."""
    words = own_words(words, config)
    make = init_from if config.start_from else init_randomly
    shaped, model, tokenizer = make(config, words)
    if group.first:
        save_settings(folder, config, digest)
    checkpoint = Checkpoint(model, tokenizer, shaped, {}, digest)
    trainer = _build(checkpoint, words, folder, warn, group)
    if config.finetune:
        progress = trainer.progress
        progress.begin(NEAREST_HAND)
        progress.show(NEAREST_HAND, f"{len(model.config.authors)} hands")
        instead = init_author_embeddings(shaped, trainer.model, trainer.loader)
        trainer.checkpoint.origin["instead"] = instead
        progress.finish(NEAREST_HAND)
    return trainer


def resume_run(
    path: Path, config: Config, warn: Say = print, group: ProcessGroup | None = None
) -> Trainer:
    """Build the run of a checkpoint as it stood; `config` may give what `MAY_CHANGE` lists."""
    group = group or ProcessGroup()
    saved = load_checkpoint(path)
    config = resumed_config(saved.config, config, path)
    words = _load_same_bank(config, saved.bank_digest, path, warn)
    with fitting(path, saved.version):
        step = TrainingState.from_stored(saved.training).step
    is_done = "optimizers" in saved.training and step >= config.max_steps
    # A run that was stopped while it wrote its export has only that to do.
    if is_done and not (config.finetune and not _export_path(path.parent, config).is_file()):
        raise UserError(
            f"{path} has been trained for its {step} steps already; give a larger --max_steps"
        )
    warn(f"continuing {path} at step {step}")
    checkpoint = Checkpoint(saved.model, saved.tokenizer, config, {}, saved.bank_digest)
    if config.finetune:
        checkpoint.recognizer, checkpoint.origin = saved.recognizer, saved.origin
    trainer = _build(checkpoint, own_words(words, config), path.parent, warn, group, step)
    with fitting(path, saved.version):
        trainer.restore(saved.training)
    return trainer


def _load_same_bank(config: Config, digest: str, path: Path, warn: Say) -> list[Word]:
    """Load the bank of a run to resume. Raises `UserError` if it has changed."""
    words, present = load_banks(config.dataset_name, config.strict, warn)
    if present != digest:
        raise UserError(
            f"the bank {config.dataset_name} is not the one that {path} was trained on; "
            "bring that one back, or start a new run"
        )
    return words


@dataclass
class _Started:
    """The types of what `save_settings` writes."""

    bank_digest: str
    settings: dict[str, Any]


def save_settings(folder: Path, config: Config, digest: str) -> None:
    """Write what resuming a run needs before there is a checkpoint."""
    content = {"bank_digest": digest, "settings": public_values(config)}
    with atomic_path(folder / STARTED) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_settings(path: Path) -> tuple[Config, str]:
    """Read what `save_settings` wrote: settings, and digest of the bank. Raises `UserError`."""
    with fitting(path):
        content = json.loads(read_regular(path, MAX_SETTINGS_BYTES))
        started = from_plain(_Started, content)
        return stored_config(started.settings), started.bank_digest


def _build(
    checkpoint: Checkpoint,
    words: Sequence[Word],
    folder: Path,
    warn: Say,
    group: ProcessGroup,
    step: int = 0,
) -> Trainer:
    """Build the trainer of a model.

    Args:
        checkpoint: the model and all that is stored with it. When fine-tuning, the recognizer of a
            resumed run; otherwise it is trained here.
        words: the bank's words in the model's size.
        folder: where the run is written to.
        warn: takes messages.
        group: the processes that train together.
        step: at which the training goes on.
    """
    config = checkpoint.config
    stages = hand_stages(config, checkpoint.recognizer is not None)
    progress = Progress([*stages, *training_stages(config, step)], Console(warn, group.first))
    warn = progress.console.say
    loader = DataLoader(
        words,
        checkpoint.tokenizer,
        config,
        warn,
        group.rank,
        group.size,
        fixed=needs_fixed_shapes(config),
        authors=checkpoint.model.config.authors,
        max_text=checkpoint.model.config.max_text,
    )
    replay = load_replay(config, words, warn)
    model = checkpoint.model.to(config.device)
    optimizers = make_optimizers(model, config)
    loss = BatchLoss(model, config)
    evaluations = {}
    if group.first:
        evaluations = {split: loader.evaluation(split) for split in ("train", "test")}
    spliced: list[Word] = []
    recognizer: Recognizer | None
    if config.finetune:
        checkpoint = _with_hand(checkpoint, loader, replay, folder, progress, group)
        assert checkpoint.recognizer is not None
        recognizer = recognizer_from_state(checkpoint.recognizer, config.device)
        if config.splice_fraction:
            spliced = _splice_words(config, loader, recognizer, progress)
    else:
        recognizer = _find_recognizer(checkpoint, warn) if group.first else None
    synthesizer = None
    if config.synthetic_words:
        synthesizer = OnlineSynthesizer([*words, *replay], config, _spare_cores(config, group))
    mixture = Mixture(loader, replay, spliced, synthesizer, config.synthetic_interval)
    mixture.start()
    n_processes = f"{group.size} x " if group.size > 1 else ""
    warn(
        f"{len(loader.train_ids)} training and {len(loader.test_ids)} test words, "
        f"{len(checkpoint.tokenizer.alphabet)} characters, "
        f"{checkpoint.tokenizer.vocab_size} tokens; {model.n_parameters / 1e6:.2f} million weights "
        f"on {n_processes}{config.device}, preset {config.preset}"
    )
    return Trainer(
        config,
        model,
        loader,
        optimizers,
        loss,
        evaluations,
        checkpoint,
        folder,
        _make_callbacks(model, loader, recognizer, config, folder),
        progress,
        mixture,
        group,
    )


def _spare_cores(config: Config, group: ProcessGroup) -> int:
    """Return how many processes may write words while this one trains."""
    if not config.device.startswith("cuda"):
        return 1  # training takes all cores itself
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MAX_SYNTHESIZERS, max(1, ((usable or 1) - group.size) // group.size))


def _splice_words(
    config: Config, loader: DataLoader, recognizer: Recognizer, progress: Progress
) -> list[Word]:
    """Make new words from the training words."""

    def on_texts(n: int) -> None:
        done = min(stage.done + n, stage.total)
        progress.reach(SPLICING, done)
        progress.show(SPLICING, f"{done:,} of {stage.total:,} texts tried")

    stage = progress.stages[SPLICING]
    progress.begin(SPLICING)
    train_words = [loader.words[i] for i in loader.train_ids]
    spliced = make_spliced_words(config, train_words, recognizer, on_texts)
    progress.finish(SPLICING)
    return spliced


def _with_hand(
    checkpoint: Checkpoint,
    loader: DataLoader,
    replay: Sequence[Word],
    folder: Path,
    progress: Progress,
    group: ProcessGroup,
) -> Checkpoint:
    """Return the checkpoint with the recognizer of its hand, which is trained if it has none."""
    if checkpoint.recognizer is not None:
        return checkpoint
    config, digest = checkpoint.config, checkpoint.bank_digest

    def make() -> NewHand:
        return train_hand_recognizer(config, loader, replay, digest, folder, progress)

    hand = group.broadcast(make)
    return dataclasses.replace(checkpoint, recognizer=hand.recognizer, origin=hand.origin)


def _find_recognizer(checkpoint: Checkpoint, warn: Say) -> Recognizer | None:
    """Return the bank's selection recognizer, to read what the model writes while it trains."""
    config = checkpoint.config
    if not config.read_words:
        return None
    return find_selection_recognizer(
        config.recognizer_dir,
        checkpoint.bank_digest,
        say=warn,
        device=config.device,
        needed_by="--monitor reading" if config.monitor == "reading" else "",
    )


def _make_callbacks(
    model: Model,
    loader: DataLoader,
    recognizer: Recognizer | None,
    config: Config,
    folder: Path,
) -> Callbacks:
    callbacks = Callbacks(draw_samples=lambda path: draw_samples(model, loader, path))
    if recognizer is not None:
        callbacks.reading_error = lambda: reading_error(model, loader, recognizer)
    if config.finetune:
        # One small file that holds all that writing needs.
        callbacks.draws_at_start = True
        callbacks.export = lambda: _export(folder, config)
    return callbacks


def _export_path(folder: Path, config: Config) -> Path:
    return folder / f"{bank_name(config.dataset_name)}.pt"


def _export(folder: Path, config: Config) -> Path:
    path = _export_path(folder, config)
    export(folder / "best.pt", path)
    (folder / RECOGNIZER_STATE).unlink(missing_ok=True)
    return path


@dataclass
class Mixture:
    """The words that a run trains on beside the bank's own.

    Attributes:
        loader: takes the words.
        replay: words of another bank.
        spliced: new words from the bank's own.
        synthesizer: writes batches of synthetic words by number, or None.
        interval: steps between two batches of synthetic words.
    """

    loader: DataLoader
    replay: list[Word]
    spliced: list[Word]
    synthesizer: OnlineSynthesizer | None
    interval: int
    _number: int | None = field(default=None, init=False)

    def start(self) -> None:
        """Give the loader the words that stay the same."""
        if self.replay or self.spliced:
            self.loader.set_mixture(self.replay, self.spliced)

    def update(self, step: int) -> None:
        """Give the loader the synthetic words of a step, if it does not have them yet."""
        number = step // self.interval
        if self.synthesizer is not None and number != self._number:
            self.loader.set_mixture(self.replay + self.synthesizer.words(number), self.spliced)
            self._number = number

    def close(self) -> None:
        """End the process that writes synthetic words."""
        if self.synthesizer is not None:
            self.synthesizer.close()


def init_randomly(config: Config, words: Sequence[Word]) -> tuple[Config, Model, Tokenizer]:
    """Make a model with random weights, and its tokenizer.

    They know the authors of `words`, and the characters of `config.alphabet` or else of `words`.
    """
    alphabet = fold_text(config.alphabet, config.alphabet) or "".join(word.text for word in words)
    tokenizer = make_tokenizer(config.tokenizer, alphabet)
    torch.manual_seed(config.seed)
    shape = ModelConfig.from_settings(
        config,
        tokenizer,
        mean_character_width(words),
        max(MIN_TEXT, _max_text(config, words)),
        author_names(words),
    )
    return config, make_model(shape, tokenizer), tokenizer


def init_from(config: Config, words: Sequence[Word]) -> tuple[Config, Model, Tokenizer]:
    """Make a model with the weights and the shape of `config.start_from`, and its tokenizer.

    The authors and characters of `words` are added. An author of that model keeps the embedding, a
    new one starts as the unknown author. The model's other authors come last; where nothing is
    trained on that keeps their hands, they are left out.

    Returns:
        The settings with the model's shape, the model and the tokenizer.

    Raises:
        UserError: if a given setting contradicts the shape.
    """
    source = load_checkpoint(SHIPPED if config.start_from == BASE else config.start_from)
    for name in SHAPE:
        value = getattr(source.config, name)
        if name in config.explicit and getattr(config, name) != value:
            raise UserError(
                f"--{name} {getattr(config, name)} is not what {config.start_from} "
                f"was trained with ({value}); leave it out"
            )
    shape_settings = {name: getattr(source.config, name) for name in SHAPE}
    max_length = _max_length(config, source)
    config = configs.replace(config, **shape_settings, max_seq_length=max_length)
    tokenizer = source.tokenizer.extended(config.alphabet or "".join(word.text for word in words))
    known = known_authors(source, words, bool(config.finetune))
    authors = author_names(words)
    if config.finetune or config.replay:
        authors += [name for name in known if name not in authors]
    before = source.model.config
    shape = dataclasses.replace(
        before,
        authors=authors,
        n_chars=tokenizer.n_chars,
        space_id=int(tokenizer.encode_text(" ")[0]),
        max_text=max(before.max_text, _max_text(config, words)),
    )
    model = make_model(shape, tokenizer)
    model.load_state_dict(_adapted_weights(source, shape, tokenizer, known))
    return config, model, tokenizer


def _adapted_weights(
    source: Checkpoint, shape: ModelConfig, tokenizer: Tokenizer, known: dict[str, int]
) -> dict[str, torch.Tensor]:
    """Return a model's weights for other authors, characters and lengths of text.

    Args:
        source: the checkpoint of the model.
        shape: of the new model.
        tokenizer: of the new model.
        known: index in the source's model of each author that it knows.
    """
    weights = source.model.state_dict()
    rows = torch.tensor([0] + [known.get(name, 0) for name in shape.authors])
    weights["authors.weight"] = weights["authors.weight"][rows]
    for name in CHARACTER_WEIGHTS & weights.keys():
        weights[name] = remap_character_rows(
            weights[name], source.tokenizer.alphabet, tokenizer.alphabet
        )
    positions = weights["text.positions.weight"]
    weights["text.positions.weight"] = F.pad(positions, (0, 0, 0, shape.max_text - len(positions)))
    return weights


def _max_text(config: Config, words: Sequence[Word]) -> int:
    """Return the most characters of an example of `words`, with a space after each word."""
    return config.num_words * (1 + max(len(word.text) for word in words))


def _max_length(config: Config, source: Checkpoint) -> int:
    """Return the most tokens of an example.

    those of the source, or more if its context may grow.
    """
    length = source.config.max_seq_length
    grows = "max_seq_length" in config.explicit or config.finetune
    if source.model.bounded or not grows:
        return length
    return max(length, config.max_seq_length)


def checkpoint_to_resume(config: Config) -> Path | None:
    """Return the path of the checkpoint, or of the settings, to continue; None for a new run."""
    if config.load_from_run_id:
        found = find_run_by_id(config.load_from_run_id, config.run_dir)
        return found or fetch_checkpoint(config)
    name = config.resume or config.local_checkpoint_path
    return find_run(name, config.run_dir) if name else None


def resumed_config(saved: Config, config: Config, path: Path) -> Config:
    """Return the settings of a run with those of `MAY_CHANGE` that were given."""
    changes = {}
    for name in config.explicit:
        value, stored = getattr(config, name), getattr(saved, name)
        if name in MAY_CHANGE:
            changes[name] = value
        elif value != stored:
            raise UserError(
                f"--{name} {value} is not what {path} was trained with ({stored}); "
                "leave it out, or start a new run"
            )
    return configs.replace(saved, **{"device": config.device, **changes})


def new_folder(config: Config) -> Path:
    """Return the folder of a new run: its name, or one of bank and time that is made here."""
    given = config.wandb_run_name
    name = given or f"{bank_name(config.dataset_name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    safe = "".join(char if char.isalnum() or char in "-_." else "-" for char in name)
    folder = Path(config.run_dir) / safe
    if given:
        return folder
    with as_user_error(folder):
        # Another run may have started in this second.
        for number in itertools.count(2):
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                folder = folder.with_name(f"{safe}-{number}")
    return folder


def check_is_new(folder: Path) -> None:
    """Check that a folder holds no run. Raises `UserError`."""
    if any((folder / name).exists() for name in ("last.pt", STARTED)):
        raise UserError(
            f"{folder} holds a run already; continue it with --resume {folder.name}, "
            "or give another --wandb_run_name"
        )


def _say_nothing(sentence: str) -> None:
    """Take a message of a process that is not the first."""
