"""Adapting a model to a new hand: `python train.py --dataset_name mine.json --finetune base`.

A few dozen words are too few to learn writing from, but enough to learn a hand by a model that can write. What is done with them follows
from what was measured (`docs/personal.md`):

    1. the ink is brought to the size and the rate of points that the model knows;
    2. a recognizer of the model's hands learns the new one, which takes a minute, and tells where in each word every letter stands;
    3. with that, new words are put together out of the recorded ones, some of any kind, some that people write, and those that the recognizer
       misreads are dropped;
    4. the author begins as whichever hand of the model makes the recorded ink likeliest;
    5. all weights are trained, on recorded, spliced and the model's own ink, as long as suits the number of words; of the last models the one
       is kept that writes best, as the recognizer reads it, held-out words first.

Knows no training loop.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cursivetransformer.bank.authors import indices_by_name
from cursivetransformer.bank.coverage import MIN_WORDS, advise
from cursivetransformer.bank.registry import file_digest, load_banks
from cursivetransformer.bank.word import UNKNOWN_AUTHOR
from cursivetransformer.config import train as configs
from cursivetransformer.ink import measures as style
from cursivetransformer.ink.strokes import kept_counts, split_strokes
from cursivetransformer.models.checkpoint import SHIPPED, load_checkpoint
from cursivetransformer.models.loss import estimate_loss
from cursivetransformer.recognition.recognizer import (
    SELECTION,
    find_recognizers,
    load_recognizer,
    recognizer_from_state,
    recognizer_path,
    recognizer_state,
)
from cursivetransformer.recognition.recognizer import SHIPPED as SHIPPED_RECOGNIZERS
from cursivetransformer.training.train_recognizer import (
    alphabet_of,
    measure_recognizer,
    plan_recognizer,
    train_recognizer,
)
from cursivetransformer.utils.errors import UserError

BASE = "base"  # what --finetune calls the model that ships
BASE_BANK = "starter"  # of which its hands are
X_HEIGHT = 0.14  # canvas heights: of the base's hands, in the middle
DENSITY = 4.07  # points that are kept in an x-height of ink, as in the ink that the base learnt
LEAST_HELD_OUT, HELD_OUT_SHARES = (
    5,
    (0.05, 0.2),
)  # words that are held out, and of a large and a small bank the share
RECOGNIZER_STEPS, RECOGNIZER_RATE, RECOGNIZER_FRACTION = 300, 0.003, 0.6
# Of what is trained on and how long, between few words and many, evenly in the logarithm of their number.
FEW_AND_MANY = (25, 100, 800, 2700)
STEPS = (600, 800, 1300, 3500)
OWN_SHARES, SPLICE_SHARES = (
    (0.05, 0.1, 0.4, 0.92),
    (0.75, 0.7, 0.45, 0.0),
)  # the rest is what the base learnt
SPLICE_WORDS = 8000
EVALUATIONS, READ_WORDS = 10, 150
BEST_FROM = 0.7  # of the steps: while the rate is high, a good reading is luck
MOST_TOKENS = 2400  # of a word: 60 letters; what is longer is left out
CHECKED = 100  # words of a hand that are enough to tell it from another


@dataclass
class NewHand:
    """What is known of a new hand before a model learns it. recognizer: the state of its recognizer; origin: what a checkpoint tells of where its
    model comes from. Both of plain values and tensors."""

    recognizer: dict
    origin: dict


def source_path(init):
    """The checkpoint that --finetune names. Raises `UserError`."""
    return str(SHIPPED if init == BASE else Path(init))


def chosen_settings(config, words):
    """The settings of a run that adapts a model, with all that was not given chosen by the bank's words. Raises `UserError`."""
    n = len(words)
    if n < MIN_WORDS:
        raise UserError(
            f"{config.dataset_name}: {advise(words)[0][0]}; `cursive bank advise {config.dataset_name}` writes a list "
            f"of what to record for the recording page"
        )
    chosen = {
        "start_from": source_path(config.finetune),
        "replay": BASE_BANK,
        **bank_settings(words),
        **recipe(n),
    }
    chosen["downsample_mean"] = dropped_share(words, chosen["ink_scale"])
    rate = (
        config.downsample_mean
        if "downsample_mean" in config.explicit
        else chosen["downsample_mean"]
    )
    chosen["max_seq_length"] = max(
        config.max_seq_length,
        *(longest_tokens(word, rate - config.downsample_width / 2) for word in words),
    )
    return configs.replace(
        config, **{name: value for name, value in chosen.items() if name not in config.explicit}
    )


