"""`TokenGPT` and the cache: logits, loss, and what each token may see."""

import math

import torch

from cursivetransformer.data.dataset import InkStore
from cursivetransformer.data.packing import SampleBatch, pack
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.models.attention import KVCache
from cursivetransformer.models.factory import make_model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.token_gpt import TokenGPT, token_loss

V, CHARS = 40, 12


def model_config(slot_sizes, **shape) -> ModelConfig:
    return ModelConfig(
        model="token",
        n_embd=32,
        n_head=2,
        n_ctx_head=4,
        n_embd_context=24,
        slot_sizes=slot_sizes,
        space_id=1,
        mean_width=0.2,
        authors=["Ada", "Ben"],
        **shape,
    )


def small_model(seed=0) -> TokenGPT:
    torch.manual_seed(seed)
    model = TokenGPT(
        model_config([17, 20], n_chars=CHARS, n_layer=3, max_length=60, max_text=16)
    ).eval()
    with torch.no_grad():  # zeros would hide mistakes
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def ragged(lengths, text_lengths, seed=1) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens (B, T) and texts (B, S); the texts are padded beyond `text_lengths`."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, V, (len(lengths), max(lengths)), generator=generator)
    text = torch.randint(1, CHARS, (len(lengths), max(text_lengths)), generator=generator)
    for row, n in enumerate(text_lengths):
        text[row, n:] = 0
    return tokens, text


def test_cached_logits_are_the_uncached_ones_with_ragged_rows():
    model, lengths = small_model(), [5, 17, 1, 9]
    tokens, text = ragged([30] * 4, [3, 10, 1, 16])
    prompt = tokens[:, :17].clone()
    for row, n in enumerate(lengths):
        prompt[row, n:] = V - 1  # padding that must not matter
    with torch.no_grad():
        expected = model(tokens, text)
        cache = KVCache(model.config, 4, capacity=8)  # too small on purpose: it must grow
        first = model(prompt, text, cache, torch.tensor(lengths))
        for row, n in enumerate(lengths):
            torch.testing.assert_close(first[row, :n], expected[row, :n], atol=1e-5, rtol=0)
        for step in range(12):
            token = torch.stack([tokens[row, n + step] for row, n in enumerate(lengths)])
            logits = model(token[:, None], cache=cache)[:, 0]
            for row, n in enumerate(lengths):
                torch.testing.assert_close(logits[row], expected[row, n + step], atol=1e-5, rtol=0)
    assert cache.length.tolist() == [n + 12 for n in lengths]


def test_rows_can_be_dropped_from_a_cache():
    model = small_model()
    tokens, text = ragged([20] * 4, [3, 10, 1, 16])
    with torch.no_grad():
        expected = model(tokens, text)
        cache = KVCache(model.config, 4, 20)
        model(tokens[:, :10], text, cache)
        cache.select_rows(torch.tensor([0, 3]))
        logits = model(tokens[[0, 3], 10:], cache=cache)
    torch.testing.assert_close(logits, expected[[0, 3], 10:], atol=1e-5, rtol=0)


def test_a_row_does_not_depend_on_its_neighbours_or_on_padding():
    model = small_model()
    tokens, text = ragged([20] * 3, [4, 12, 7])
    with torch.no_grad():
        together = model(tokens, text)
        for row, n in enumerate([4, 12, 7]):
            alone = model(tokens[row : row + 1], text[row : row + 1, :n])
            torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)


def test_logits_depend_on_earlier_tokens_and_on_the_text_but_not_on_later_tokens():
    model = small_model()
    tokens, text = ragged([20], [8])
    changed = tokens.clone()
    changed[0, 10] = (changed[0, 10] + 1) % V
    other_text = text.clone()
    other_text[0, 7] = other_text[0, 7] % (CHARS - 1) + 1
    with torch.no_grad():
        a, b, c = model(tokens, text), model(changed, text), model(tokens, other_text)
    torch.testing.assert_close(a[0, :10], b[0, :10], atol=1e-6, rtol=0)
    assert (a[0, 10:] - b[0, 10:]).abs().amax(dim=-1).min() > 1e-4
    assert (a - c).abs().amax(dim=-1).min() > 1e-6


def test_padding_is_never_scored():
    logits = torch.randn(2, 5, V, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, V, (2, 5), generator=torch.Generator().manual_seed(1))
    targets[1, 2:] = -100
    real = torch.cat([logits[0], logits[1, :2]]), torch.cat([targets[0], targets[1, :2]])
    torch.testing.assert_close(
        token_loss(logits, targets), torch.nn.functional.cross_entropy(*real)
    )
    torch.testing.assert_close(token_loss(logits, targets, "sum"), 7 * token_loss(logits, targets))


def test_the_loss_is_the_same_in_rows_of_any_width_and_traced_as_one_graph(made_up_words):
    tokenizer = make_tokenizer("polar", "".join(word.text for word in made_up_words))
    ink = InkStore.from_words(made_up_words, tokenizer)
    torch.manual_seed(0)
    config = model_config(
        tokenizer.slot_sizes.tolist(),
        n_chars=tokenizer.n_chars,
        n_layer=2,
        max_length=900,
        max_text=64,
    )
    model = make_model(config, tokenizer)
    examples = SampleBatch(torch.tensor([[0, 1], [2, -1], [3, 4]]), torch.full((3,), 0.65))
    snug, roomy = (pack(ink, tokenizer, examples, 900, capacity) for capacity in (None, 500))
    with torch.no_grad():
        expected = model.nll(snug)
        per_token = float(expected) / float(snug.n_tokens)
        assert abs(per_token - math.log(tokenizer.vocab_size)) < 0.1, "an untrained model guesses"
        torch.testing.assert_close(model.nll(roomy, 250), expected)
        torch._dynamo.reset()
        traced = torch.compile(model.nll, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(traced(roomy, 250), expected)
