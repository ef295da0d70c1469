"""What must hold on an NVIDIA card; skipped where there is none."""

import numpy as np
import pytest
import torch
import torch.distributed as dist

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataset import InkStore
from cursivetransformer.data.packing import SampleBatch, pack, sample_examples
from cursivetransformer.models.checkpoint import SHIPPED, load_checkpoint
from cursivetransformer.models.loss import BatchLoss
from cursivetransformer.sampling import generate
from cursivetransformer.training.distributed import TorchProcessGroup
from cursivetransformer.training.run import new_run, resume_run
from cursivetransformer.training.step import COMPILED, COMPILED_GRAPH, GRAPH, PLAIN

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
STEPS = 20


@pytest.fixture
def make_trainer(made_up_bank, tmp_path):
    """Make trainers of the default model on a small bank."""

    def make(device="cuda", ways=None, **changes):
        settings = dict(
            finetune="none",
            batch_size=16,
            test_size=64,
            log_every=STEPS,
            wandb="off",
            read_words=0,
            max_steps=4 * STEPS,
        )
        config = get_all_args(
            use_argparse=False,
            **{**settings, **changes},
            device=device,
            dataset_name=str(made_up_bank),
            run_dir=str(tmp_path),
        )
        trainer = new_run(config, lambda sentence: None)
        trainer.training_step.say = lambda sentence: pytest.fail(sentence)
        if ways:
            trainer.training_step.use([*ways, PLAIN])
        return trainer

    return make


def losses(trainer, n=STEPS):
    return [float(trainer.train_step()[0]) for _ in range(n)]


