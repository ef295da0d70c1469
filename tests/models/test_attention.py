"""Rotary positions."""

import torch

from cursivetransformer.models.attention import apply_rope, rope_cos_sin


def test_scores_of_turned_vectors_depend_on_distance_alone():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 16, generator=generator)
    frequencies = torch.rand(8, generator=generator)

    def rotated(x: torch.Tensor, position: float) -> torch.Tensor:
        return apply_rope(x, rope_cos_sin(torch.tensor(position), frequencies))

    scores = [(rotated(q, a) * rotated(k, b)).sum() for a, b in ((3.0, 1.5), (103.0, 101.5))]
    torch.testing.assert_close(*scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(rotated(q, 7.0).norm(), q.norm())


def test_the_compiled_turn_is_the_plain_one():
    x, cos_sin = torch.randn(5, 2, 8), rope_cos_sin(torch.arange(5.0), torch.rand(4))[:, None]
    compiled = torch.compile(apply_rope, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, cos_sin), apply_rope(x, cos_sin))
