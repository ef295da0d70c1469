"""Sampling of tokens, rows and words."""

import numpy as np
import pytest
import torch

from cursivetransformer.data.tokenizer import TOKENIZERS, make_tokenizer
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.sampling import generate
from cursivetransformer.sampling.generate import RowBatch, Sampler, generate_words, sample
from cursivetransformer.utils.errors import UserError


def scribbler(name="polar", kind="offset"):
    """An untrained model whose words end soon: END is the likeliest token where a word may end."""
    tokenizer = make_tokenizer(name, "abcde")
    torch.manual_seed(0)
    shape = ModelConfig(
        kind,
        2,
        32,
        2,
        2,
        32,
        tokenizer.slot_sizes.tolist(),
        tokenizer.n_chars,
        1,
        0.2,
        600,
        32,
        ["Ada", "Ben"],
    )
    model = make_model(shape, tokenizer).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model, tokenizer


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("kind", ["offset", "token"])
@pytest.mark.parametrize("group", [1, 3])
def test_every_word_gets_ink_and_the_same_seed_the_same_ink(name, kind, group, monkeypatch):
    monkeypatch.setattr(generate, "MIN_OFFSETS", 10)
    monkeypatch.setattr(generate, "MAX_OFFSETS_PER_CHAR", 5)
    model, tokenizer = scribbler(name, kind)
    texts = ["abc", "d", "edcba", "ab"]
    words, again, other = (
        generate_words(model, tokenizer, texts, group=group, temperature=1.0, top_p=1.0, seed=seed)
        for seed in (1, 1, 2)
    )
    assert [word.text for word in words] == texts
    for word in words[:1] if group > 1 else words:
        assert len(word.points) and np.isfinite(word.points).all() and word.points[:, 0].min() == 0
    assert all(np.array_equal(a.points, b.points) for a, b in zip(words, again))
    assert not all(np.array_equal(a.points, b.points) for a, b in zip(words, other))


@pytest.mark.parametrize("kind", ["offset", "token"])
@pytest.mark.parametrize("group", [1, 2])
def test_cached_decoding_draws_what_decoding_from_the_start_draws(kind, group):
    model, tokenizer = scribbler(kind=kind)
    torch.nn.init.normal_(model.authors.weight)
    texts, n = [["abc", "d"], ["edcba", "b"], ["cab", "ade"]], 40
    texts = [row[:group] for row in texts]
    uniforms = np.random.default_rng(0).random((3, n), np.float32)
    batch = RowBatch(texts, np.array([0, 1, 2]), None, np.full(3, n), uniforms)
    sampler = Sampler(0.8, 0, 0.95)
    sampled, _ = generate.decode(model, tokenizer, batch, sampler)
    context = torch.as_tensor(generate.encode_texts(model, tokenizer, texts, None))
    for row in range(3):
        groups, partial = generate.prompt_groups(tokenizer, None).tolist(), []
        constraints = generate.TokenConstraints(tokenizer, group, int(model.fills_words))
        phase = constraints.first
        for step in range(n):
            state, logits = model.prefill(
                torch.tensor(groups), context[row : row + 1], torch.tensor([row])
            )
            for token in partial:
                logits = model.decode_one_token(state, torch.tensor([token]))
            logits = logits.masked_fill(~torch.tensor(constraints.allowed[phase]), -torch.inf)
            uniform = torch.tensor(uniforms[row : row + 1, step])
            token = int(sample(sampler.probabilities(logits), uniform))
            assert token == sampled[row, step]
            if token == tokenizer.end_id:
                break
            phase = constraints.following[phase, token]
            partial.append(token)
            if token == tokenizer.word_id and not model.fills_words:
                partial.append(tokenizer.pad_id)
            if len(partial) == 2:
                groups.append(partial)
                partial = []


@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("kind", ["offset", "token"])
@pytest.mark.parametrize("group", [1, 2])
def test_shapes_that_never_change_draw_the_same_ink(name, kind, group, monkeypatch):
    """As a GPU captures and replays them; here the operations run one by one."""
    monkeypatch.setattr(generate, "MIN_OFFSETS", 7)
    model, tokenizer = scribbler(name, kind)
    texts = ["abc", "d", "edcba", "ab", "c", "dd"]
    options = dict(group=group, temperature=1.0, top_p=0.95, seed=3)
    plain = generate_words(model, tokenizer, texts, **options)
    decoder = generate.Decoder
    with monkeypatch.context() as patch:
        patch.setattr(generate, "Decoder", lambda *parts, captures: decoder(*parts, captures=True))
        fixed = generate_words(model, tokenizer, texts, **options)
    for a, b in zip(plain, fixed):
        assert a.finished == b.finished and a.nll == pytest.approx(b.nll, rel=1e-4)
        np.testing.assert_allclose(a.points, b.points, atol=1e-5)


