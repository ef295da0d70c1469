"""How a run begins: in a folder of its own, with the weights of another model, or where a checkpoint stands."""

import dataclasses
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from cursivetransformer.bank.authors import author_names
from cursivetransformer.bank.registry import bank_name
from cursivetransformer.bank.word import mean_character_width
from cursivetransformer.config import train as configs
from cursivetransformer.data.tokenizer import fold_text, make_tokenizer
from cursivetransformer.models.checkpoint import (
    find_run,
    find_run_by_id,
    load_checkpoint,
)
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.models.text_encoder import remap_character_rows
from cursivetransformer.training.finetune import known_hands
from cursivetransformer.training.tracking import fetch_checkpoint
from cursivetransformer.utils.errors import UserError

# May differ from the checkpoint's when a run is resumed; any other setting would make it another run.
MAY_CHANGE = {
    "max_steps",
    "print_every",
    "log_every",
    "device",
    "compile",
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
# Taken from the model that a run begins with.
SHAPE = ("model", "n_layer", "n_embd", "n_head", "n_ctx_head", "n_embd_context", "tokenizer")
LEAST_TEXT = 64  # characters of context, however short the words of the bank are
CHARACTER_WEIGHTS = {
    "text.chars.weight",
    "widths",
}  # of a model, that have a row for each character id


def start_anew(config, words):
    """The settings, a model with random weights that knows the authors and the characters of `words`, or of `config.alphabet`, and its
    tokenizer."""
    alphabet = fold_text(config.alphabet, config.alphabet) or "".join(word.text for word in words)
    tokenizer = make_tokenizer(config.tokenizer, alphabet)
    torch.manual_seed(config.seed)
    shape = ModelConfig.from_settings(
        config,
        tokenizer,
        mean_character_width(words),
        max(LEAST_TEXT, _longest_text(config, words)),
        author_names(words),
    )
    return config, make_model(shape, tokenizer), tokenizer


def start_from(config, words):
    """The settings with the shape of the model in `config.start_from`, a model with its weights, and its tokenizer, both of which know
    the authors and the characters of `words` too.

    An author whom that model knew keeps the hand, another one begins as nobody known, and its other authors come behind. Raises
    `UserError` where a setting that was given contradicts the shape.
    """
    source = load_checkpoint(config.start_from)
    for name in SHAPE:
        theirs = getattr(source.config, name)
        if name in config.explicit and getattr(config, name) != theirs:
            raise UserError(
                f"--{name} {getattr(config, name)} is not what {config.start_from} was trained with ({theirs}); leave it out"
            )
    config = configs.replace(
        config,
        **{name: getattr(source.config, name) for name in SHAPE},
        max_seq_length=_length(config, source),
    )
    before, shape, weights = source.tokenizer, source.model.config, source.model.state_dict()
    tokenizer = before.extended(config.alphabet or "".join(word.text for word in words))
    authors, known = author_names(words), known_hands(source, words, config.finetune)
    authors += [name for name in known if name not in authors]
    shape = dataclasses.replace(
        shape,
        authors=authors,
        n_chars=tokenizer.n_chars,
        space_id=int(tokenizer.encode_text(" ")[0]),
        max_text=max(shape.max_text, _longest_text(config, words)),
    )
    weights["authors.weight"] = weights["authors.weight"][
        torch.tensor([0] + [known.get(name, 0) for name in authors])
    ]
    for name in CHARACTER_WEIGHTS & weights.keys():
        weights[name] = remap_character_rows(weights[name], before.alphabet, tokenizer.alphabet)
    positions = weights["text.positions.weight"]
    weights["text.positions.weight"] = F.pad(positions, (0, 0, 0, shape.max_text - len(positions)))
    model = make_model(shape, tokenizer)
    model.load_state_dict(weights)
    return config, model, tokenizer


def _longest_text(config, words):
    """Characters of context, at most, of an example of `words`, a space after each."""
    return config.num_words * (1 + max(len(word.text) for word in words))


def _length(config, source):
    """Tokens that an example may have: what the model of the checkpoint learnt, more only where its positions have no end."""
    theirs = source.config.max_seq_length
    return (
        theirs
        if source.model.bounded
        else max(
            theirs,
            config.max_seq_length if "max_seq_length" in config.explicit or config.finetune else 0,
        )
    )


def checkpoint_to_resume(config):
    """The path of the checkpoint that the settings say to continue, or None."""
    if config.load_from_run_id:
        return find_run_by_id(config.load_from_run_id, config.run_dir) or fetch_checkpoint(config)
    name = config.resume or config.local_checkpoint_path
    return find_run(name, config.run_dir) if name else None


def resumed_config(saved, config, path):
    """The checkpoint's settings with what may be changed taken from `config`."""
    changes = {}
    for name in config.explicit:
        if name in MAY_CHANGE:
            changes[name] = getattr(config, name)
        elif getattr(config, name) != getattr(saved.config, name):
            raise UserError(
                f"--{name} {getattr(config, name)} is not what {path} was trained with ({getattr(saved.config, name)}); "
                f"leave it out, or start a new run"
            )
    return configs.replace(saved.config, **{"device": config.device, **changes})


def new_folder(config):
    """The folder of a new run: its name, or one of bank and time; never one that holds a run."""
    name = config.wandb_run_name
    if not name:
        name = f"{bank_name(config.dataset_name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path(config.run_dir) / "".join(
        char if char.isalnum() or char in "-_." else "-" for char in name
    )
    if (folder / "last.pt").exists():
        raise UserError(
            f"{folder} holds a run already; continue it with --resume {folder.name}, or give another --wandb_run_name"
        )
    return folder
