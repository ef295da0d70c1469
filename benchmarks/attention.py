"""Time a training step of the paper recipe with fused attention and with attention written out.

    python -m benchmarks.attention

Written out, attention is a product of matrices and a masked softmax. The batch has 32 sequences of
1,050 random tokens; the models have 5 layers of width 64. They start from the same weights and are
timed in turn.
"""

import copy
import math
import statistics
import time

import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.models.attention import (
    AttentionContext,
    CrossAttention,
    KeysAndValues,
    SelfAttention,
    merge_heads,
    split_heads,
)
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.token_gpt import TokenGPT, token_loss
from cursivetransformer.training.optim import make_optimizers
from cursivetransformer.utils.errors import run_script

CHARS = "abcdefghijklmnopqrstuvwxyz0123456789"
TEXT_LENGTH = 28  # characters
N_ROUNDS = 3


def written_out(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Compute softmax(q k^T / sqrt(D), masked) v with every matrix in memory.

    q, k and v are (B, H, T, D).
    """
    scores = (q @ k.mT) / math.sqrt(q.shape[-1])
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1) @ v


class PlainSelfAttention(SelfAttention):
    """`SelfAttention`, written out."""

    def forward(self, x: torch.Tensor, context: AttentionContext, layer: int) -> torch.Tensor:
        """Attend from x (B, T, C)."""
        q, k, v = (split_heads(part, self.n_head) for part in self.qkv(x).chunk(3, dim=-1))
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return self.out(merge_heads(written_out(q, k, v, causal)))


class PlainCrossAttention(CrossAttention):
    """`CrossAttention`, written out."""

    def forward(
        self, x: torch.Tensor, keys_and_values: KeysAndValues, text_mask: torch.Tensor
    ) -> torch.Tensor:
        """Attend from x (B, T, C) to the text."""
        q = split_heads(self.q(x), self.n_head)
        return self.out(merge_heads(written_out(q, *keys_and_values, text_mask)))


def plain_copy(model: TokenGPT) -> TokenGPT:
    """Copy a model, with its attention written out."""
    model = copy.deepcopy(model)
    for block in model.blocks:
        block.attention.__class__ = PlainSelfAttention
        block.cross.__class__ = PlainCrossAttention
    return model


def main() -> None:
    config = get_all_args(preset="paper", device="cpu")
    torch.manual_seed(0)
    tokenizer = make_tokenizer(config.tokenizer, CHARS)
    fused = TokenGPT(ModelConfig.from_settings(config, tokenizer, 0.15, 64, []))
    plain = plain_copy(fused)
    tokens = torch.randint(0, tokenizer.word_id, (config.batch_size, config.max_seq_length))
    text = torch.randint(1, tokenizer.n_chars, (config.batch_size, TEXT_LENGTH))

    def step(model: TokenGPT, optimizers: list[torch.optim.Optimizer]) -> tuple[float, float]:
        """Make one step; return its seconds and its loss."""
        start = time.perf_counter()
        loss = token_loss(model(tokens, text), tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start, loss.item()

    models = [(model, make_optimizers(model, config)) for model in (plain, fused)]
    seconds: list[list[float]] = [[], []]
    for round_number in range(1 + N_ROUNDS):  # the first warms up
        results = [step(*pair) for pair in models]
        assert abs(results[0][1] - results[1][1]) < 1e-2, "both must compute the same loss"
        if round_number:
            for times, (elapsed, _) in zip(seconds, results):
                times.append(elapsed)
    for name, times in zip(("written out", "fused"), seconds):
        print(f"{name:12} {statistics.median(times):6.2f} s a step (median of {N_ROUNDS})")
    print(f"ratio        {statistics.median(a / b for a, b in zip(*seconds)):6.1f}")


if __name__ == "__main__":
    run_script(main)
