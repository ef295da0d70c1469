"""One optimizer step, and the ways to make it."""

import contextlib
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import get_all_args, replace
from cursivetransformer.data import dataloader
from cursivetransformer.data.dataset import InkStore
from cursivetransformer.data.packing import SampleBatch
from cursivetransformer.models import attention
from cursivetransformer.models.loss import BatchLoss, autocast_arguments
from cursivetransformer.training.distributed import ProcessGroup
from cursivetransformer.training.optim import make_optimizers
from cursivetransformer.training.run import new_run
from cursivetransformer.training.step import (
    COMPILED,
    COMPILED_GRAPH,
    GRAPH,
    PADDED_GRAPH,
    PLAIN,
    TrainingStep,
    check_agreement,
    choose_ways,
    describe_failure,
)
from tests.training.test_trainer import SMALL


@pytest.fixture
def trainer(made_up_bank, tmp_path):
    """Make trainers of a tiny model, whose batches have fixed shapes as for a compiled model."""

    def make(plain=True, **changes):
        config = get_all_args(
            use_argparse=False,
            **{**SMALL, "num_words": 2, "n_layer": 2, "compile": "on", **changes},
            dataset_name=str(made_up_bank),
            run_dir=str(tmp_path),
            read_words=0,
        )
        run = new_run(config, lambda sentence: None)
        if plain:
            run.training_step.use([PLAIN])
        return run

    return make


def state_of(trainer):
    optimizers = [o.state_dict()["state"] for o in trainer.optimizers]
    return [
        *(p.detach().clone() for p in trainer.model.parameters()),
        *(value.clone() for o in optimizers for state in o.values() for value in state.values()),
        trainer.loader.totals.clone(),
    ]


@pytest.mark.parametrize("model", ["offset", "token"])
def test_a_step_is_made_by_the_device_alone(trainer, monkeypatch, model):
    """On torch's device without memory, where no value can be read, and a tensor on the host is an
    error. Without AdamW, which is torch's own and counts its steps on the host there.
    """
    run = trainer(model=model)
    loader = run.loader
    on_host = dataloader.sample_examples(
        loader.generator, loader._pool, 4, run.config, run.config.augment
    )
    meta = SampleBatch(**{name: value.to("meta") for name, value in vars(on_host).items()})
    monkeypatch.setattr(dataloader, "sample_examples", lambda *arguments: meta)
    moved = {
        name: value.to("meta") if isinstance(value, torch.Tensor) else value
        for name, value in vars(loader.ink).items()
    }
    loader.ink, loader.totals = InkStore(**moved), loader.totals.to("meta")
    loader.config = replace(run.config)
    loader.config.device = "meta"
    net = run.model.to("meta")
    muon = make_optimizers(net, run.config)[:1]
    step = TrainingStep(
        net, loader, muon, BatchLoss(net, run.config), run.config, ProcessGroup(), print
    )
    nll, n_tokens = step.make_step(ProcessGroup())
    assert nll.is_meta and n_tokens.is_meta
    assert all(p.is_meta for p in net.parameters())


class Count(TorchDispatchMode):
    """Counts operations, but for those that only look at a tensor in another way."""

    def __init__(self):
        super().__init__()
        self.operations = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not function.is_view:
            self.operations[str(function)] += 1
        return function(*args, **(kwargs or {}))

    @property
    def total(self):
        return sum(self.operations.values())


def test_no_part_of_a_step_takes_more_operations_than_now(trainer):
    """Each is a launch on a GPU. The numbers are for two blocks, and do not grow with a batch."""
    run = trainer(batch_size=6)
    run.train_step()
    run.loader.seed(1)
    parts = {}

    def counted(name, function):
        with Count() as count:
            result = function()
        parts[name] = count.total
        return result

    packed = counted("batch", run.loader.sample_batch)
    nll = counted("forward", lambda: run.loss.training_nll(packed, run.loader.width))
    counted("backward", nll.backward)
    muon, adamw = run.optimizers
    counted("muon", muon.step)
    counted("adamw", adamw.step)
    budget = {"batch": 275, "forward": 187, "backward": 153, "muon": 151, "adamw": 4}
    assert {name: n for name, n in parts.items() if n > budget[name]} == {}, parts


@contextlib.contextmanager
def compiling(monkeypatch, compiler):
    with monkeypatch.context() as patch:
        patch.setattr(torch, "compile", compiler)
        yield


