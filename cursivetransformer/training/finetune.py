"""Fine-tuning a model to a new hand: `python train.py --dataset_name mine.json --finetune base`.

A few dozen words are too few to learn writing from, but enough for a model that can write to learn
a hand. The steps follow from measurements (docs/personal.md):

    1. Scale the ink, and choose the rate of points, as in the model's own training.
    2. Train the model's recognizer on the new hand. It aligns each recorded word with its text.
    3. Splice new words from the recorded ones, and drop those that the recognizer misreads.
    4. Initialize the new author's embedding from the known author with the lowest loss on the
       recorded ink.
    5. Train all weights on recorded, spliced and replayed words. Of the last models keep the one
       whose words the recognizer reads best.

Does not depend on the training loop.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cursivetransformer.bank.authors import indices_by_name
from cursivetransformer.bank.coverage import MIN_WORDS, advise
from cursivetransformer.bank.registry import file_digest, load_banks
from cursivetransformer.bank.word import UNKNOWN_AUTHOR, Word
from cursivetransformer.config import train as configs
from cursivetransformer.config.train import Config, RecognizerTrainingConfig
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.ink import measures
from cursivetransformer.ink.strokes import kept_counts, split_strokes
from cursivetransformer.models.base import Model
from cursivetransformer.models.checkpoint import BASE, SHIPPED, Checkpoint, load_checkpoint
from cursivetransformer.models.loss import estimate_loss
from cursivetransformer.recognition.recognizer import (
    SELECTION,
    Recognizer,
    find_recognizers,
    load_recognizer,
    recognizer_from_state,
    recognizer_path,
    recognizer_state,
)
from cursivetransformer.recognition.recognizer import SHIPPED as SHIPPED_RECOGNIZERS
from cursivetransformer.synthesis.concatenative import count_texts
from cursivetransformer.training.progress import Progress, Stage, format_misread
from cursivetransformer.training.train_recognizer import (
    STEP_COST,
    alphabet_of,
    measure_recognizer,
    plan_recognizer,
    show_steps,
    train_recognizer,
)
from cursivetransformer.utils.errors import UserError, how_to_run

BASE_BANK = "starter"  # the bank of its hands
X_HEIGHT = 0.14  # canvas heights: median of the base's hands
DENSITY = 4.07  # points kept in an x-height of ink, as in the base's training
MIN_HELD_OUT = 5  # words
HELD_OUT_FRACTIONS = (0.05, 0.2)  # of a large and of a small bank
RECOGNIZER_STEPS, RECOGNIZER_RATE, RECOGNIZER_FRACTION = 300, 0.003, 0.6
# The recipe for banks of so many words; in between it is linear in the logarithm of their number.
N_WORDS = (25, 100, 800, 2700)
STEPS = (600, 800, 1300, 3500)
# Fractions of the examples; the rest is replayed.
OWN_FRACTIONS = (0.05, 0.1, 0.4, 0.92)
SPLICE_FRACTIONS = (0.75, 0.7, 0.45, 0.0)
SPLICE_WORDS = 8000
EVALUATIONS, READ_WORDS = 10, 150
MONITOR_START = 0.7  # of the steps: while the learning rate is high, a good reading is chance
MAX_TOKENS = 2400  # of a word, 60 letters; longer words are left out
MAX_COMPARED = 100  # words of an author that are enough to find the nearest hand
# Fewer words are not trained on from random weights unless that is asked for.
MIN_SCRATCH_WORDS = 1000
# Character error rates of English after training on so many words, see docs/personal.md.
MEASURED_WORDS = (25, 50, 100, 200, 400, 800, 2706)
SCRATCH_ERRORS = (1.451, 1.629, 0.894, 0.387, 0.154, 0.098, 0.018)
FINETUNED_ERRORS = (0.066, 0.030, 0.027, 0.024, 0.019, 0.021, 0.007)
RECOGNIZER_STATE = "recognizer.pt"  # in a run's folder, the unfinished training of the recognizer
# What is done before a model is fine-tuned.
HAND_RECOGNIZER, SPLICING, NEAREST_HAND = (
    "a recognizer learns the hand",
    "new words are spliced",
    "the nearest hand is looked for",
)
SPLICE_COST, NEAREST_COST = 0.005, 7.0  # seconds of a text, and of the search, on one core


@dataclass
class NewHand:
    """What a checkpoint stores about a new hand.

    Attributes:
        recognizer: state of the hand's recognizer, plain values and tensors.
        origin: where the model comes from and which characters were recorded, plain values.
    """

    recognizer: dict[str, Any]
    origin: dict[str, Any]


def choose_settings(config: Config, words: Sequence[Word]) -> Config:
    """Choose the settings of a run that were not given by the words of the bank.

    Raises `UserError` for too few words.
    """
    if len(words) < MIN_WORDS:
        raise UserError(
            f"{config.dataset_name}: {advise(words)[0][0]}; `cursive bank advise "
            f"{config.dataset_name}` writes a list of what to record for the recording page"
        )
    chosen: dict[str, Any] = {
        "start_from": str(SHIPPED if config.finetune == BASE else Path(config.finetune)),
        "replay": BASE_BANK,
        **bank_settings(words),
        **recipe(len(words)),
    }
    chosen["downsample_mean"] = choose_downsampling(words, chosen["ink_scale"])
    rate = chosen["downsample_mean"]
    if "downsample_mean" in config.explicit:
        rate = config.downsample_mean
    lowest_rate = rate - config.downsample_width / 2
    longest = max(count_tokens(word, lowest_rate) for word in words)
    chosen["max_seq_length"] = max(config.max_seq_length, longest)
    return configs.replace(config, **_without(config.explicit, chosen))


def check_enough_words(config: Config, words: Sequence[Word]) -> None:
    """Refuse to train on a small bank from random weights, unless it was asked for.

    Raises:
        UserError: tells what to expect, and the commands.
    """
    wanted = "finetune" in config.explicit or config.start_from or config.replay
    if len(words) >= MIN_SCRATCH_WORDS or wanted or config.synthetic_words:
        return
    scratch, finetuned = (
        format_misread(float(np.interp(np.log(len(words)), np.log(MEASURED_WORDS), errors)))
        for errors in (SCRATCH_ERRORS, FINETUNED_ERRORS)
    )
    raise UserError(
        f"{config.dataset_name} has {len(words)} words, too few to learn writing from nothing: "
        f"expect {scratch} misread, but {finetuned} if the included model is adapted with "
        f"`{how_to_run('train')} --dataset_name {config.dataset_name} --finetune base`; "
        "--finetune none trains from nothing all the same"
    )


def hand_stages(config: Config, has_recognizer: bool) -> list[Stage]:
    """Return the stages of fine-tuning before the first step, for a `Progress`."""
    if not config.finetune:
        return []
    n_texts = count_texts(config.splice_words) if config.splice_fraction else 0
    stages = [Stage(SPLICING, n_texts, SPLICE_COST)]
    if not has_recognizer:
        stages.append(Stage(HAND_RECOGNIZER, RECOGNIZER_STEPS, STEP_COST))
        stages.append(Stage(NEAREST_HAND, 1, NEAREST_COST))
    return stages


def recognizer_settings(config: RecognizerTrainingConfig) -> RecognizerTrainingConfig:
    """Choose the settings of training recognizers that were not given, with --finetune."""
    if not config.finetune:
        return config
    words, _ = load_banks(config.dataset_name, config.strict, lambda sentence: None)
    shipped = str(SHIPPED_RECOGNIZERS / BASE_BANK)
    chosen = {
        "start_from": shipped if config.finetune == BASE else config.finetune,
        "replay": BASE_BANK,
        "own_fraction": RECOGNIZER_FRACTION,
        "max_steps": RECOGNIZER_STEPS,
        "learning_rate": RECOGNIZER_RATE,
        **bank_settings(words),
    }
    return dataclasses.replace(config, **_without(config.explicit, chosen))


def _without(given: frozenset[str], chosen: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if name not in given}


def bank_settings(words: Sequence[Word]) -> dict[str, float]:
    """Return the settings that models and recognizers of a bank share: scale and held-out words."""
    held_out = float(np.clip(MIN_HELD_OUT / len(words), *HELD_OUT_FRACTIONS))
    return {"ink_scale": choose_scale(words), "test_fraction": held_out}


def choose_scale(words: Sequence[Word]) -> float:
    """Return the factor that brings a hand to the base's x-height; 1 if no word tells."""
    x_height = measures.estimate_x_height(
        [word.points for word in words], [word.text for word in words]
    )
    return float(np.clip(round(X_HEIGHT / x_height, 3), 0.02, 50)) if x_height else 1.0


