"""Where metrics, samples and checkpoints of a run go: the console, its folder, Weights & Biases.

Does not depend on training. A failure of W&B is reported once and never stops a run.
"""

import json
import math
import netrc
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import urlopen

from cursivetransformer.config.args import public_values
from cursivetransformer.config.train import Config
from cursivetransformer.training.progress import Console
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error, atomic_path

ARTIFACT_SECONDS = 300  # between two uploads of a checkpoint, at least
# An unreachable W&B may take so long at the start: without an answer to anything, and in between.
REACH_SECONDS, INIT_SECONDS = 3.0, 5.0
FINISH_SECONDS = 60.0  # that the last figures and the last checkpoint may take to arrive
MAX_ERROR_LENGTH = 200  # characters of an error that a message quotes

WandbMode = Literal["online", "offline"]


class Tracker:
    """The record of a run.

    Args:
        folder: where metrics.jsonl and the samples go.
        config: settings of the run.
        wandb_id: id of the W&B run to continue, or None.
        first_step: step that the run continues at.
        console: where sentences and progress are printed.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        wandb_id: str | None = None,
        first_step: int = 0,
        console: Console | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.console = console or Console()
        self.metrics_path = self.folder / "metrics.jsonl"
        with as_user_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._drop_metrics_after(first_step)
        self.wandb = make_wandb(config, self.folder, wandb_id, self.say)
        self.say(f"run folder: {self.folder}")

    @property
    def wandb_id(self) -> str | None:
        """Id of the W&B run, or None."""
        return self.wandb.id if self.wandb else None

    def say(self, sentence: str) -> None:
        """Print a line."""
        self.console.say(sentence)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append metrics to metrics.jsonl, and send them to W&B."""
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        row = json.dumps({"step": step, **finite})
        with as_user_error(self.metrics_path):
            with open(self.metrics_path, "a", encoding="utf-8") as file:
                file.write(row + "\n")
        if self.wandb:
            self.wandb.log(step, metrics)

    def picture_path(self, step: int) -> Path:
        """Return where the samples of a step are drawn to."""
        return self.folder / f"samples-{step:06d}.png"

    def picture(self, step: int, path: Path) -> None:
        """Send drawn samples to W&B."""
        if self.wandb:
            self.wandb.picture(step, path)

    def checkpoint(self, path: Path, force: bool = False) -> None:
        """Send a checkpoint to W&B, but not too often unless `force`."""
        if self.wandb:
            self.wandb.checkpoint(path, force)

    def finish(self) -> None:
        """Close what is open."""
        self.console.close()
        if self.wandb:
            self.wandb.finish()

    def _drop_metrics_after(self, step: int) -> None:
        """Drop the metrics of the steps that a resumed run repeats."""
        if not self.metrics_path.exists():
            return
        before = self.metrics_path.read_text(encoding="utf-8", errors="replace")
        kept = ""
        for line in before.splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept += line + "\n"
            except (ValueError, KeyError, TypeError):
                continue  # a line cut short by a crash
        if kept != before:
            with atomic_path(self.metrics_path) as temporary:
                temporary.write_text(kept, encoding="utf-8")


class NullTracker:
    """The tracker of a process that is not the first: it does nothing."""

    wandb_id = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: None


def make_wandb(
    config: Config, folder: Path, wandb_id: str | None, say: Callable[[str], object]
) -> "WandbRun | None":
    """Start a W&B run as --wandb says; None, with a message, if there is none."""
    mode = config.wandb
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_key(config) else "off")
    if mode in ("off", "disabled"):
        reason = "" if config.wandb == "off" else " (no key and no login; see --wandb_api_key)"
        say("W&B: off" + reason)
        return None
    try:
        wandb_mode: WandbMode = "offline" if mode == "offline" else "online"
        return WandbRun(config, folder, wandb_mode, wandb_id, say)
    except ImportError:
        say("W&B: off (the package wandb is not installed)")
    # wandb raises many kinds of errors, and none of them is worth a training run.
    except Exception as error:
        say(f"W&B: off ({_first_line(error)})")
    return None


def has_wandb_key(config: Config) -> bool:
    """Return whether there is a key in the settings or the environment, or a login in ~/.netrc."""
    if config.wandb_api_key or os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("//")[-1].split("/")[0]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