def perturb(model):
    """Move the weights off the start, where all tokens are equally likely."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator).to(p.device))


def test_a_batch_made_on_the_card_holds_the_tokens_of_the_cpu(make_trainer):
    loader = make_trainer("cpu").loader
    examples = sample_examples(loader.generator, loader._pool, 64, loader.config)
    on_card = SampleBatch(**{name: value.cuda() for name, value in vars(examples).items()})
    ink = InkStore(
        **{
            name: value.cuda() if isinstance(value, torch.Tensor) else value
            for name, value in vars(loader.ink).items()
        }
    )
    expected = pack(loader.ink, loader.tokenizer, examples, 800, 9600, 64)
    packed = pack(ink, loader.tokenizer, on_card, 800, 9600, 64).to("cpu")
    for name, value in vars(expected).items():
        if name in ("tokens", "targets"):  # an angle on the edge of a bin may fall to either side
            assert (getattr(packed, name) != value).float().mean() < 1e-3
        else:
            assert torch.equal(getattr(packed, name), value), name


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["offset", "token"])
def test_losses_and_gradients_are_those_of_the_cpu(make_trainer, precision, model):
    if precision == "bfloat16" and torch.cuda.get_device_capability()[0] < 8:
        pytest.skip("this card has no bfloat16")
    trainer = make_trainer("cpu", model=model, compile="on")  # for batches of fixed shape
    net, loader = trainer.model, trainer.loader
    perturb(net)
    packed = loader.train_batch(0)
    expected = net.nll(packed, loader.width)
    expected.backward()
    gradients = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    net.cuda()
    config = get_all_args(use_argparse=False, device="cuda", precision=precision)
    loss = BatchLoss(net, config)
    nll = loss.training_nll(packed.to("cuda"), loader.width)
    nll.backward()
    tolerance = 1e-4 if precision == "float32" else 2e-3
    assert float(nll) == pytest.approx(float(expected), rel=tolerance)
    for p, gradient in zip(net.parameters(), gradients):
        error = (p.grad.cpu() - gradient).norm() / gradient.norm().clamp(min=1e-6)
        assert error < (1e-3 if precision == "float32" else 5e-2)


def test_an_evaluation_is_that_of_the_cpu(make_trainer):
    cpu, card = make_trainer("cpu"), make_trainer()
    perturb(cpu.model)
    card.model.load_state_dict(cpu.model.state_dict())
    assert card.evaluate("test") == pytest.approx(cpu.evaluate("test"), rel=1e-4)


@pytest.mark.parametrize("model", ["offset", "token"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_captured_compiled_and_plain_steps_have_the_same_losses(make_trainer, model, optimizer):
    kind = dict(model=model, optimizer=optimizer, precision="float32")
    plain = losses(make_trainer(ways=[PLAIN], **kind))
    assert losses(make_trainer("cpu", preset="gpu", **kind)) == pytest.approx(plain, rel=2e-2)
    for way in (GRAPH, COMPILED, COMPILED_GRAPH):
        assert losses(make_trainer(ways=[way], **kind)) == pytest.approx(plain, rel=5e-3), way.name


def test_the_best_way_is_the_graph_and_it_learns(make_trainer):
    trainer = make_trainer()
    before = losses(trainer, 3 * STEPS)
    assert trainer.training_step.ways[0] == GRAPH and before[-1] < before[0] - 0.5


def test_a_step_never_waits_for_the_card(make_trainer):
    trainer = make_trainer()
    losses(trainer, 3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(STEPS):
            trainer.train_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_other_words_are_captured_anew(make_trainer, made_up_words):
    trainer = make_trainer()
    losses(trainer, 3)
    captured = trainer.training_step._captured
    trainer.loader.set_mixture(made_up_words[:5])
    assert np.isfinite(losses(trainer, 3)).all()
    assert captured is not trainer.training_step._captured is not None


def test_a_run_goes_on_from_the_cpu_to_the_card_and_back(make_trainer, made_up_bank):
    def resume(trainer, device):
        trainer.save("last.pt")
        config = get_all_args(
            use_argparse=False, device=device, dataset_name=str(made_up_bank), resume="x"
        )
        return resume_run(trainer.folder / "last.pt", config, lambda sentence: None)

    whole, parts = make_trainer("cpu"), make_trainer("cpu")
    expected = losses(whole, 3 * STEPS)
    got = losses(parts)
    parts = resume(parts, "cuda")
    got += losses(parts)
    parts = resume(parts, "cpu")
    got += losses(parts)
    assert got == pytest.approx(expected, rel=5e-2)
    assert got[:STEPS] == expected[:STEPS]


def test_one_process_adds_up_by_nccl(tmp_path):
    dist.init_process_group(
        "cpu:gloo,cuda:nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        group = TorchProcessGroup("cuda:0")
        x = torch.ones(3, device="cuda")
        group.all_reduce([x])
        assert torch.equal(x, torch.ones(3, device="cuda"))
        assert group.any(True) and not group.any(False) and group.broadcast(lambda: "a") == "a"
    finally:
        dist.destroy_process_group()


def test_what_is_written_on_the_card_is_what_is_written_on_the_cpu(monkeypatch):
    checkpoint = load_checkpoint(SHIPPED)
    model, tokenizer = checkpoint.model.eval(), checkpoint.tokenizer
    texts = "the quick brown fox jumps over a lazy dog and writes it down".split()
    options = dict(seed=1, authors=1)
    cpu = generate.generate_words(model, tokenizer, texts, **options)
    model.cuda()
    captured = generate.generate_words(model, tokenizer, texts, **options)
    decoder = generate.Decoder
    monkeypatch.setattr(
        generate, "Decoder", lambda *parts, captures: decoder(*parts, captures=False)
    )
    plain = generate.generate_words(model, tokenizer, texts, **options)
    # A token on the edge between two may fall to either side, and another word follows.
    for other in (cpu, plain):
        same = [
            a.points.shape == b.points.shape and np.allclose(a.points, b.points, atol=1e-3)
            for a, b in zip(captured, other)
        ]
        assert np.mean(same) >= 0.8, same
    assert all(word.finished for word in captured)