def recognizer_settings(config):
    """The settings (a `config.RecognizerTrainingConfig`) of training the two recognizers of a bank, with --finetune all that was not given chosen by it."""
    if not config.finetune:
        return config
    words, _ = load_banks(config.dataset_name, config.strict, lambda sentence: None)
    chosen = {
        "start_from": str(SHIPPED_RECOGNIZERS / BASE_BANK)
        if config.finetune == BASE
        else config.finetune,
        "replay": BASE_BANK,
        "own_fraction": RECOGNIZER_FRACTION,
        "max_steps": RECOGNIZER_STEPS,
        "learning_rate": RECOGNIZER_RATE,
        **bank_settings(words),
    }
    return dataclasses.replace(
        config, **{name: value for name, value in chosen.items() if name not in config.explicit}
    )


def bank_settings(words):
    """How a bank is brought to the model's size, and how many of its words are held out: settings that models and recognizers of it share."""
    return {
        "ink_scale": scale_of(words),
        "test_fraction": float(np.clip(LEAST_HELD_OUT / len(words), *HELD_OUT_SHARES)),
    }


def scale_of(words):
    """By which ink is made larger so that its hand is as large as the base's."""
    own = style.estimate_x_height([word.points for word in words], [word.text for word in words])
    return float(np.clip(round(X_HEIGHT / own, 3), 0.02, 50)) if own else 1.0


