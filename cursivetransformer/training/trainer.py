"""The training loop: batches, optimizers, schedule, evaluation, checkpoints, resuming, stopping.

Knows how to go on and when to stop; what a batch, a loss, a file or a picture is, the other modules know.
"""

import math
import signal
from pathlib import Path

import torch

from cursivetransformer.bank.coverage import tell_advice
from cursivetransformer.bank.registry import bank_name, load_banks
from cursivetransformer.config import train as configs
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.dataset import own_words
from cursivetransformer.models.checkpoint import (
    Checkpoint,
    export,
    load_checkpoint,
    save_checkpoint,
)
from cursivetransformer.models.loss import BatchLoss, estimate_loss, should_compile
from cursivetransformer.recognition.recognizer import (
    find_selection_recognizer,
    recognizer_from_state,
)
from cursivetransformer.synthesis.concatenative import make_spliced_words
from cursivetransformer.synthesis.online import OnlineSynthesizer
from cursivetransformer.training.distributed import Processes, processes
from cursivetransformer.training.finetune import (
    NewHand,
    chosen_settings,
    init_author_embeddings,
    learn_hand,
    replayed,
)
from cursivetransformer.training.optim import (
    learning_rate_factor,
    make_optimizers,
    set_learning_rates,
)
from cursivetransformer.training.progress import Meter, stop_signals
from cursivetransformer.training.run import (
    checkpoint_to_resume,
    new_folder,
    resumed_config,
    start_anew,
    start_from,
)
from cursivetransformer.training.samples import draw_preview, reading_error
from cursivetransformer.training.tracking import NullTracker, Tracker
from cursivetransformer.utils.errors import UserError

STOP_CHECK_INTERVAL = 10  # several processes ask each other whether to stop


def train(config, warn=print):
    """Train, or continue, as `config` says; under torchrun together with its other processes. Returns the path of the best checkpoint."""
    with processes(config) as (group, device):
        config = configs.replace(config, device=device)
        warn = warn if group.first else (lambda sentence: None)
        source = group.share(lambda: checkpoint_to_resume(config))
        trainer = (
            Trainer.resume(source, config, warn, group)
            if source
            else Trainer.start(config, warn, group)
        )
        return trainer.run()


