"""One optimizer step, and the ways to make it: captured as a CUDA graph, compiled, or plainly.

A step is a sequence of operations on the device. The host gives it two inputs, the seed of the
batch and the factor of the learning rates, and waits for nothing. So it can be captured once as a
CUDA graph, and replayed with a single launch. Each way is tried before it is used, and where one
fails, training goes on by the next.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.optim import Optimizer
from torch.torch_version import TorchVersion

from cursivetransformer.config.train import Config
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.dataset import InkStore
from cursivetransformer.models.base import Model
from cursivetransformer.models.loss import BatchLoss
from cursivetransformer.training.distributed import ProcessGroup
from cursivetransformer.training.optim import learning_rate_factor, set_learning_rates

LONG_RUN = 15_000  # steps from which compiling for a GPU is expected to pay for its time
TRIAL_STEPS = 3  # before a way is used, for what the compiler and the libraries do at first
MAX_LOSS_ERROR = 0.01  # relative, of a way's loss against the plain one's
# Later versions of torch find the generators that a graph uses by themselves.
KNOWS_NO_GENERATOR = TorchVersion(torch.__version__) < "2.14"
MAX_ERROR_LENGTH = 300  # characters of an error that a warning quotes


@dataclass(frozen=True)
class Way:
    """A way to make a step.

    name: for people; captured: as a CUDA graph; compiled: the model, by torch.compile; varlen: with
    attention by `VarlenAttention` where the card has it.
    """

    name: str
    captured: bool = False
    compiled: bool = False
    varlen: bool = True


COMPILED_GRAPH = Way("a CUDA graph of the compiled model", captured=True, compiled=True)
GRAPH = Way("a CUDA graph", captured=True)
PADDED_GRAPH = Way("a CUDA graph with padded attention", captured=True, varlen=False)
COMPILED = Way("torch.compile", compiled=True)
PLAIN = Way("plain operations", varlen=False)


def choose_ways(
    config: Config, n_processes: int, steps_left: int, has_varlen: bool = False
) -> list[Way]:
    """Return the ways to try, the best first and the safest last."""
    on_gpu = config.device.startswith("cuda")
    # Collective operations stay outside of graphs.
    captures = on_gpu and config.cuda_graph == "auto" and n_processes == 1
    compiles = config.compile == "on" or (on_gpu and config.compile == "auto")
    ways = []
    if captures and compiles and (config.compile == "on" or steps_left >= LONG_RUN):
        ways.append(COMPILED_GRAPH)
    if captures:
        ways += [GRAPH, PADDED_GRAPH] if has_varlen else [GRAPH]
    if compiles:
        ways.append(COMPILED)
    return [*ways, PLAIN]


def needs_fixed_shapes(config: Config) -> bool:
    """Return whether all training batches of a run must have one shape."""
    return config.compile == "on" or config.device.startswith("cuda")


@dataclass(frozen=True)
class CapturedStep:
    """A step as a CUDA graph.

    graph: replays the step; outputs: the tensors that it writes its results into; ink: the words
    whose addresses it holds.
    """

    graph: torch.cuda.CUDAGraph
    outputs: tuple[torch.Tensor, torch.Tensor]
    ink: InkStore


class TrainingStep:
    """Makes the optimizer steps of a run.

    Args:
        model: the model.
        loader: makes the batches.
        optimizers: update the model.
        loss: the loss of a batch.
        config: settings of the run.
        group: the processes that train together.
        say: takes a sentence where a way fails.
    """

    def __init__(
        self,
        model: Model,
        loader: DataLoader,
        optimizers: Sequence[Optimizer],
        loss: BatchLoss,
        config: Config,
        group: ProcessGroup,
        say: Callable[[str], object],
    ) -> None:
        self.model, self.loader, self.optimizers, self.loss = model, loader, optimizers, loss
        self.config, self.group, self.say = config, group, say
        self.has_varlen = loss.varlen
        self.ways: list[Way] = []  # those that have not failed, the present one first
        self._captured: CapturedStep | None = None
        # The factor of the learning rates. A graph reads it from the device.
        self._factor: float | torch.Tensor = 1.0
        if config.device.startswith("cuda"):
            self._factor = torch.ones((), device=config.device)

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step.

        Returns:
            Its loss per token and its number of tokens, as tensors, so that nothing waits for the
            device. The next call may overwrite them.
        """
        if not self.ways:
            steps_left = self.config.max_steps - step
            ways = choose_ways(self.config, self.group.size, steps_left, self.has_varlen)
            self.use(ways, step)
        elif self._captured is not None and self._captured.ink is not self.loader.ink:
            self.use(self.ways, step, n_trials=0)
        self._set_inputs(step)
        return self._run(self.group)

    def _run(self, group: ProcessGroup) -> tuple[torch.Tensor, torch.Tensor]:
        """Queue a step in the present way, with the inputs that are set."""
        if self._captured is None:
            return self.make_step(group)
        self._captured.graph.replay()
        return self._captured.outputs

    def make_step(self, group: ProcessGroup) -> tuple[torch.Tensor, torch.Tensor]:
        """Queue the operations of a step, from the batch to the update."""
        self.model.train()
        packed = self.loader.sample_batch()
        nll = self.loss.training_nll(packed, self.loader.width)
        nll.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        nll, n_tokens = nll.detach(), packed.n_tokens.float()
        group.all_reduce([*gradients, nll, n_tokens])
        torch._foreach_div_(gradients, n_tokens)
        if self.config.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.grad_clip)
        set_learning_rates(self.optimizers, self._factor)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return nll / n_tokens, n_tokens

    def _set_inputs(self, step: int) -> None:
        """Set what differs from step to step."""
        self.loader.seed(step)
        factor = learning_rate_factor(step, self.config)
        if isinstance(self._factor, torch.Tensor):
            self._factor.fill_(factor)
        else:
            self._factor = factor

    def use(self, ways: Sequence[Way], step: int = 0, n_trials: int = TRIAL_STEPS) -> None:
        """Make steps in the first of the ways that works.

        Args:
            ways: the ways; `PLAIN` is the last. Those that fail are dropped with a sentence.
            step: whose batch they are tried on.
            n_trials: number of steps to make before one is captured and compared.
        """
        self.ways = [*ways]
        while True:
            way = self.ways[0]
            self.loss.compiled, self.loss.varlen = way.compiled, way.varlen and self.has_varlen
            self._captured = None
            if way == PLAIN:
                return
            # A missing compiler, an old card, a bug of a library: none is worth a training run.
            reason = ""
            try:
                with self._nothing_changed():
                    self._try(way, step, n_trials)
            except Exception as error:
                reason = describe_failure(error)
            if not self.group.any(bool(reason)):
                return
            self.ways.pop(0)
            n_trials = TRIAL_STEPS
            reason = reason or "in another process"
            self.say(f"{way.name} failed ({reason}); training goes on by {self.ways[0].name}")

    def _try(self, way: Way, step: int, n_trials: int) -> None:
        """Make some steps in a way, and compare the loss of one more with the plain one."""
        for _ in range(n_trials):
            self._set_inputs(step)
            self.make_step(ProcessGroup())
        if way.captured:
            self._set_inputs(step)
            self._captured = self._capture()
        self._set_inputs(step)
        expected = self._plain_loss()
        self._set_inputs(step)
        loss, _ = self._run(ProcessGroup())
        check_agreement(loss, expected)

    def _plain_loss(self) -> torch.Tensor:
        """Compute the loss per token of a step's batch by plain operations, in float32."""
        packed = self.loader.sample_batch()
        with torch.no_grad():
            return self.model.nll(packed, self.loader.width) / packed.n_tokens

    def _capture(self) -> CapturedStep:
        graph = torch.cuda.CUDAGraph()
        if KNOWS_NO_GENERATOR:
            graph.register_generator_state(self.loader.generator)
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                outputs = self.make_step(ProcessGroup())
        except Exception:
            # What a capture that failed leaves behind.
            torch.cuda.set_stream(stream)
            self.loader.generator = torch.Generator(self.loader.generator.device)
            raise
        return CapturedStep(graph, outputs, self.loader.ink)

    @contextmanager
    def _nothing_changed(self) -> Iterator[None]:
        """Undo what steps do to the weights, the optimizers and the counts, in place."""
        known = self._optimizer_state()
        kept = [*(p.detach() for p in self.model.parameters()), self.loader.totals, *known.values()]
        copies = [tensor.clone() for tensor in kept]
        try:
            yield
        finally:
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            for tensor, copy in zip(kept, copies):
                tensor.copy_(copy)
            for key, tensor in self._optimizer_state().items():
                if key not in known:  # it starts as zeros
                    tensor.zero_()

    def _optimizer_state(self) -> dict[tuple[torch.Tensor, str], torch.Tensor]:
        """Return what the optimizers keep, by parameter and name."""
        return {
            (p, name): tensor
            for optimizer in self.optimizers
            for p, state in optimizer.state.items()
            for name, tensor in state.items()
        }


def check_agreement(loss: torch.Tensor, expected: torch.Tensor) -> None:
    """Raise ArithmeticError where a way computes another loss than the plain one, or none."""
    got, wanted = float(loss), float(expected)
    if not math.isfinite(wanted) or not abs(got - wanted) <= MAX_LOSS_ERROR * abs(wanted):
        raise ArithmeticError(f"its loss is {got:.4f}, not {wanted:.4f}")


def describe_failure(error: Exception) -> str:
    """Return what went wrong in one line, and the cure where it is known."""
    first: BaseException = error
    while "previous error during capture" in str(first) and first.__context__ is not None:
        first = first.__context__
    lines = [line.strip() for line in str(first).splitlines() if line.strip()]
    text = " ".join(lines) or type(error).__name__
    reason = lines[0] if lines else text
    # A failed build quotes its command first and the compiler's words later.
    for line in lines:
        if "error:" in line.lower() or "Python.h" in line or "C compiler" in line:
            reason = line
            break
    cure = ""
    if "Python.h" in text or "C compiler" in text or "gcc" in text:
        cure = "; sudo apt-get install build-essential python3-dev provides what is missing"
    return reason[:MAX_ERROR_LENGTH] + cure
