"""The training loop: batches, optimizer steps, evaluation, checkpoints, stopping.

A `Trainer` gets everything that it works on; `run.py` builds it. It does not depend on banks,
recognizers, fine-tuning or synthesis.
"""

import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
from pydantic import Field
from torch.optim import Optimizer

from cursivetransformer.config.train import Config
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.packing import PackedBatch
from cursivetransformer.models.base import Model
from cursivetransformer.models.checkpoint import Checkpoint, save_checkpoint
from cursivetransformer.models.loss import BatchLoss, estimate_loss
from cursivetransformer.training.distributed import ProcessGroup
from cursivetransformer.training.optim import (
    check_optimizer_state,
    learning_rate_factor,
    optimizer_state,
    restore_optimizer,
)
from cursivetransformer.training.progress import (
    Meter,
    Progress,
    Stage,
    format_misread,
    random_states,
    restore_random_states,
)
from cursivetransformer.training.step import TrainingStep
from cursivetransformer.training.threads import ThreadTuner
from cursivetransformer.training.tracking import NullTracker, Tracker
from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.schema import Count, from_plain
from cursivetransformer.utils.signals import StopRequest, stop_signals

STOP_CHECK_INTERVAL = 10  # steps after which several processes agree on whether to stop
TRAINING, EVALUATION = "the model learns", "the model is tried"  # stages of a run
# Seconds of a step and of an evaluation on one core; only their ratio counts.
TRAINING_COST, EVALUATION_COST = 0.25, 8.0

Loss = Annotated[float, Field(strict=True)]  # infinite before it is measured
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


@dataclass
class TrainingState:
    """How far a run is. Checkpoints store it under these names.

    Attributes:
        step: optimizer steps made.
        best_step: step of the best model.
        best_loss: lowest loss on held-out words, in nats per token.
        best_error: lowest character error rate of generated words.
        error: character error rate of generated words at the last evaluation.
        seconds: of training, without evaluations.
        wandb_id: id of the W&B run, or None.
        loss_sum: sum of the losses of the steps since the last evaluation.
        loss_steps: number of these steps.
        totals: what the data loader has counted.
        capacity: positions of a process's part of every training batch, 0 where they vary.
        processes: number of processes.
    """

    step: Count = 0
    best_step: Count = 0
    best_loss: Loss = math.inf
    best_error: Loss = math.inf
    error: Loss = math.inf
    seconds: NotNegative = 0.0
    wandb_id: str | None = None
    loss_sum: Loss = 0.0
    loss_steps: Count = 0
    totals: list[Count] = field(default_factory=list)
    capacity: Count = 0
    processes: Count = 1

    @classmethod
    def from_stored(cls, training: dict[str, Any]) -> "TrainingState":
        """Return the state that a checkpoint stores; names that it lacks have their defaults.

        Raises:
            ValueError: a value is not of its type; the message names the key.
        """
        names = [f.name for f in fields(cls) if f.name in training]
        state = from_plain(cls, {name: training[name] for name in names}, "training")
        if "best_step" not in training:
            state.best_step = state.step
        return state


@dataclass
class Callbacks:
    """What a run does beside training.

    Attributes:
        draw_samples: draws samples of the model to a file.
        draws_at_start: whether to draw samples before the first step too.
        reading_error: measures the character error rate of generated words, or None.
        export: writes the best model to a file of its own and returns its path, or None.
    """

    draw_samples: Callable[[Path], object]
    draws_at_start: bool = False
    reading_error: Callable[[], float] | None = None
    export: Callable[[], Path] | None = None


class WordMixture(Protocol):
    """Words that change while a model trains."""

    def update(self, step: int) -> None:
        """Give the data loader the words of a step."""

    def close(self) -> None:
        """Release what writing words took."""


