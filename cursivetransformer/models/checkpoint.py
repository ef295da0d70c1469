"""Checkpoints: one file that holds all that sampling or resuming needs.

No other module depends on the layout of the file.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import InstanceOf

from cursivetransformer import __version__
from cursivetransformer.config.args import (
    check_value,
    present_names,
    public_values,
    setting_fields,
)
from cursivetransformer.config.train import Config, check_config
from cursivetransformer.data.tokenizer import Tokenizer, TokenizerState, tokenizer_from_state
from cursivetransformer.models.base import Model
from cursivetransformer.models.factory import make_model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.recognition.recognizer import recognizer_from_state
from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.io import shipped
from cursivetransformer.utils.schema import Count, from_plain
from cursivetransformer.utils.serialization import load_weights, read_content, write_content

KIND = "checkpoint"
SHIPPED = shipped("base.pt")  # the model that comes with the project
BASE = "base"  # its name
STARTED = "settings.json"  # in a run's folder, what resuming needs before there is a checkpoint
CLOCK_SKEW = 60  # seconds that the clock of a file may be ahead
FORMAT = 5  # counts up when older versions can no longer read what is written
# Names that modules of a model had in format 4 -> their present names.
PRESENT_MODULES = {"reader": "trajectory_encoder", "later": "slot_heads"}


@dataclass
class _Origin:
    """The types of what `Checkpoint.origin` holds."""

    base: str = ""
    base_digest: str = ""
    bank: str = ""
    words: Count = 0
    recorded: dict[str, str] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)


@dataclass
class _Content:
    """The types of what a file holds beside its kind and format."""

    model_config: dict[str, Any]
    weights: dict[str, InstanceOf[torch.Tensor]]
    tokenizer: dict[str, Any]
    config: dict[str, Any]
    training: dict[str, Any]
    bank_digest: str
    version: str
    recognizer: dict[str, Any] | None = None
    origin: dict[str, Any] = field(default_factory=dict)


@dataclass
class Checkpoint:
    """The content of a file, as objects.

    Attributes:
        model: the model.
        tokenizer: its tokenizer.
        config: the settings of its run.
        training: what only resuming needs: optimizers, step, losses, random states, ids.
        bank_digest: the bank that it was trained on.
        version: the version that wrote the file.
        recognizer: state of the hand's recognizer, if the model was adapted to a hand.
        origin: what the model was adapted from and how, see `finetune.NewHand`.
    """

    model: Model
    tokenizer: Tokenizer
    config: Config
    training: dict[str, Any]
    bank_digest: str
    version: str = __version__
    recognizer: dict[str, Any] | None = None
    origin: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: str | Path, checkpoint: Checkpoint, half: bool = False) -> None:
    """Write a checkpoint, whole or not at all.

    Secrets among the settings are left out.

    Args:
        path: the file.
        checkpoint: its content.
        half: store the weights in half precision, which is enough to write with.
    """
    write_content(
        path,
        {
            "kind": KIND,
            "format": FORMAT,
            "version": __version__,
            "model_config": checkpoint.model.config.as_dict(),
            "weights": _stored_weights(checkpoint.model, half),
            "tokenizer": asdict(checkpoint.tokenizer.state()),
            "config": public_values(checkpoint.config),
            "bank_digest": checkpoint.bank_digest,
            "training": checkpoint.training,
            "recognizer": checkpoint.recognizer,
            "origin": checkpoint.origin,
        },
    )


def _stored_weights(model: Model, half: bool) -> dict[str, torch.Tensor]:
    weights = {}
    for name, weight in model.state_dict().items():
        weights[name] = weight.detach().cpu().to(torch.float16 if half else weight.dtype)
    return weights


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint without running code from it.

    Raises:
        UserError: in one sentence, if it cannot be used.
    """
    return read_content(
        path,
        KIND,
        FORMAT,
        f"train one with `{how_to_run('train')}`",
        lambda content: _build(content, device),
        upgrade,
    )


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Convert the content of a file of format 4 to the present format.

    Settings, weights and the recognizer had other names in it.
    """
    if content["format"] != 4 or content.get("kind", KIND) != KIND:
        return content
    weights = {present_weight_name(name): weight for name, weight in content["weights"].items()}
    return {
        **content,
        "format": FORMAT,
        "weights": weights,
        "config": present_names(Config, content["config"]),
        "recognizer": content.get("reader"),
    }


def present_weight_name(name: str) -> str:
    """Return the present name of a weight of format 4."""
    module, dot, rest = name.partition(".")
    return PRESENT_MODULES.get(module, module) + dot + rest


def _build(content: dict[str, Any], device: torch.device | str) -> Checkpoint:
    """Build the objects of a file in the present format, each checked before it is built."""
    known = {f.name for f in fields(_Content)}
    parts = from_plain(_Content, {n: value for n, value in content.items() if n in known})
    tokenizer = tokenizer_from_state(from_plain(TokenizerState, parts.tokenizer, "tokenizer"))
    shape = from_plain(ModelConfig, parts.model_config, "model_config")
    shape.check(tokenizer, sum(weight.numel() for weight in parts.weights.values()))
    from_plain(_Origin, parts.origin, "origin")
    if parts.recognizer is not None:
        recognizer_from_state(parts.recognizer)
    model = make_model(shape, tokenizer)
    load_weights(model, parts.weights)
    return Checkpoint(
        model.to(device),
        tokenizer,
        stored_config(parts.config),
        parts.training,
        parts.bank_digest,
        parts.version,
        parts.recognizer,
        parts.origin,
    )


def stored_config(values: dict[str, Any]) -> Config:
    """Build the settings of a run; a setting that no longer exists is left out.

    Raises:
        UserError: a value is not one that the setting takes.
    """
    # Without this setting, names were taken as they stand.
    values = {"hands": "named", **values}
    config = Config(
        **{
            field.name: check_value(field, values[field.name], f"config.{field.name}")
            for field in setting_fields(Config)
            if field.name in values
        }
    )
    check_config(config)
    return config


def export(source: str | Path, out: str | Path) -> None:
    """Write the model of a checkpoint to a file that is small enough to pass on.

    It has half precision, and lacks what only resuming needs.

    Args:
        source: the checkpoint.
        out: the file to write.
    """
    checkpoint = load_checkpoint(source)
    checkpoint.training = {
        name: checkpoint.training[name]
        for name in ("step", "best_loss", "seconds")
        if name in checkpoint.training
    }
    save_checkpoint(out, checkpoint, half=True)


def find_checkpoint(
    name: str | Path, run_dir: str | Path, say: Callable[[str], object] = print
) -> Path:
    """Find the checkpoint to write with.

    Args:
        name: a path, "base" for the shipped checkpoint, or "" for the newest one in `run_dir`. If
            that has none, the shipped one is taken.
        run_dir: folder of the runs.
        say: takes a note if the shipped one is taken.

    Raises:
        UserError: if there is none at all.
    """
    if name:
        return SHIPPED if str(name) == BASE else Path(name)
    if SHIPPED.is_file() and not _resumable(run_dir):
        say(
            f"note: there is no model of your own in {run_dir}/ yet, "
            f"so this is the one that comes with the project"
        )
        return SHIPPED
    return newest_checkpoint(run_dir)


def newest_checkpoint(run_dir: str | Path) -> Path:
    """Find the run under `run_dir` that was written to last; return its best checkpoint.

    Raises:
        UserError: if there is none.
    """
    runs = sorted(_resumable(run_dir), key=_modified)
    if not runs:
        raise UserError(
            f"there is no trained model in {run_dir}/ yet; train one with `{how_to_run('train')}`, "
            f"or name a file with --checkpoint"
        )
    best = runs[-1].with_name("best.pt")
    return best if best.is_file() else runs[-1]


def find_run(name: str, run_dir: str | Path) -> Path:
    """Find the checkpoint to resume, or the settings of a run that has none yet.

    Args:
        name: a run in `run_dir`, a run's folder, a checkpoint file, or "last" for the newest run.
        run_dir: folder of the runs.

    Raises:
        UserError: if there is none.
    """
    started = Path(run_dir).glob(f"*/{STARTED}")
    runs = {path.parent: path for path in [*started, *_resumable(run_dir)]}
    if name == "last":
        return max(runs.values(), key=_modified) if runs else newest_checkpoint(run_dir)
    for folder in (Path(run_dir) / name, Path(name)):
        for path in (folder / "last.pt", folder / STARTED):
            if path.is_file():
                return path
    if Path(name).is_file():
        return Path(name)
    names = sorted(folder.name for folder in runs)
    present = ", ".join(names[-5:]) if names else "none"
    raise UserError(f"there is no run or checkpoint {name!r}; {run_dir}/ has {present}")


def find_run_by_id(run_id: str, run_dir: str | Path) -> Path | None:
    """Find the newest local `last.pt` whose W&B id is `run_id`."""
    for path in sorted(_resumable(run_dir), key=_modified, reverse=True):
        try:
            if load_checkpoint(path).training.get("wandb_id") == run_id:
                return path
        except UserError:
            continue
    return None


def _resumable(run_dir: str | Path) -> list[Path]:
    """Return the `last.pt` of every run under `run_dir`."""
    return list(Path(run_dir).glob("*/last.pt"))


def _modified(path: Path) -> float:
    """Return when a file was written, in seconds; 0 if that is in the future.

    A clock was wrong then, and nothing is known. Clocks of file servers are ahead by a little.
    """
    seconds = path.stat().st_mtime
    return seconds if seconds < time.time() + CLOCK_SKEW else 0.0
