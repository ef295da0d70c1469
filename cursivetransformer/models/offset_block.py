"""What `offset_model.OffsetGPT` is built of: its blocks, and the small networks of an offset's later tokens. Shapes as there.

Output projections start at zero, so that a new block changes nothing.
"""

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.models.attention import apply_rope, norm

MLP_WIDTH = 2  # widths of the hidden layer of an MLP: more learns no faster, and its memory traffic is a third of a step


class SquaredReLU(torch.autograd.Function):
    """relu(x)^2 with one pass over memory less than autograd would take."""

    @staticmethod
    def forward(ctx, x):
        y = F.relu(x)
        ctx.save_for_backward(y)
        return y * y

    @staticmethod
    def backward(ctx, gradient):
        return torch.mul(gradient, ctx.saved_tensors[0]).mul_(2)


class MLP(nn.Module):
    """C -> 2 C -> C, starting at zero."""

    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, MLP_WIDTH * width, bias=False)
        self.down = nn.Linear(MLP_WIDTH * width, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x):
        return self.down(SquaredReLU.apply(self.up(x)))


class OffsetBlock(nn.Module):
    """One block. `context` says what may be attended to: a `PackedAttention` or a `CachedAttention`."""

    def __init__(self, config, layer):
        super().__init__()
        C = config.n_embd
        self.layer, self.n_head, self.n_ctx_head = layer, config.n_head, config.n_ctx_head
        self.qk = nn.Linear(C, 2 * C, bias=False)
        self.v = nn.Linear(C, C, bias=False)
        self.out = nn.Linear(C, C, bias=False)
        self.reads_text = (
            layer % 2 == 1 or config.n_layer == 1
        )  # ink is read before the text is asked
        if self.reads_text:
            self.text_q = nn.Linear(C, C, bias=False)
            self.text_kv = nn.Linear(config.n_embd_context, 2 * C, bias=False)
            self.text_out = nn.Linear(C, C, bias=False)
            nn.init.zeros_(self.text_out.weight)
        self.mlp = MLP(C)
        nn.init.zeros_(self.out.weight)

    def text_keys_and_values(self, text, cos_sin):
        """(B, S, Cc) encoded text -> keys and values (B, H, S, D), or None where the block reads none."""
        if not self.reads_text:
            return None
        k, v = (
            part.unflatten(-1, (self.n_ctx_head, -1)).transpose(1, 2)
            for part in self.text_kv(text).chunk(2, dim=-1)
        )
        return apply_rope(norm(k), cos_sin[:, None]), v

    def forward(self, x, context, cos_sin, text_cos_sin):
        h = norm(x)
        qk = apply_rope(
            norm(self.qk(h).unflatten(-1, (2 * self.n_head, -1))), cos_sin
        )  # (N, 2H, D)
        x = x + self.out(context.self_attend(self.layer, qk, self.v(h)))
        if self.reads_text:
            q = apply_rope(
                norm(self.text_q(norm(x)).unflatten(-1, (self.n_ctx_head, -1))), text_cos_sin
            )
            x = x + self.text_out(context.cross_attend(self.layer, q))
        return x + self.mlp(norm(x))


class SlotHead(nn.Module):
    """Logits of a slot, given the hidden state and the tokens of the slots before it."""

    def __init__(self, config, size):
        super().__init__()
        self.given = nn.Embedding(config.vocab_size, config.n_embd)
        self.mlp = MLP(config.n_embd)
        self.head = nn.Linear(config.n_embd, size, bias=False)

    def forward(self, hidden, before):
        """hidden: (N, C) normalised; before: (N, g) token ids of the g slots before."""
        x = hidden + self.given(before).sum(1)
        return self.head(norm(x + self.mlp(norm(x))))