@dataclass
class Trainer:
    """A training run.

    Attributes:
        config: settings of the run.
        model: the model.
        loader: makes the batches.
        optimizers: update the model.
        loss: the loss of a batch as it is trained on.
        evaluations: batches of each split to measure the loss on; none but in the first process.
        checkpoint: what is saved beside the state of the training.
        folder: where the run is written to.
        callbacks: what the run does beside training.
        progress: how far the whole work is, `training_stages` and what came before.
        mixture: words that change with the step, or None.
        group: the processes that train together.
        state: how far the run is.
    """

    config: Config
    model: Model
    loader: DataLoader
    optimizers: Sequence[Optimizer]
    loss: BatchLoss
    evaluations: Mapping[str, Sequence[PackedBatch]]
    checkpoint: Checkpoint
    folder: Path
    callbacks: Callbacks
    progress: Progress
    mixture: WordMixture | None = None
    group: ProcessGroup = field(default_factory=ProcessGroup)
    state: TrainingState = field(default_factory=TrainingState)
    training_step: TrainingStep = field(init=False)

    def __post_init__(self) -> None:
        self.training_step = TrainingStep(
            self.model,
            self.loader,
            self.optimizers,
            self.loss,
            self.config,
            self.group,
            self.progress.console.say,
        )

    @property
    def step(self) -> int:
        """Optimizer steps made."""
        return self.state.step

    def run(self) -> Path:
        """Train to the last step, or until a signal; return the path of the best checkpoint.

        Raises SystemExit after a signal, with all saved.
        """
        tracker = self._make_tracker()
        self.state.wandb_id = tracker.wandb_id or self.state.wandb_id
        if self.callbacks.draws_at_start and self.step == 0 and self.group.first:
            self.callbacks.draw_samples(tracker.picture_path(0))
        try:
            with stop_signals() as stop, self._make_tuner() as threads:
                self._loop(tracker, stop, threads)
        finally:
            tracker.finish()
            if self.mixture is not None:
                self.mixture.close()
        if stop.signal:
            resume = f"{how_to_run('train')} --resume {self.folder}"
            tracker.say(f"stopped at step {self.step}; continue with: {resume}")
            raise SystemExit(128 + stop.signal)
        best = self.folder / "best.pt"
        if self.callbacks.export is not None and self.group.first:
            best = self.callbacks.export()
        loss = f"loss {self.state.best_loss:.4f} nats per token of held-out words"
        if math.isfinite(self.state.best_error):
            result = f"{format_misread(self.state.best_error)} misread at best ({loss})"
        else:
            result = f"{loss} at best"
        tracker.say(
            f'done: {result}; write with: {how_to_run("write")} "your text" --checkpoint {best}'
        )
        return best

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Make one optimizer step; see `TrainingStep`."""
        loss, n_tokens = self.training_step(self.step)
        self.state.step += 1
        return loss, n_tokens

    def evaluate(self, split: str) -> tuple[float, float]:
        """Return the loss on the fixed words of a split, in nats per token and per offset."""
        self.model.eval()
        return estimate_loss(self.loss, self.evaluations[split])

    def save(self, name: str) -> Path:
        """Write all that resuming needs into the run's folder; return the path."""
        self.state.totals = self.loader.totals.tolist()
        self.state.capacity = self.loader.capacity or 0
        self.state.processes = self.group.size
        training: dict[str, Any] = {
            **asdict(self.state),
            "optimizers": [optimizer_state(optimizer) for optimizer in self.optimizers],
            **random_states(),
        }
        saved = replace(self.checkpoint, model=self.model, training=training)
        save_checkpoint(self.folder / name, saved)
        return self.folder / name

    def restore(self, training: dict[str, Any]) -> None:
        """Continue from what `save` stored.

        Raises:
            UserError: it is that of an exported model.
            ValueError: it does not fit; the message names the key.
        """
        if "optimizers" not in training:
            raise UserError(
                f"{self.folder} holds a model to write with, without what continuing its training "
                "needs; start a new run"
            )
        states = training["optimizers"]
        if not isinstance(states, list) or len(states) != len(self.optimizers):
            raise ValueError("training.optimizers are not those of these settings")
        for i, (optimizer, state) in enumerate(zip(self.optimizers, states)):
            check_optimizer_state(optimizer, state, f"training.optimizers.{i}")
        self.state = TrainingState.from_stored(training)
        for optimizer, state in zip(self.optimizers, states):
            restore_optimizer(optimizer, state)
        if len(self.state.totals) == len(self.loader.totals):
            self.loader.totals.copy_(torch.tensor(self.state.totals))
        if self.state.processes == self.group.size:
            self.loader.fix_shape(self.state.capacity)
        restore_random_states(training)

    def _make_tuner(self) -> ThreadTuner:
        n_threads = self.config.threads
        if self.config.compile == "on":  # compiled code is for one number of threads
            n_threads = n_threads or torch.get_num_threads()
        return ThreadTuner(n_threads)

    def _make_tracker(self) -> Tracker | NullTracker:
        if not self.group.first:
            return NullTracker()
        return Tracker(
            self.folder, self.config, self.state.wandb_id, self.step, self.progress.console
        )

    def _loop(
        self, tracker: Tracker | NullTracker, stop: StopRequest, threads: ThreadTuner
    ) -> None:
        config, state = self.config, self.state
        meter = Meter(config.device, state.loss_sum, state.loss_steps)
        self.progress.begin(TRAINING, self.step)
        while not self._finished() and not self._stopping(stop):
            if self.mixture is not None:
                self.mixture.update(self.step)
            loss, n_tokens = self.train_step()
            meter.add(loss, n_tokens)
            if config.device == "cpu":
                threads.note(float(n_tokens))
            self.progress.reach(TRAINING, self.step)
            if self.step % config.print_every == 0:
                self._check_loss(meter.loss())
                self._show_progress(meter)
            if self.step % config.log_every == 0 or self.step == config.max_steps:
                self._check_loss(meter.loss())
                if self.group.first:
                    self._log(tracker, meter)
                if config.patience:  # all processes end together
                    best_step = self.group.broadcast(lambda: state.best_step)
                    state.best_step = best_step
                meter = Meter(config.device)
                threads.pause()
        was_saved = self.step > 0 and self.step % config.log_every == 0
        if not self._finished() and not was_saved and self.group.first:
            self._check_loss(meter.loss())
            state.loss_sum, state.loss_steps = float(meter.loss_sum), meter.steps
            state.seconds += meter.seconds()
            self.save("last.pt")
            tracker.checkpoint(self.folder / "last.pt", force=True)

    def _show_progress(self, meter: Meter) -> None:
        if not self.group.first:
            return
        misread = ""
        if math.isfinite(self.state.error):
            misread = f"{format_misread(self.state.error)} misread"
        numbers = (
            f"step {self.step}/{self.config.max_steps}, loss {meter.loss():.3f} nats per token, "
            f"{meter.tokens_per_second():,.0f} tokens/s"
        )
        self.progress.show(TRAINING, numbers, misread)

    def _finished(self) -> bool:
        """Return whether all steps are made, or `patience` evaluations found no better model."""
        config = self.config
        if self.step >= config.max_steps:
            return True
        waited = self.step - self.state.best_step
        return bool(config.patience) and waited >= config.patience * config.log_every

    def _stopping(self, stop: StopRequest) -> bool:
        """Return whether a signal asks to stop; several processes stop after the same step."""
        if self.group.size == 1:
            return bool(stop.signal)
        if self.step % STOP_CHECK_INTERVAL or not self.group.any(bool(stop.signal)):
            return False
        stop.signal = stop.signal or signal.SIGTERM
        return True

    def _log(self, tracker: Tracker | NullTracker, meter: Meter) -> None:
        """Evaluate, record, save and draw samples."""
        state = self.state
        # Before the evaluation, which is not training.
        speed, seconds = meter.tokens_per_second(), meter.seconds()
        train, _ = self.evaluate("train")
        test, test_per_offset = self.evaluate("test")
        self._check_loss(test)
        metrics = {
            "train_loss": train,
            "test_loss": test,
            "test_nats_per_offset": test_per_offset,
            "batch_loss": meter.loss(),
            "learning_rate_factor": learning_rate_factor(self.step - 1, self.config),
            "seconds": state.seconds + seconds,
            "tokens_per_second": speed,
            **self.loader.counts(),
        }
        numbers = (
            f"loss {test:.4f} nats per token of held-out words, {train:.4f} of training words, "
            f"{test_per_offset:.4f} nats per offset"
        )
        error = math.inf
        if self.callbacks.reading_error is not None:
            error = metrics["reading_error"] = self.callbacks.reading_error()
            numbers = f"{format_misread(error)} misread ({numbers})"
        state.error = error
        tracker.log(self.step, metrics)
        tracker.say(f"step {self.step}: {numbers}")
        state.seconds += seconds
        state.loss_sum, state.loss_steps = 0.0, 0
        if self._is_best(test, error):
            state.best_step = self.step
            self.save("best.pt")
        self.save("last.pt")
        tracker.checkpoint(self.folder / "last.pt", force=self.step == self.config.max_steps)
        path = tracker.picture_path(self.step)
        self.callbacks.draw_samples(path)
        tracker.picture(self.step, path)
        self.progress.reach(EVALUATION, -(-self.step // self.config.log_every))

    def _is_best(self, loss: float, error: float) -> bool:
        """Return whether the model is the best so far; update the best loss and error."""
        state = self.state
        if state.best_step < self.config.monitor_start * self.config.max_steps:
            # Models before that step do not compete.
            state.best_loss, state.best_error = math.inf, math.inf
        # Of two equal errors the later one is taken, which has been trained for longer.
        by_reading = self.config.monitor == "reading"
        best = error <= state.best_error if by_reading else loss < state.best_loss
        state.best_loss, state.best_error = min(loss, state.best_loss), min(error, state.best_error)
        return best

    def _check_loss(self, loss: float) -> None:
        """Raise `UserError` if training has diverged."""
        if math.isfinite(loss):
            return
        last = self.folder / "last.pt"
        cure = "no checkpoint had been written yet"
        if last.exists():
            cure = f"the last good checkpoint is {last}"
        raise UserError(
            f"the loss became {loss} at step {self.step}: training diverged; {cure}; "
            "try a lower --learning_rate"
        )


def training_stages(config: Config, step: int = 0) -> list[Stage]:
    """Return the stages of training from `step` on, for a `Progress`."""
    n_evaluations = -(-config.max_steps // config.log_every)
    return [
        Stage(TRAINING, config.max_steps, TRAINING_COST, step),
        Stage(EVALUATION, n_evaluations, EVALUATION_COST, step // config.log_every),
    ]