def recipe(n_words: int) -> dict[str, Any]:
    """Return how long, and on which mixture, to fine-tune to so many words: settings by name."""
    steps, own_fraction, splice_fraction = (
        float(np.interp(np.log(n_words), np.log(N_WORDS), values))
        for values in (STEPS, OWN_FRACTIONS, SPLICE_FRACTIONS)
    )
    return {
        "max_steps": int(steps),
        "log_every": max(50, int(steps) // EVALUATIONS),
        "monitor": "reading",
        "monitor_start": MONITOR_START,
        "read_words": READ_WORDS,
        "cooldown_fraction": 0.9,
        "own_fraction": round(own_fraction, 2),
        "splice_fraction": round(splice_fraction, 2),
        "splice_words": SPLICE_WORDS,
        "shear_width": 0.1,
        "scale_width": 0.1,
        "rotation_width": 0.02,
    }


def choose_downsampling(words: Sequence[Word], scale: float) -> float:
    """Return the fraction of points to drop that leaves the density of the base's training.

    Args:
        words: words as recorded.
        scale: factor that enlarges their ink.
    """
    length = sum(
        np.hypot(*np.diff(stroke, axis=0).T).sum()
        for word in words
        for stroke in split_strokes(word.points)
    )
    n_points = sum(len(word.points) for word in words)
    kept = DENSITY * scale * length / X_HEIGHT / n_points
    return float(np.clip(round(1 - kept, 2), 0.05, 0.9))


def count_tokens(word: Word, rate: float) -> int:
    """Return the polar tokens of a word when the fraction `rate` of its points is dropped."""
    lengths = np.diff(np.flatnonzero(word.points[:, 2] == 0) + 1, prepend=0)
    return int(min(1 + 2 * kept_counts(lengths, max(0.0, rate)).sum(), MAX_TOKENS))


def load_replay(config: Config, words: Sequence[Word], warn: Callable[[str], object]) -> list[Word]:
    """Load the words of the bank `config.replay`, none if there is no such setting.

    With --finetune, an author there with the name of an author of `words` is renamed.
    """
    if not config.replay:
        return []
    replay = load_banks(config.replay, config.strict, warn)[0]
    own = {word.author for word in words} if config.finetune else set()
    return [
        dataclasses.replace(word, author=base_name(word.author)) if word.author in own else word
        for word in replay
    ]


def known_authors(source: Checkpoint, words: Sequence[Word], finetune: bool) -> dict[str, int]:
    """Return the authors of a checkpoint, {name: index in its model}.

    When fine-tuning, an author with the name of an author of `words` is renamed, unless the
    checkpoint was fine-tuned to that author's ink already.
    """
    own: set[str] = set()
    if finetune:
        own = {word.author for word in words} - set(source.origin.get("recorded", {}))
    indices = indices_by_name(source.model.config.authors)
    return {base_name(name) if name in own else name: index for name, index in indices.items()}


def base_name(name: str) -> str:
    """Return what a hand of the base is called when a new author has its name."""
    return f"{name} of the base"


def train_hand_recognizer(
    config: Config,
    loader: DataLoader,
    replay: Sequence[Word],
    digest: str,
    folder: Path,
    progress: Progress,
) -> NewHand:
    """Train the recognizer of a bank's hand, starting from that of the model to fine-tune.

    If that model has no recognizer, training starts from random weights. What is done is kept in
    the folder, and goes on from there.

    Args:
        config: settings of the run.
        loader: the bank.
        replay: words of another bank to train on too.
        digest: sha256 of the bank.
        folder: of the run.
        progress: shows how far it is.
    """
    say = progress.console.say
    settings = configs.get_recognizer_args(
        use_argparse=False,
        dataset_name=config.dataset_name,
        start_from=config.start_from,
        replay=config.replay,
        seed=config.seed,
        own_fraction=RECOGNIZER_FRACTION,
        max_steps=RECOGNIZER_STEPS,
        learning_rate=RECOGNIZER_RATE,
        ink_scale=config.ink_scale,
        device=config.device,
    )
    initial = source_recognizer(config)
    words = [loader.words[i] for i in loader.train_ids]
    held_out = [loader.words[i] for i in loader.test_ids]
    alphabet = alphabet_of([*words, *held_out, *replay])
    planned, chosen = plan_recognizer(words, alphabet, digest, settings, SELECTION, initial, say)
    planned = dataclasses.replace(planned, test_fraction=config.test_fraction)
    unfinished, on_step = folder / RECOGNIZER_STATE, show_steps(progress, HAND_RECOGNIZER)
    recognizer = train_recognizer(
        planned, chosen, replay, settings, 0, initial, unfinished, on_step
    )
    say(f"the recognizer of the hand {measure_recognizer(recognizer, held_out)}")
    recorded: dict[str, set[str]] = {}
    for word in loader.words:
        recorded.setdefault(word.author, set()).update(word.text)
    base = Path(config.start_from)
    origin = {
        "base": base.name,
        "base_digest": file_digest(base),
        "bank": config.dataset_name,
        "words": len(loader.words),
        "recorded": {name: "".join(sorted(chars)) for name, chars in recorded.items()},
    }
    return NewHand(recognizer_state(recognizer), origin)


def source_recognizer(config: Config) -> Recognizer | None:
    """Return the selection recognizer of the model to fine-tune: its own, or that of its bank."""
    source = load_checkpoint(config.start_from)
    if source.recognizer:
        return recognizer_from_state(source.recognizer, config.device)
    folder = find_recognizers(config.recognizer_dir, source.bank_digest)
    if folder is None:
        return None
    return load_recognizer(recognizer_path(folder, SELECTION), config.device)


@torch.no_grad()
def init_author_embeddings(config: Config, model: Model, loader: DataLoader) -> dict[str, str]:
    """Initialize each new author's embedding from the known author with the lowest loss on their
    ink.

    The unknown author counts as known.

    Returns:
        For each new author the nearest author with a name, who writes the characters that the new
        author never recorded.
    """
    known = known_authors(load_checkpoint(config.start_from), loader.words, bool(config.finetune))
    names = [UNKNOWN_AUTHOR, *model.config.authors]
    old = [index for index, name in enumerate(names) if name in (UNKNOWN_AUTHOR, *known)]
    new = sorted({int(index) for index in loader.author_indices} - set(old))
    weight, nearest = model.authors.weight.clone(), {}
    train_authors = loader.author_indices[loader.train_ids]
    for index in new:
        ids = loader.train_ids[train_authors == index][:MAX_COMPARED]
        if not len(ids):
            continue
        batches = loader.batches(ids)
        losses = [_loss_as_author(model, batches, author) for author in old]
        weight[index] = model.authors.weight[old[int(np.argmin(losses))]]
        named = [(loss, author) for loss, author in zip(losses, old) if author]
        if named:
            nearest[names[index]] = names[min(named)[1]]
    model.authors.weight.copy_(weight)
    return nearest


def _loss_as_author(model: Model, batches: Sequence[PackedBatch], author: int) -> float:
    """Return the loss of batches, in nats per token, as if `author` had written them."""

    def nll(batch: PackedBatch) -> torch.Tensor:
        authors = torch.full_like(batch.authors, author)
        return model.nll(dataclasses.replace(batch, authors=authors))

    return estimate_loss(nll, batches)[0]
