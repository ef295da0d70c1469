"""One file that is all that sampling or resuming needs. The only module that knows what is in it."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cursivetransformer import __version__
from cursivetransformer.config.args import present_names, public_values
from cursivetransformer.config.train import Config
from cursivetransformer.data.tokenizer import tokenizer_from_state
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import shipped
from cursivetransformer.utils.serialization import read_content, write_content

KIND = "checkpoint"
SHIPPED = shipped("base.pt")  # the model that comes with the project
FORMAT = 5  # counts up when older versions can no longer read what is written


@dataclass
class Checkpoint:
    """What a file holds, as objects. training: what only resuming needs (optimizers, step, losses, random states, ids); of a model that was
    adapted to a hand also recognizer: the state of the hand's recognizer, and origin: see `adapt.Hand`."""

    model: object
    tokenizer: object
    config: Config
    training: dict
    bank_digest: str
    version: str = __version__
    recognizer: dict | None = None
    origin: dict = field(default_factory=dict)


def save_checkpoint(path, checkpoint, half=False):
    """Write a checkpoint: whole or not at all. Secrets among the settings are left out. half: weights in half precision, which is
    enough to write with."""
    c = checkpoint
    write_content(
        path,
        {
            "kind": KIND,
            "format": FORMAT,
            "version": c.version,
            "model_config": c.model.config.as_dict(),
            "weights": {
                name: weight.detach().cpu().to(torch.float16 if half else weight.dtype)
                for name, weight in c.model.state_dict().items()
            },
            "tokenizer": c.tokenizer.state(),
            "config": public_values(c.config),
            "bank_digest": c.bank_digest,
            "training": c.training,
            "recognizer": c.recognizer,
            "origin": c.origin,
        },
    )


def load_checkpoint(path, device="cpu"):
    """Read a checkpoint without running code from it. Raises `UserError` in one sentence where it cannot be used."""
    return read_content(
        path,
        KIND,
        FORMAT,
        device,
        "train one with `python train.py`",
        lambda content: _build(content, device),
        upgrade,
    )


def upgrade(content):
    """The content of a file of format 4, which had other names for settings, weights and the recognizer, in the present format."""
    if content["format"] != 4 or content.get("kind", KIND) != KIND:
        return content
    weights = {
        re.sub("^reader[.]", "trajectory_encoder.", name): weight
        for name, weight in content["weights"].items()
    }
    return {
        **content,
        "format": FORMAT,
        "weights": weights,
        "config": present_names(Config, content["config"]),
        "recognizer": content.get("reader"),
    }


def _build(content, device):
    tokenizer = tokenizer_from_state(content["tokenizer"])
    model = make_model(ModelConfig(**content["model_config"]), tokenizer)
    model.load_state_dict(content["weights"])
    known = {field.name for field in dataclasses.fields(Config)}
    config = Config(**{name: value for name, value in content["config"].items() if name in known})
    config.explicit = frozenset()
    return Checkpoint(
        model.to(device),
        tokenizer,
        config,
        content["training"],
        content["bank_digest"],
        content["version"],
        content.get("recognizer"),
        content.get("origin", {}),
    )


def export(source, out):
    """Write the model of the checkpoint `source` to `out` without what only resuming needs, in half precision: small enough to pass on."""
    checkpoint = load_checkpoint(source)
    checkpoint.training = {
        name: checkpoint.training[name]
        for name in ("step", "best_loss", "seconds")
        if name in checkpoint.training
    }
    save_checkpoint(out, checkpoint, half=True)


def find_checkpoint(name, run_dir, say=print):
    """The path of the checkpoint `name`; of "" the newest one in the runs under `run_dir`, or where there is none the shipped one, with a
    note to `say`. Raises `UserError` where there is none at all."""
    if name:
        return Path(name)
    if SHIPPED.is_file() and not any(Path(run_dir).glob("*/last.pt")):
        say(
            f"note: there is no model of your own in {run_dir}/ yet, so this is the one that comes with the project"
        )
        return SHIPPED
    return newest_checkpoint(run_dir)


def newest_checkpoint(run_dir):
    """The path of the checkpoint written last in the runs under `run_dir`; of one run the best, not the last.

    Raises `UserError` where there is none.
    """
    runs = sorted(Path(run_dir).glob("*/last.pt"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise UserError(
            f"there is no trained model in {run_dir}/ yet; train one with `python train.py`, "
            f"or name a file with --checkpoint"
        )
    best = runs[-1].with_name("best.pt")
    return best if best.is_file() else runs[-1]


def find_run(name, run_dir):
    """The `last.pt` to resume: of the run `name` in `run_dir`, of a folder, a checkpoint file itself, or for "last" the newest."""
    if name == "last":
        return newest_checkpoint(run_dir).with_name("last.pt")
    for path in (Path(run_dir) / name / "last.pt", Path(name) / "last.pt", Path(name)):
        if path.is_file():
            return path
    there = sorted(path.parent.name for path in Path(run_dir).glob("*/last.pt"))
    raise UserError(
        f"there is no run or checkpoint {name!r}; "
        + (f"{run_dir}/ has {', '.join(there[-5:])}" if there else f"{run_dir}/ has none")
    )


def find_run_by_id(run_id, run_dir):
    """The newest local `last.pt` whose W&B id is `run_id`, or None."""
    paths = sorted(
        Path(run_dir).glob("*/last.pt"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for path in paths:
        try:
            if load_checkpoint(path).training.get("wandb_id") == run_id:
                return path
        except UserError:
            continue
    return None
