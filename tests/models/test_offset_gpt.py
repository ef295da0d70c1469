"""`OffsetGPT`: its loss, its decoding, and what each position may see."""

import math

import numpy as np
import pytest
import torch

from cursivetransformer.data.dataset import InkStore
from cursivetransformer.data.packing import PackedBatch, SampleBatch, pack
from cursivetransformer.data.tokenizer import TOKENIZERS
from cursivetransformer.ink.strokes import offsets_to_points
from cursivetransformer.models.factory import make_model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.offset_gpt import OffsetGPT, SquaredReLU
from tests.made_up import tokenizer_for

WORD_IDS = ((0, 1), (2, -1), (3, 4), (5, 6))  # of the examples, in rows; -1 is no word

every_tokenizer = pytest.mark.parametrize("name", list(TOKENIZERS))


def model_for(tokenizer, seed=0, perturbed=True) -> OffsetGPT:
    """A small model; `perturbed` moves its weights off their start."""
    torch.manual_seed(seed)
    config = ModelConfig(
        model="offset",
        n_layer=3,
        n_embd=32,
        n_head=2,
        n_ctx_head=4,
        n_embd_context=24,
        slot_sizes=tokenizer.slot_sizes.tolist(),
        n_chars=tokenizer.n_chars,
        space_id=1,
        mean_width=0.2,
        max_length=900,
        max_text=64,
        authors=["Ada", "Ben"],
    )
    model = make_model(config, tokenizer).eval()
    if perturbed:
        with torch.no_grad():  # zeros would hide mistakes
            for p in model.parameters():
                p.add_(0.1 * torch.randn_like(p))
    return model


def packed_examples(words, tokenizer, word_ids=WORD_IDS, capacity=None) -> PackedBatch:
    ids = torch.tensor(word_ids)
    return pack(
        InkStore.from_words(words, tokenizer),
        tokenizer,
        SampleBatch(ids, torch.full((len(ids),), 0.65)),
        10**6,
        capacity,
    )


@every_tokenizer
def test_the_first_loss_is_that_of_guessing(made_up_words, name):
    tokenizer = tokenizer_for(made_up_words, name)
    packed = packed_examples(made_up_words, tokenizer)
    offsets, words = int(packed.n_offsets), 7
    sizes = tokenizer.slot_sizes
    expected = (offsets + words) * math.log(sizes[0] + 2) + offsets * sum(
        math.log(size) for size in sizes[1:]
    )
    assert model_for(tokenizer, perturbed=False).nll(packed).item() == pytest.approx(
        expected, rel=1e-5
    )


@every_tokenizer
def test_the_loss_is_what_writing_the_same_tokens_costs(made_up_words, name):
    """Tokens have the same probabilities packed in one pass and decoded one by one with a cache."""
    tokenizer = tokenizer_for(made_up_words, name)
    model, packed = model_for(tokenizer), packed_examples(made_up_words, tokenizer)
    nll, start = 0.0, 0
    with torch.no_grad():
        for row, n in enumerate(packed.lengths.tolist()):
            groups, targets = packed.tokens[start : start + n], packed.targets[start : start + n]
            text = packed.text[row : row + 1]
            state, logits = model.prefill(groups[:1], text[:, : int((text > 0).sum())])
            for target in targets:
                for token in target.tolist():
                    if token >= 0:
                        # PAD only fills the group of a WORD; it is never sampled elsewhere.
                        logits[:, tokenizer.pad_id] = -torch.inf
                        nll -= torch.log_softmax(logits[0], -1)[token].item()
                    logits = model.decode_one_token(
                        state, torch.tensor([token if token >= 0 else tokenizer.pad_id])
                    )
            start += n
        assert model.nll(packed).item() == pytest.approx(nll, rel=1e-5)


def test_an_example_costs_the_same_alone_in_company_and_in_a_fixed_room(words):
    tokenizer = tokenizer_for(words)
    model, ids = model_for(tokenizer), (*WORD_IDS, (7, 8), (9, -1))
    with torch.no_grad():
        together = packed_examples(words, tokenizer, ids)
        apart = sum(model.nll(packed_examples(words, tokenizer, (row,))).item() for row in ids)
        assert model.nll(together).item() == pytest.approx(apart, rel=1e-5)
        roomy = packed_examples(words, tokenizer, ids, capacity=len(together.tokens) + 77)
        assert model.nll(roomy, width=int(together.lengths.max()) + 5).item() == pytest.approx(
            apart, rel=1e-5
        )