class WandbRun:
    """A run on Weights & Biases, online or offline; silent after the first failure."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        mode: WandbMode,
        wandb_id: str | None,
        say: Callable[[str], object],
    ) -> None:
        # W&B reports its own errors to its makers, and at the end waits until they answer.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb  # slow to import, and rarely needed

        self.module, self.say = wandb, say
        self.failed, self.uploaded = False, -math.inf
        _pass_key(config)
        options: dict[str, Any] = dict(
            entity=config.wandb_entity or None,
            project=config.wandb_project,
            name=folder.name,
            dir=str(folder),
            id=wandb_id,
            resume="allow",
            config=public_values(config),
            settings=_wandb_settings(wandb),
        )
        try:
            if mode == "online" and not _is_reached(wandb.setup().settings.base_url):
                raise TimeoutError("no answer")
            self.run = wandb.init(mode=mode, **options)
        except Exception as error:
            if mode == "offline":
                raise
            say(
                f"W&B: not reached ({_first_line(error)}); keeping this run offline, "
                "send it later with `wandb sync`"
            )
            self.run = wandb.init(mode="offline", **options)
        self.id = self.run.id
        say(f"W&B: {'offline' if self.run.offline else self.run.url}, id {self.id}")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send metrics."""
        self._try(lambda: self.run.log(dict(metrics), step=step))

    def picture(self, step: int, path: Path) -> None:
        """Send samples."""
        self._try(lambda: self.run.log({"samples": self.module.Image(str(path))}, step=step))

    def checkpoint(self, path: Path, force: bool) -> None:
        """Send a checkpoint, if the last one was sent long ago or with `force`."""
        if not force and time.monotonic() - self.uploaded < ARTIFACT_SECONDS:
            return
        self.uploaded = time.monotonic()

        def upload() -> None:
            artifact = self.module.Artifact(artifact_name(self.id), type="model")
            artifact.add_file(str(path), name="last.pt")
            self.run.log_artifact(artifact)

        self._try(upload)

    def finish(self) -> None:
        """End the run."""
        self._try(self.run.finish)

    def _try(self, action: Callable[[], object]) -> None:
        if self.failed:
            return
        try:
            action()
        # The network, the disk, a quota: none of them may stop a training run.
        except Exception as error:
            self.failed = True
            self.say(
                f"W&B: gave up ({_first_line(error)}); training goes on, "
                "its figures are in metrics.jsonl"
            )


def artifact_name(run_id: str) -> str:
    """Return the name of the artifact that holds the checkpoint of a W&B run."""
    return f"checkpoint-{run_id}"


def fetch_checkpoint(config: Config) -> Path:
    """Fetch the checkpoint of the W&B run `config.load_from_run_id`. Raises `UserError`."""
    run_id = config.load_from_run_id
    try:
        import wandb

        _pass_key(config)
        owner = config.wandb_project
        if config.wandb_entity:
            owner = f"{config.wandb_entity}/{owner}"
        artifact = wandb.Api().artifact(f"{owner}/{artifact_name(run_id)}:latest", type="model")
        folder = Path(config.run_dir) / f"fetched-{run_id}"
        return Path(artifact.download(root=str(folder))) / "last.pt"
    except Exception as error:
        raise UserError(
            f"no run here has the W&B id {run_id!r}, and its checkpoint could not be fetched "
            f"({_first_line(error)}); check the id, --wandb_entity, --wandb_project and the key"
        ) from error


def _wandb_settings(wandb: Any) -> Any:
    """Return the settings of W&B, which bound how long it waits for its server."""
    settings = wandb.Settings(silent=True, init_timeout=INIT_SECONDS)
    if hasattr(settings, "finish_timeout"):  # earlier versions wait for ever
        settings.finish_timeout = FINISH_SECONDS
    return settings


def _is_reached(url: str) -> bool:
    """Return whether a server answers, whatever it says, within `REACH_SECONDS`."""
    answers: list[bool] = []

    def ask() -> None:
        with suppress(OSError, ValueError, HTTPException):
            with suppress(HTTPError):
                urlopen(url, timeout=REACH_SECONDS).close()
            answers.append(True)

    # In a thread, since looking up a name heeds no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return bool(answers)


def _pass_key(config: Config) -> None:
    """Pass the key to W&B in the environment.

    It is removed from the command line, which W&B stores among a run's metadata.
    """
    if config.wandb_api_key:
        os.environ["WANDB_API_KEY"] = config.wandb_api_key
        sys.argv = [word.replace(config.wandb_api_key, "***") for word in sys.argv]


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:MAX_ERROR_LENGTH]
