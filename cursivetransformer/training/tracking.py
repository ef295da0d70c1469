"""Where metrics, pictures and checkpoints of a run go: the console, files in its folder, and Weights & Biases.

Knows nothing of training. Whatever goes wrong with W&B is told once and never stops a run.
"""

import json
import math
import netrc
import os
import sys
import time
from pathlib import Path

from cursivetransformer.config.args import public_values
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error

ARTIFACT_SECONDS = 300  # at least, between two uploads of a checkpoint


class Tracker:
    """A run's record. folder: where metrics.jsonl and the pictures go; wandb_id: of the W&B run to continue, or None."""

    def __init__(self, folder, config, wandb_id=None, first_step=0):
        self.folder = Path(folder)
        self.metrics_path = self.folder / "metrics.jsonl"
        with as_user_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._drop_metrics_after(first_step)
        self._line_open = False
        self.wandb = make_wandb(config, self.folder, wandb_id, self.say)
        self.say(f"run folder: {self.folder}")

    @property
    def wandb_id(self):
        """Id of the W&B run, or None."""
        return self.wandb.id if self.wandb else None

    def say(self, sentence):
        """Print a line of its own."""
        if self._line_open:
            print()
            self._line_open = False
        print(sentence, flush=True)

    def progress(self, line):
        """Show where the run is: in place on a terminal, else on a line of its own."""
        if sys.stdout.isatty():
            print("\r\033[K" + line, end="", flush=True)
            self._line_open = True
        else:
            print(line, flush=True)

    def log(self, step, metrics):
        """Append one line of figures to metrics.jsonl, and to W&B."""
        row = {
            "step": step,
            **{name: value for name, value in metrics.items() if math.isfinite(value)},
        }
        with (
            as_user_error(self.metrics_path),
            open(self.metrics_path, "a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(row) + "\n")
        if self.wandb:
            self.wandb.log(step, metrics)

    def picture_path(self, step):
        """Where the samples of a step are drawn to."""
        return self.folder / f"samples-{step:06d}.png"

    def picture(self, step, path):
        """A picture of samples has been drawn."""
        if self.wandb:
            self.wandb.picture(step, path)

    def checkpoint(self, path, force=False):
        """A checkpoint has been written; it goes to W&B, but not too often unless `force`."""
        if self.wandb:
            self.wandb.checkpoint(path, force)

    def finish(self):
        """Close what is open."""
        if self._line_open:
            print()
        if self.wandb:
            self.wandb.finish()

    def _drop_metrics_after(self, step):
        """A run that is resumed repeats the steps since its checkpoint: their old lines go."""
        if not self.metrics_path.exists():
            return
        kept = []
        for line in self.metrics_path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue  # a line cut short by a crash
        self.metrics_path.write_text("".join(kept), encoding="utf-8")


class NullTracker:
    """The tracker of a process that is not the first: it has nothing to say."""

    wandb_id = None

    def __getattr__(self, verb):
        return lambda *arguments, **named: None


def make_wandb(config, folder, wandb_id, say):
    """A `WandbRun` as --wandb says, or None with a line that says so."""
    mode = config.wandb
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_key(config) else "off")
    if mode in ("off", "disabled"):
        say(
            "W&B: off"
            + ("" if config.wandb == "off" else " (no key and no login; see --wandb_api_key)")
        )
        return None
    try:
        return WandbRun(config, folder, "offline" if mode == "offline" else "online", wandb_id, say)
    except ImportError:
        say("W&B: off (the package wandb is not installed)")
    except Exception as error:  # wandb raises many kinds, and none of them is worth a training run
        say(f"W&B: off ({_first_line(error)})")
    return None


def has_wandb_key(config):
    """Whether W&B would let us in: a key among the settings or in the environment, or a login in ~/.netrc."""
    if config.wandb_api_key or os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("//")[-1].split("/")[0]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


class WandbRun:
    """A run on Weights & Biases, online or offline; after the first failure it is silent."""

    def __init__(self, config, folder, mode, wandb_id, say):
        import wandb  # Here, because it is slow to import and not needed without it.

        self.module, self.say, self.failed, self.uploaded = wandb, say, False, -math.inf
        _hand_over_key(config)
        options = dict(
            entity=config.wandb_entity or None,
            project=config.wandb_project,
            name=folder.name,
            dir=str(folder),
            id=wandb_id,
            resume="allow",
            config=public_values(config),
            settings=wandb.Settings(silent=True),
        )
        try:
            self.run = wandb.init(mode=mode, **options)
        except Exception as error:
            if mode == "offline":
                raise
            say(
                f"W&B: not reached ({_first_line(error)}); keeping this run offline, send it later with `wandb sync`"
            )
            self.run = wandb.init(mode="offline", **options)
        self.id = self.run.id
        say(f"W&B: {'offline' if self.run.offline else self.run.url}, id {self.id}")

    def log(self, step, metrics):
        self._try(lambda: self.run.log(metrics, step=step))

    def picture(self, step, path):
        self._try(lambda: self.run.log({"samples": self.module.Image(str(path))}, step=step))

    def checkpoint(self, path, force):
        if not force and time.monotonic() - self.uploaded < ARTIFACT_SECONDS:
            return
        self.uploaded = time.monotonic()

        def upload():
            artifact = self.module.Artifact(artifact_name(self.id), type="model")
            artifact.add_file(str(path), name="last.pt")
            self.run.log_artifact(artifact)

        self._try(upload)

    def finish(self):
        self._try(self.run.finish)

    def _try(self, action):
        if self.failed:
            return
        try:
            action()
        except (
            Exception
        ) as error:  # the network, the disk, a quota: none of them may stop a training run
            self.failed = True
            self.say(
                f"W&B: gave up ({_first_line(error)}); training goes on, its figures are in metrics.jsonl"
            )


def artifact_name(run_id):
    """The name that the checkpoint of a W&B run is kept under."""
    return f"checkpoint-{run_id}"


def fetch_checkpoint(config):
    """Fetch the checkpoint of the W&B run `config.load_from_run_id`; returns its path. Raises `UserError`."""
    run_id = config.load_from_run_id
    try:
        import wandb

        _hand_over_key(config)
        owner = (
            f"{config.wandb_entity}/{config.wandb_project}"
            if config.wandb_entity
            else config.wandb_project
        )
        artifact = wandb.Api().artifact(f"{owner}/{artifact_name(run_id)}:latest", type="model")
        return (
            Path(artifact.download(root=str(Path(config.run_dir) / f"fetched-{run_id}")))
            / "last.pt"
        )
    except Exception as error:
        raise UserError(
            f"no run here has the W&B id {run_id!r}, and its checkpoint could not be fetched "
            f"({_first_line(error)}); check the id, --wandb_entity, --wandb_project and the key"
        ) from error


def _hand_over_key(config):
    """Give the key to W&B by the environment, and take it out of the command line, which W&B keeps among a run's metadata."""
    if config.wandb_api_key:
        os.environ["WANDB_API_KEY"] = config.wandb_api_key
        sys.argv = [word.replace(config.wandb_api_key, "***") for word in sys.argv]


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
