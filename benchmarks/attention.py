"""One training step of the paper recipe: fused attention, against attention written out as matrices and a masked softmax.

    python -m benchmarks.attention

32 sequences of 1,050 random tokens, 5 layers, width 64; the two models have the same weights and are timed in turn.
"""

import copy
import math
import statistics
import time

import torch

from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.models.attention import (
    CrossAttention,
    SelfAttention,
    merge_heads,
    split_heads,
)
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.models.token_gpt import token_loss
from cursivetransformer.training.optim import make_optimizers
from cursivetransformer.utils.errors import run_script

CHARS, TEXT, ROUNDS = "abcdefghijklmnopqrstuvwxyz0123456789", 28, 3


def written_out(q, k, v, mask):
    """softmax(q k^T / sqrt(D), masked) v, every matrix in memory; q, k, v: (B, H, T, D)."""
    scores = (q @ k.mT) / math.sqrt(q.shape[-1])
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1) @ v


class PlainSelfAttention(SelfAttention):
    def forward(self, x, context, layer):
        q, k, v = (split_heads(part, self.n_head) for part in self.qkv(x).chunk(3, dim=-1))
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return self.out(merge_heads(written_out(q, k, v, causal)))


class PlainCrossAttention(CrossAttention):
    def forward(self, x, keys_and_values, text_mask):
        q = split_heads(self.q(x), self.n_head)
        return self.out(merge_heads(written_out(q, *keys_and_values, text_mask)))


def plain_copy(model):
    """The same model with its attention written out."""
    model = copy.deepcopy(model)
    for block in model.blocks:
        block.attention.__class__, block.cross.__class__ = PlainSelfAttention, PlainCrossAttention
    return model


def main():
    config = get_all_args(preset="paper", device="cpu")
    torch.manual_seed(0)
    tokenizer = make_tokenizer(config.tokenizer, CHARS)
    fused = make_model(ModelConfig.from_settings(config, tokenizer, 0.15, 64, []), tokenizer)
    plain = plain_copy(fused)
    tokens = torch.randint(0, tokenizer.word_id, (config.batch_size, config.max_seq_length))
    text = torch.randint(1, tokenizer.n_chars, (config.batch_size, TEXT))

    def step(model, optimizers):
        start = time.perf_counter()
        loss = token_loss(model(tokens, text), tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start, loss.item()

    models = [(model, make_optimizers(model, config)) for model in (plain, fused)]
    seconds = [[], []]
    for round_ in range(1 + ROUNDS):  # the first warms up
        results = [step(*pair) for pair in models]
        assert abs(results[0][1] - results[1][1]) < 1e-2, "both must compute the same loss"
        if round_:
            for times, (elapsed, _) in zip(seconds, results):
                times.append(elapsed)
    for name, times in zip(("written out", "fused"), seconds):
        print(f"{name:12} {statistics.median(times):6.2f} s a step (median of {ROUNDS})")
    print(f"ratio        {statistics.median(a / b for a, b in zip(*seconds)):6.1f}")


if __name__ == "__main__":
    run_script(main)