def test_gradients_do_not_depend_on_the_layout(made_up_words):
    tokenizer = tokenizer_for(made_up_words)
    gradients = []
    for capacity, width in ((None, None), (700, 200)):
        model = model_for(tokenizer)
        model.nll(packed_examples(made_up_words, tokenizer, capacity=capacity), width).backward()
        gradients.append([p.grad for p in model.parameters()])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max()))


def test_a_position_reads_its_past_and_its_text_and_nothing_later(made_up_words):
    tokenizer = tokenizer_for(made_up_words)
    model, packed = model_for(tokenizer), packed_examples(made_up_words, tokenizer)
    hidden = []
    model.head.register_forward_pre_hook(lambda module, inputs: hidden.append(inputs[0]))
    middle = int(packed.lengths[0]) // 2
    changed, other_text = packed.to("cpu"), packed.to("cpu")
    changed.tokens = packed.tokens.clone()
    changed.tokens[middle, 0] = (changed.tokens[middle, 0] + 7) % 220
    other_text.text = packed.text.clone()
    other_text.text[0, 1] = other_text.text[0, 1] % 5 + 2
    with torch.no_grad():
        for batch in (packed, changed, other_text):
            model.nll(batch)
    plain, changed, other = hidden
    n = int(packed.lengths[0])
    torch.testing.assert_close(changed[:middle], plain[:middle])
    # The path of a later example is a difference of sums, hence the tolerance.
    torch.testing.assert_close(changed[n:], plain[n:], atol=2e-4, rtol=0)
    torch.testing.assert_close(other[n:], plain[n:])
    assert (changed[middle:n] - plain[middle:n]).abs().amax(1).min() > 1e-4
    assert (other[:n] - plain[:n]).abs().amax(1).min() > 1e-6


@every_tokenizer
def test_the_model_knows_where_its_pen_is(made_up_words, name):
    tokenizer = tokenizer_for(made_up_words, name)
    model = model_for(tokenizer)
    packed = packed_examples(made_up_words, tokenizer, ((0, 1), (2, 3)))
    pen_state = model.trajectory_encoder.compute_pen_states(
        packed.tokens, packed.position, packed.word_start
    )
    recent, pen, words = pen_state.recent, pen_state.pen, pen_state.words
    starts = (packed.tokens[:, 0] == tokenizer.word_id).nonzero()[:, 0].tolist()
    for i, (start, stop) in enumerate(zip(starts, starts[1:] + [len(pen)])):
        offsets = tokenizer.decode_offsets(packed.tokens[start + 1 : stop].numpy())
        points = offsets_to_points(offsets)
        np.testing.assert_allclose(pen[start + 1 : stop], points[:, :2], atol=2e-5)
        np.testing.assert_array_equal(recent[start + 1 : stop, 0, 2], points[:, 2])
        assert (pen[start] == 0).all() and (words[start:stop] == i % 2).all()
    assert (recent[starts[2], 1:] == 0).all(), "a position must not see the example before"


def test_characters_stand_where_their_word_reaches(made_up_words):
    tokenizer = tokenizer_for(made_up_words)
    model = model_for(tokenizer, perturbed=False)
    places = model._character_centers(torch.as_tensor(tokenizer.encode_text("abc de "))[None])[0]
    torch.testing.assert_close(places, torch.tensor([0.1, 0.3, 0.5, 0.7, 4.1, 4.3, 4.5]))


def test_squared_relu_and_its_gradient():
    x = torch.randn(20, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(SquaredReLU.apply(x), x.clamp(min=0) ** 2)
    assert torch.autograd.gradcheck(SquaredReLU.apply, x)


def test_a_training_step_is_one_graph_of_fixed_shape(made_up_words):
    """There is no graph break and no second compilation, as a CUDA graph needs it."""
    tokenizer = tokenizer_for(made_up_words)
    model = model_for(tokenizer)
    torch._dynamo.reset()
    compiled = torch.compile(model.nll, fullgraph=True, backend="aot_eager")
    for ids in (((0, 1), (2, -1)), ((3, 4), (5, 6)), ((7, -1), (8, -1))):
        with torch._dynamo.config.patch(error_on_recompile=True):
            packed = packed_examples(made_up_words, tokenizer, ids, capacity=600)
            torch.testing.assert_close(compiled(packed, 250), model.nll(packed, 250))