class Trainer:
    """A training run: its model, stream of batches, optimizers, and how far it is. group: the processes that train together."""

    def __init__(
        self, config, model, words, tokenizer, bank_digest, folder, warn, group, hand=None
    ):
        self.config, self.bank_digest, self.folder, self.group, self.hand = (
            config,
            bank_digest,
            Path(folder),
            group,
            hand,
        )
        self.loader = DataLoader(
            words,
            tokenizer,
            config,
            warn,
            group.rank,
            group.size,
            fixed=should_compile(config),
            authors=model.config.authors,
        )
        self.replay, self.spliced = replayed(config, words, warn), []
        self.fresh = (
            OnlineSynthesizer(words + self.replay, config) if config.synthetic_words else None
        )
        self.model = model.to(config.device)
        self.optimizers = make_optimizers(self.model, config)
        self.step, self.best_step, self.best_loss, self.best_error, self.seconds = (
            0,
            0,
            math.inf,
            math.inf,
            0.0,
        )
        self.wandb_id = self.fresh_number = None
        self.nll = BatchLoss(self.model, config, warn)
        self.evaluations = (
            {split: self.loader.evaluation(split) for split in ("train", "test")}
            if group.first
            else {}
        )
        if config.finetune:
            self.hand = hand or group.share(
                lambda: learn_hand(config, self.loader, self.replay, bank_digest, warn)
            )
            self.recognizer = recognizer_from_state(self.hand.recognizer, config.device)
            self.spliced = (
                make_spliced_words(
                    config, [self.loader.words[i] for i in self.loader.train_ids], self.recognizer
                )
                if config.splice_fraction
                else []
            )
        else:
            needed_by = "--monitor reading" if config.monitor == "reading" else ""
            self.recognizer = (
                find_selection_recognizer(
                    config.recognizer_dir,
                    bank_digest,
                    say=warn,
                    device=config.device,
                    needed_by=needed_by,
                )
                if group.first and config.read_words
                else None
            )
        if self.replay or self.spliced:
            self.loader.set_mixture(self.replay, self.spliced)
        c, t = config, tokenizer
        warn(
            f"{len(self.loader.train_ids)} training and {len(self.loader.test_ids)} test words, {len(t.alphabet)} characters, {t.vocab_size} tokens; "
            f"{self.model.n_parameters / 1e6:.2f} million weights on {f'{group.size} x ' if group.size > 1 else ''}{c.device}, preset {c.preset}"
        )

    @classmethod
    def start(cls, config, warn=print, group=Processes()):
        """A new run: with random weights, with those that `config.start_from` names, or adapting what `config.finetune` names."""
        words, digest = load_banks(config.dataset_name, config.strict, warn)
        folder = group.share(lambda: new_folder(config))
        if config.finetune:
            config = chosen_settings(config, words)
            group.share(lambda: tell_advice(words, folder, warn))
        words = own_words(words, config)
        config, model, tokenizer = (
            start_from(config, words) if config.start_from else start_anew(config, words)
        )
        trainer = cls(config, model, words, tokenizer, digest, folder, warn, group)
        if config.finetune:
            trainer.hand.origin["instead"] = init_author_embeddings(
                config, trainer.model, trainer.loader
            )
        return trainer

    @classmethod
    def resume(cls, path, config, warn=print, group=Processes()):
        """The run of the checkpoint at `path`, where it stood; `config` may give what `start.MAY_CHANGE` lists."""
        saved = load_checkpoint(path)
        config = resumed_config(saved, config, path)
        words, digest = load_banks(config.dataset_name, config.strict, warn)
        if digest != saved.bank_digest:
            raise UserError(
                f"the bank {config.dataset_name} is not the one that {path} was trained on; bring that one back, or start a new run"
            )
        hand = NewHand(saved.recognizer, saved.origin) if config.finetune else None
        trainer = cls(
            config,
            saved.model,
            own_words(words, config),
            saved.tokenizer,
            digest,
            path.parent,
            warn,
            group,
            hand,
        )
        trainer._restore(saved.training)
        if trainer.step >= config.max_steps:
            raise UserError(
                f"{path} has been trained for its {trainer.step} steps already; give a larger --max_steps"
            )
        warn(f"continuing {path} at step {trainer.step}")
        return trainer

    def run(self):
        """Train to the last step, or to a signal. Returns the path of the best checkpoint."""
        tracker = (
            Tracker(self.folder, self.config, self.wandb_id, self.step)
            if self.group.first
            else NullTracker()
        )
        self.wandb_id = tracker.wandb_id or self.wandb_id
        if (
            self.hand and self.step == 0 and self.group.first
        ):  # what the base makes of it, to compare with
            draw_preview(self.model, self.loader, tracker.picture_path(0))
        try:
            with stop_signals() as stop:
                self._loop(tracker, stop)
        finally:
            tracker.finish()
            if self.fresh:
                self.fresh.close()
        if stop.signal:
            tracker.say(
                f"stopped at step {self.step}; continue with: python train.py --resume {self.folder}"
            )
            raise SystemExit(128 + stop.signal)
        best = self.folder / "best.pt"
        if self.hand and self.group.first:  # all that writing needs, in one small file
            best = self.folder / f"{bank_name(self.config.dataset_name)}.pt"
            export(self.folder / "best.pt", best)
        misread = f" and {self.best_error:.1%} of the characters misread" if self.recognizer else ""
        tracker.say(
            f'done: test loss {self.best_loss:.4f} nats per token{misread} at best; write with: python sample.py "your text" --checkpoint {best}'
        )
        return best

    def _loop(self, tracker, stop):
        c, meter = self.config, Meter(self.config.device)
        while not self._finished() and not self._stopping(stop):
            self._renew()
            meter.add(*self.train_step())
            if self.step % c.print_every == 0:
                self._check(meter.loss())
                tracker.progress(meter.line(self.step, c.max_steps))
            if self.step % c.log_every == 0 or self.step == c.max_steps:
                self._check(meter.loss())
                if self.group.first:
                    self._log(tracker, meter)
                if c.patience:  # all end together
                    self.best_step = self.group.share(lambda: self.best_step)
                meter = Meter(c.device)
        if not self._finished() and self.step % c.log_every and self.group.first:
            self._check(meter.loss())
            self.save("last.pt")
            tracker.checkpoint(self.folder / "last.pt", force=True)

    def _finished(self):
        """Whether all steps are made, or `patience` evaluations have brought no better model."""
        patience = self.config.patience
        return self.step >= self.config.max_steps or bool(
            patience and self.step - self.best_step >= patience * self.config.log_every
        )

    def _renew(self):
        """Have the stream go on with the fresh words that belong to this step, where there are any and it does not have them yet."""
        number = self.step // self.config.synthetic_interval
        if self.fresh and number != self.fresh_number:
            self.loader.set_mixture(self.replay + self.fresh.words(number), self.spliced)
            self.fresh_number = number

    def _stopping(self, stop):
        """Whether a signal asks to stop; several processes agree on it every few steps, so that they stop after the same one."""
        if self.group.size == 1:
            return stop.signal
        if self.step % STOP_CHECK_INTERVAL or not self.group.any(stop.signal):
            return False
        stop.signal = stop.signal or signal.SIGTERM
        return True

    def train_step(self):
        """One optimizer step; returns its loss and how many tokens it is of, as tensors, so that nobody waits for them."""
        packed = self.loader.train_batch(self.step)
        self.model.train()
        nll = self.nll.training_nll(packed, self.loader.width)
        nll.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        nll, n_tokens = nll.detach(), packed.n_tokens.float()
        self.group.all_reduce([*gradients, nll, n_tokens])
        torch._foreach_div_(gradients, n_tokens)
        if self.config.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
        set_learning_rates(self.optimizers, learning_rate_factor(self.step, self.config))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return nll / n_tokens, n_tokens

    def evaluate(self, split):
        """Loss on the fixed words of a split: nats per real token, and nats per offset."""
        self.model.eval()
        return estimate_loss(self.nll, self.evaluations[split])

    def _log(self, tracker, meter):
        """Evaluate, record, save and draw."""
        speed, training_seconds = (
            meter.tokens_per_second(),
            meter.seconds(),
        )  # before the evaluation, which is not training
        (train, _), (test, test_per_offset) = self.evaluate("train"), self.evaluate("test")
        self._check(test)
        metrics = {
            "train_loss": train,
            "test_loss": test,
            "test_nats_per_offset": test_per_offset,
            "batch_loss": meter.loss(),
            "learning_rate_factor": learning_rate_factor(self.step - 1, self.config),
            "seconds": self.seconds + training_seconds,
            "tokens_per_second": speed,
            **self.loader.counts(),
        }
        line = f"step {self.step}: train {train:.4f}, test {test:.4f} nats/token, {test_per_offset:.4f} nats/offset"
        if self.recognizer:
            metrics["reading_error"] = reading_error(self.model, self.loader, self.recognizer)
            line += f", {metrics['reading_error']:.1%} of the characters misread"
        tracker.log(self.step, metrics)
        tracker.say(line)
        self.seconds += training_seconds
        error = metrics.get("reading_error", math.inf)
        if (
            self.best_step < self.config.monitor_start * self.config.max_steps
        ):  # what was kept so far does not compete
            self.best_loss, self.best_error = math.inf, math.inf
        # Of two equal errors the later one, which has been trained for longer.
        improved = (
            error <= self.best_error if self.config.monitor == "reading" else test < self.best_loss
        )
        self.best_loss, self.best_error = min(test, self.best_loss), min(error, self.best_error)
        if improved:
            self.best_step = self.step
            self.save("best.pt")
        self.save("last.pt")
        tracker.checkpoint(self.folder / "last.pt", force=self.step == self.config.max_steps)
        path = tracker.picture_path(self.step)
        draw_preview(self.model, self.loader, path)
        tracker.picture(self.step, path)

    def _check(self, loss):
        if not math.isfinite(loss):
            last = self.folder / "last.pt"
            cure = (
                f"the last good checkpoint is {last}"
                if last.exists()
                else "no checkpoint had been written yet"
            )
            raise UserError(
                f"the loss became {loss} at step {self.step}: training diverged; {cure}; try a lower --learning_rate"
            )

    def save(self, name):
        """Write all that resuming needs into the run's folder; returns the path."""
        training = {
            "step": self.step,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "best_error": self.best_error,
            "seconds": self.seconds,
            "wandb_id": self.wandb_id,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random_state": torch.get_rng_state(),
            "cuda_random_states": torch.cuda.get_rng_state_all()
            if torch.cuda.is_available()
            else [],
        }
        hand = {"recognizer": self.hand.recognizer, "origin": self.hand.origin} if self.hand else {}
        save_checkpoint(
            self.folder / name,
            Checkpoint(
                self.model, self.loader.tokenizer, self.config, training, self.bank_digest, **hand
            ),
        )
        return self.folder / name

    def _restore(self, training):
        if "optimizers" not in training:
            raise UserError(
                f"{self.folder} holds a model to write with, without what continuing its training needs; start a new run"
            )
        self.step, self.best_loss, self.seconds = (
            training["step"],
            training["best_loss"],
            training["seconds"],
        )
        self.best_error, self.wandb_id = training.get("best_error", math.inf), training["wandb_id"]
        self.best_step = training.get("best_step", self.step)
        for optimizer, state in zip(self.optimizers, training["optimizers"]):
            optimizer.load_state_dict(state)
        torch.set_rng_state(training["random_state"].cpu())
        if (
            torch.cuda.is_available()
            and len(training["cuda_random_states"]) == torch.cuda.device_count()
        ):
            torch.cuda.set_rng_state_all([state.cpu() for state in training["cuda_random_states"]])