def test_other_words_do_not_compile_anew(trainer, monkeypatch, made_up_words):
    """Longer ones, and longer texts, come while a model trains."""
    torch._dynamo.reset()
    compiler = torch.compile

    def traced(function, **options):
        return compiler(function, backend="aot_eager", **options)

    with compiling(monkeypatch, traced):
        run = trainer(False, synthetic_words=10, synthetic_interval=2, num_words=3, max_steps=8)
        said = []
        run.training_step.say = said.append
        run.mixture.update(0)
        with torch._dynamo.config.patch(error_on_recompile=True):
            losses = [float(run.train_step()[0]) for _ in range(2)]
            width, capacity = run.loader.width, run.loader.capacity
            for length in (1, 20, 40):
                words = [
                    Word(
                        "ab" * (length // 2 + 1), "Eve", np.tile(word.points, (1 + length // 8, 1))
                    )
                    for word in made_up_words
                ]
                run.loader.set_mixture(words)
                losses += [float(run.train_step()[0]) for _ in range(3)]
        run.mixture.close()
    assert run.training_step.ways[0] == COMPILED and not said
    assert (run.loader.width, run.loader.capacity) == (width, capacity)
    assert np.isfinite(losses).all()


class BrokenGradient(torch.autograd.Function):
    """A loss whose gradient cannot be computed."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no code for this operation\nand more")


@pytest.mark.parametrize("broken", ["forward", "backward", "values"])
def test_a_way_that_fails_leaves_no_trace(trainer, monkeypatch, broken):
    def compiler(nll, **options):
        def compiled(*arguments):
            if broken == "forward":
                raise RuntimeError("no code for this operation\nand more")
            loss = nll(*arguments)
            return BrokenGradient.apply(loss) if broken == "backward" else 1.1 * loss

        return compiled

    run = trainer(plain=False, wandb_run_name="broken")
    said = []
    run.training_step.say = said.append
    plain = trainer(wandb_run_name="plain")
    with compiling(monkeypatch, compiler):
        for _ in range(3):
            assert torch.equal(*(r.train_step()[0] for r in (run, plain)))
    reason = "its loss is" if broken == "values" else "no code for this operation"
    assert len(said) == 1 and said[0].startswith(f"torch.compile failed ({reason}")
    assert said[0].endswith("training goes on by plain operations")
    assert all(torch.equal(a, b) for a, b in zip(state_of(run), state_of(plain)))


def test_trying_a_way_leaves_no_trace(trainer, monkeypatch):
    run = trainer(plain=False, wandb_run_name="tried")
    plain = trainer(wandb_run_name="plain")
    with compiling(monkeypatch, lambda nll, **options: nll):
        for _ in range(3):
            run.train_step(), plain.train_step()
    assert run.training_step.ways == [COMPILED, PLAIN] and run.loss.compiled
    assert all(torch.equal(a, b) for a, b in zip(state_of(run), state_of(plain)))


def test_a_resumed_run_keeps_the_shape_of_its_batches(trainer):
    run = trainer(wandb_run_name="a")
    run.loader.capacity += 64
    run.train_step()
    again = trainer(wandb_run_name="b")
    saved = run.save("last.pt")
    assert run.state.capacity == run.loader.capacity > again.loader.capacity
    again.restore(torch.load(saved, weights_only=True)["training"])
    assert again.loader.capacity == run.loader.capacity
    # A process of several has a smaller part of a batch.
    third, stored = trainer(wandb_run_name="c"), torch.load(saved, weights_only=True)["training"]
    third.restore({**stored, "processes": 2})
    assert third.loader.capacity < run.loader.capacity


def cuda(**changes):
    settings = dict(device="cuda", compile="auto", cuda_graph="auto", precision="auto")
    return SimpleNamespace(**{**settings, **changes})


def test_the_ways_go_from_the_fastest_to_the_safest():
    assert choose_ways(cuda(), 1, 5000) == [GRAPH, COMPILED, PLAIN]
    assert choose_ways(cuda(), 1, 20_000) == [COMPILED_GRAPH, GRAPH, COMPILED, PLAIN]
    assert choose_ways(cuda(compile="on"), 1, 5)[0] == COMPILED_GRAPH
    assert choose_ways(cuda(compile="off"), 1, 20_000) == [GRAPH, PLAIN]
    assert choose_ways(cuda(cuda_graph="off"), 1, 20_000) == [COMPILED, PLAIN]
    assert choose_ways(cuda(), 2, 20_000) == [COMPILED, PLAIN]
    assert choose_ways(cuda(), 1, 5, True) == [GRAPH, PADDED_GRAPH, COMPILED, PLAIN]
    for compile, ways in (("auto", [PLAIN]), ("on", [COMPILED, PLAIN])):
        assert choose_ways(cuda(device="cpu", compile=compile), 1, 20_000) == ways


@pytest.mark.parametrize("capability, bfloat16", [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bfloat16_needs_a_card_that_has_it(monkeypatch, capability, bfloat16):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert autocast_arguments(cuda())["enabled"] == bfloat16
    assert not autocast_arguments(cuda(precision="float32"))["enabled"]
    assert autocast_arguments(cuda(device="cpu", precision="bfloat16"))["enabled"]


def test_a_failure_is_told_by_its_reason_and_its_cure():
    message = (
        "Command ['gcc', 'main.c'] returned non-zero exit status 1.\n"
        "main.c:5:10: fatal error: Python.h: No such file or directory"
    )
    told = describe_failure(RuntimeError(message))
    assert "fatal error: Python.h" in told and "build-essential python3-dev" in told
    assert describe_failure(RuntimeError("a bug\nmore")) == "a bug"
    assert describe_failure(KeyError()) == "KeyError"
    try:
        try:
            raise RuntimeError("this operation waits for the host")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")
    except RuntimeError as error:
        assert describe_failure(error) == "this operation waits for the host"


def test_only_numbers_agree():
    check_agreement(torch.tensor(2.01), torch.tensor(2.0))
    for loss, expected in ((2.1, 2.0), (torch.nan, 2.0), (2.0, torch.nan), (torch.nan, torch.nan)):
        with pytest.raises(ArithmeticError):
            check_agreement(torch.tensor(loss), torch.tensor(expected))


def reference_varlen(q, k, v, starts_q, starts_k, max_q, max_k, window_size):
    """Attend as `torch.nn.attention.varlen.varlen_attn` does, one example after the other."""
    parts = []
    assert starts_q[-1] == len(q) and (starts_q.diff() <= max_q).all()
    assert (starts_k.diff() <= max_k).all() and starts_q.dtype == starts_k.dtype == torch.int32
    unread = torch.arange(len(k)) >= starts_k[-1]
    for x in (k, v):
        if x.requires_grad:  # the kernel's gradients of what no example reads are not defined
            x.register_hook(lambda g: g.masked_fill(unread[:, None, None], torch.nan))
    causal = window_size == (-1, 0)
    assert causal or window_size[0] == window_size[1] >= max_q
    for i in range(len(starts_q) - 1):
        part_q, (part_k, part_v) = (
            q[starts_q[i] : starts_q[i + 1]],
            (x[starts_k[i] : starts_k[i + 1]] for x in (k, v)),
        )
        if not len(part_k):
            parts.append(torch.zeros_like(part_q))
            continue
        heads = (x.transpose(0, 1)[None] for x in (part_q, part_k, part_v))
        y = torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=causal)
        parts.append(y[0].transpose(0, 1))
    return torch.cat(parts)


def test_attention_where_examples_lie_is_that_of_slices(trainer, monkeypatch):
    monkeypatch.setattr(attention, "varlen_kernel", lambda: reference_varlen)
    run = trainer(batch_size=6)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in run.model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    packed = run.loader.train_batch(0)
    assert int(packed.lengths.sum()) < len(packed.position), "some positions are of no example"
    gradients = []
    for varlen in (False, True):
        run.model.zero_grad()
        nll = run.model.nll(packed, run.loader.width, varlen)
        nll.backward()
        gradients.append([nll.detach(), *(p.grad for p in run.model.parameters())])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_words_that_come_later_never_exceed_the_texts_that_a_model_reads(trainer, made_up_words):
    """Regression: three long words an example read past the last position of a text."""
    run = trainer(num_words=3, min_words=3, max_seq_length=4000, synthetic_words=10)
    run.mixture.close()
    limit = run.model.config.max_text
    texts = ["a" * 30, "b" * (limit - 1), "c" * limit]
    fresh = [Word(text, "Eve", made_up_words[0].points) for text in texts for _ in range(40)]
    run.loader.set_mixture(fresh)
    read = set()
    for _ in range(5):
        packed = run.loader.train_batch(run.step)
        assert packed.text.shape == (4, limit)
        read |= {int(n) for n in (packed.text != 0).sum(1)}
        assert np.isfinite(float(run.train_step()[0]))
    assert {limit} < read and max(read) <= limit


def test_a_card_that_torch_does_not_see_is_told(monkeypatch):
    from cursivetransformer.training import run as runs

    said = []
    monkeypatch.setattr(runs, "_list_cards", lambda: "GPU 0: Card")
    runs.tell_unused_card(SimpleNamespace(device="cpu", explicit=frozenset()), said.append)
    assert len(said) == 1 and "there is an NVIDIA card, but torch" in said[0]
    runs.tell_unused_card(SimpleNamespace(device="cpu", explicit={"device"}), said.append)
    runs.tell_unused_card(SimpleNamespace(device="cuda", explicit=frozenset()), said.append)
    monkeypatch.setattr(runs, "_list_cards", lambda: "")
    runs.tell_unused_card(SimpleNamespace(device="cpu", explicit=frozenset()), said.append)
    assert len(said) == 1