def recipe(n):
    """How long and on what a model is trained that adapts to `n` words: settings by name."""
    steps, own_fraction, splice_fraction = (
        float(np.interp(np.log(n), np.log(FEW_AND_MANY), values))
        for values in (STEPS, OWN_SHARES, SPLICE_SHARES)
    )
    return {
        "max_steps": int(steps),
        "log_every": max(50, int(steps) // EVALUATIONS),
        "monitor": "reading",
        "monitor_start": BEST_FROM,
        "read_words": READ_WORDS,
        "cooldown_fraction": 0.9,
        "own_fraction": round(own_fraction, 2),
        "splice_fraction": round(splice_fraction, 2),
        "splice_words": SPLICE_WORDS,
        "shear_width": 0.1,
        "scale_width": 0.1,
        "rotation_width": 0.02,
    }


def dropped_share(words, scale):
    """The share of points to drop so that as many are left for each length of ink as in what the base learnt."""
    length = sum(
        np.hypot(*np.diff(stroke, axis=0).T).sum()
        for word in words
        for stroke in split_strokes(word.points)
    )
    points = sum(len(word.points) for word in words)
    return float(np.clip(round(1 - DENSITY * scale * length / X_HEIGHT / points, 2), 0.05, 0.9))


def longest_tokens(word, rate):
    """Tokens that a word takes, two for each point that is kept, where the share `rate` of them is dropped."""
    lengths = np.diff(np.flatnonzero(word.points[:, 2] == 0) + 1, prepend=0)
    return int(min(1 + 2 * kept_counts(lengths, max(0.0, rate)).sum(), MOST_TOKENS))


def replayed(config, words, warn):
    """The words of the bank `config.replay`; an author there who is called like one of `words` is another one."""
    own = {word.author for word in words}
    return (
        [
            dataclasses.replace(word, author=namesake(word.author))
            if config.finetune and word.author in own
            else word
            for word in load_banks(config.replay, config.strict, warn)[0]
        ]
        if config.replay
        else []
    )


def known_hands(source, words, adapting):
    """{name: number in the model of the checkpoint `source`} of its authors; where a hand is adapted to, one who is called like an author
    of `words` is another one, unless the checkpoint has learnt that author's ink already."""
    own = (
        {word.author for word in words} - set(source.origin.get("recorded", {}))
        if adapting
        else set()
    )
    return {
        namesake(name) if name in own else name: number
        for name, number in indices_by_name(source.model.config.authors).items()
    }


def namesake(name):
    """What a hand of the base is called where somebody of that name is learnt."""
    return f"{name} of the base"


def learn_hand(config, loader, replay, digest, warn, progress=True):
    """The `NewHand` of a `DataLoader` of a bank: its recognizer, learnt from that of the model that is adapted, and where it comes from.

    Where that model has no recognizer, one is trained from nothing. replay: words that are trained on beside; digest: of the bank.
    """
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
    before = source_recognizer(config)
    warn("a recognizer learns the hand ...")
    words, held_out = (
        [loader.words[i] for i in ids] for ids in (loader.train_ids, loader.test_ids)
    )
    wanted, chosen = plan_recognizer(
        words, alphabet_of(words + held_out + replay), digest, settings, SELECTION, before, warn
    )
    recognizer = train_recognizer(
        dataclasses.replace(wanted, test_fraction=config.test_fraction),
        chosen,
        replay,
        settings,
        0,
        before,
        progress,
    )
    warn(f"the recognizer of the hand: {measure_recognizer(recognizer, held_out)}")
    recorded = {}
    for word in loader.words:
        recorded.setdefault(word.author, set()).update(word.text)
    return NewHand(
        recognizer_state(recognizer),
        {
            "base": Path(config.start_from).name,
            "base_digest": file_digest(Path(config.start_from)),
            "bank": config.dataset_name,
            "words": len(loader.words),
            "recorded": {name: "".join(sorted(chars)) for name, chars in recorded.items()},
        },
    )


def source_recognizer(config):
    """The choosing recognizer of the model that is adapted: its own, or that of its bank; None where it has none."""
    source = load_checkpoint(config.start_from)
    if source.recognizer:
        return recognizer_from_state(source.recognizer, config.device)
    folder = find_recognizers(config.recognizer_dir, source.bank_digest)
    return folder and load_recognizer(recognizer_path(folder, SELECTION), config.device)


@torch.no_grad()
def init_author_embeddings(config, model, loader):
    """Let every author of the bank whom the model that is adapted did not know begin as the one, or as nobody, in whose hand that author's
    ink is likeliest. Returns {author: the named one that is nearest}, who may write what that author never recorded."""
    known = known_hands(load_checkpoint(config.start_from), loader.words, config.finetune)
    names, found = [UNKNOWN_AUTHOR, *model.config.authors], {}
    old = [number for number, name in enumerate(names) if name in (UNKNOWN_AUTHOR, *known)]
    new = sorted({int(number) for number in loader.author_indices} - set(old))
    weight = model.authors.weight.clone()
    for number in new:
        ids = loader.train_ids[loader.author_indices[loader.train_ids] == number][:CHECKED]
        if len(ids):
            batches = loader.batches(ids)
            losses = [
                estimate_loss(
                    lambda batch: model.nll(
                        dataclasses.replace(batch, authors=torch.full_like(batch.authors, one))
                    ),
                    batches,
                )[0]
                for one in old
            ]
            weight[number] = model.authors.weight[old[int(np.argmin(losses))]]
            named = [one for one in zip(losses, old) if one[1]]
            found.update({names[number]: names[min(named)[1]]} if named else {})
    model.authors.weight.copy_(weight)
    return found
