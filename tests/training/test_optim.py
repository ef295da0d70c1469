"""Optimizers and the schedule."""

import pytest
import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.training.optim import (
    Muon,
    learning_rate_factor,
    make_optimizers,
    optimizer_state,
    orthogonalize,
    set_learning_rates,
    stack_upright,
    unstack_upright,
)


def settings(**changes):
    return get_all_args(use_argparse=False, device="cpu", **changes)


def test_the_step_schedule_halves():
    config = settings(preset="paper")
    assert [
        learning_rate_factor(step, config) for step in (0, 19_999, 20_000, 40_000, 124_999)
    ] == [1, 1, 0.5, 0.25, 0.5**6]


def test_the_linear_schedule_rises_stays_and_falls_to_nearly_zero():
    config = settings(schedule="linear", max_steps=1000, warmup_steps=9, cooldown_fraction=0.5)
    factors = [learning_rate_factor(step, config) for step in range(1000)]
    assert factors[:3] == pytest.approx([0.1, 0.2, 0.3]) and factors[9:501] == pytest.approx(
        [1] * 492
    )
    assert factors[750] == pytest.approx(0.5) and factors[999] == pytest.approx(1 / 500)
    assert learning_rate_factor(1000, config) == 0


def test_orthogonalised_matrices_have_singular_values_near_one():
    matrices = torch.randn(5, 24, 64, generator=torch.Generator().manual_seed(0))
    for x in (matrices, matrices.mT):
        values = torch.linalg.svdvals(orthogonalize(x))
        assert values.min() > 0.5 and values.max() < 1.3


@pytest.mark.skipif(
    not hasattr(torch.optim, "Muon"), reason="this torch has no Muon of its own to compare with"
)
def test_muon_steps_like_the_one_of_torch():
    """torch's runs its iteration in bfloat16, hence the tolerance."""
    generator = torch.Generator().manual_seed(0)
    start, gradients = (
        torch.randn(16, 48, generator=generator),
        torch.randn(5, 16, 48, generator=generator),
    )
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = [
        Muon([ours], lr=0.02, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True),
    ]
    for gradient in gradients:
        for p, optimizer in zip((ours, theirs), optimizers):
            p.grad = gradient.clone()
            optimizer.step()
    assert (ours - theirs).norm() < 0.05 * (ours - start).norm()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("kind", ["offset", "token"])
def test_every_parameter_is_optimized_once_and_no_vector_decays(optimizer, kind):
    tokenizer = make_tokenizer("polar", "abc")
    model = make_model(
        ModelConfig(
            kind,
            2,
            32,
            2,
            4,
            24,
            tokenizer.slot_sizes.tolist(),
            tokenizer.n_chars,
            1,
            0.2,
            60,
            16,
            ["Ada", "Ben"],
        ),
        tokenizer,
    )
    optimizers = make_optimizers(model, settings(optimizer=optimizer, weight_decay=0.3))
    seen = [id(p) for o in optimizers for group in o.param_groups for p in group["params"]]
    assert sorted(seen) == sorted(id(p) for p in model.parameters())
    for o in optimizers:
        for group in o.param_groups:
            assert group["weight_decay"] == 0 or all(p.ndim >= 2 for p in group["params"])
    set_learning_rates(optimizers, 0.5)
    assert all(group["lr"] == group["full_lr"] / 2 for o in optimizers for group in o.param_groups)


def test_a_factor_on_the_device_is_the_same_and_is_not_stored():
    """A recorded graph reads it from a tensor."""
    weights = []
    for factor in (0.5, torch.tensor(0.5)):
        p, q = (torch.nn.Parameter(torch.arange(12.0).view(3, 4) / 12) for _ in range(2))
        optimizers = [Muon([p], lr=0.02), torch.optim.AdamW([q], lr=1e-3, fused=True)]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["full_lr"] = group["lr"]
        for _ in range(3):
            p.grad, q.grad = p.detach() ** 2, q.detach() ** 2
            set_learning_rates(optimizers, factor)
            for optimizer in optimizers:
                optimizer.step()
        weights.append(torch.cat([p, q]).detach())
        assert [optimizer_state(o)["param_groups"][0]["lr"] for o in optimizers] == [0.02, 1e-3]
    torch.testing.assert_close(*weights, rtol=1e-6, atol=1e-7)


def test_matrices_of_all_shapes_make_one_stack():
    generator = torch.Generator().manual_seed(0)
    matrices = [torch.randn(*shape, generator=generator) for shape in ((8, 4), (4, 8), (3, 3))]
    stacked = stack_upright(matrices)
    assert stacked.shape == (3, 8, 4)
    again = unstack_upright(stacked, [m.shape for m in matrices])
    assert all(torch.equal(a, b) for a, b in zip(matrices, again))
    together = unstack_upright(orthogonalize(stacked), [m.shape for m in matrices])
    for m, orthogonal in zip(matrices, together):
        torch.testing.assert_close(orthogonal, orthogonalize(m[None])[0], rtol=1e-4, atol=1e-5)