def test_a_words_ink_does_not_depend_on_the_words_after_it():
    model, tokenizer = scribbler()
    options = {"temperature": 1.0, "top_p": 1.0, "seed": 4}
    one, many = (
        generate_words(model, tokenizer, texts, **options)
        for texts in (["abc"], ["abc", "aed", "bce"])
    )
    np.testing.assert_allclose(one[0].points, many[0].points, atol=1e-5)


def test_more_words_than_fit_at_once_are_all_written(monkeypatch):
    monkeypatch.setattr(generate, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(generate, "MIN_OFFSETS", 5)
    monkeypatch.setattr(generate, "MAX_OFFSETS_PER_CHAR", 2)
    model, tokenizer = scribbler()
    texts = [a + b for a in "abc" for b in "abcde"]
    for group in (1, 4):
        assert [word.text for word in generate_words(model, tokenizer, texts, group=group)] == texts


def test_a_primer_changes_what_is_written_but_is_not_part_of_it(monkeypatch):
    monkeypatch.setattr(generate, "MIN_OFFSETS", 10)
    monkeypatch.setattr(generate, "MAX_OFFSETS_PER_CHAR", 5)
    model, tokenizer = scribbler()
    primer = generate_words(model, tokenizer, ["bad"], seed=9)[0]
    plain, primed = (
        generate_words(model, tokenizer, ["abc"], primer=p, temperature=1.0, seed=1)[0]
        for p in (None, primer)
    )
    assert primed.text == "abc" and not np.array_equal(plain.points, primed.points)


def test_a_word_that_does_not_end_is_told():
    model, tokenizer = scribbler()
    for bias, finished, offsets in ((-1000.0, False, [90, 120]), (1000.0, True, [1, 1])):
        with torch.no_grad():  # END is never, then always what comes next
            model.head = torch.nn.Linear(32, 222)  # the ids of theta, WORD, END
            model.head.bias[221] = bias
        words = generate_words(model, tokenizer, ["a", "ab"])
        assert [word.finished for word in words] == [finished] * 2
        assert [len(word.points) for word in words] == offsets


def test_what_is_written_to_ends_with_a_space_as_in_training():
    """Without one nothing marks the end of a word of one letter, which was then repeated."""
    model, tokenizer = scribbler()
    primer = generate.GeneratedWord("ed", np.zeros((1, 3)), True)
    context = generate.encode_texts(model, tokenizer, [["a"], ["bc"]], primer)
    assert ["".join(tokenizer.alphabet[i - 1] for i in row if i) for row in context] == [
        "ed a ",
        "ed bc ",
    ]


def test_a_word_longer_than_the_model_reads_is_refused():
    model, tokenizer = scribbler()
    with pytest.raises(UserError, match="reads at most 31 characters"):
        generate_words(model, tokenizer, ["a" * 32])


LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -torch.inf]])


def probabilities(temperature=1.0, top_k=0, top_p=1.0):
    return Sampler(temperature, top_k, top_p).probabilities(LOGITS)


def test_filters_keep_the_likeliest_tokens():
    plain = torch.softmax(LOGITS, -1)
    torch.testing.assert_close(probabilities(), plain)
    for temperature in (0, 1e-300, 1e-40, 1e-6):
        assert probabilities(temperature=temperature).tolist() == [[1, 0, 0, 0, 0]]
    assert (probabilities(top_k=2) > 0).tolist() == [[True, True, False, False, False]]
    assert (probabilities(top_p=0.6) > 0).tolist() == [[True, False, False, False, False]]
    assert (probabilities(top_p=0.7) > 0).tolist() == [[True, True, False, False, False]]
    colder = probabilities(temperature=0.5)
    assert colder[0, 0] > plain[0, 0] and colder.sum().item() == pytest.approx(1)


def test_drawing_follows_the_probabilities_and_never_takes_what_has_none():
    p = torch.tensor([[0.5, 0.0, 0.3, 0.2, 0.0]])
    uniforms = (torch.arange(1000) + 0.5) / 1000
    counts = torch.bincount(sample(p.expand(1000, -1), uniforms), minlength=5)
    assert (counts - torch.tensor([500, 0, 300, 200, 0])).abs().max() <= 1
    assert (
        sample(p, torch.tensor([0.99999994])).item() == 3
        and sample(p, torch.tensor([0.0])).item() == 0
    )
