"""The letters that a model attends to, and the image of them."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.ink.strokes import join_strokes, points_to_offsets
from cursivetransformer.render.attention_plot import ENDINGS, check_picture, draw_attention
from cursivetransformer.sampling.attention_weights import describe_slips, find_word_attention
from cursivetransformer.sampling.generate import encode_texts, prompt_groups
from cursivetransformer.utils.errors import UserError
from tests.sampling.test_generate import scribbler

INK = join_strokes(
    [np.stack([np.linspace(0, 1, 30), 0.1 * np.sin(np.arange(30.0))], 1), np.array([[0.2, -0.3]])]
)


@pytest.mark.parametrize("kind", ["offset", "token"])
@pytest.mark.parametrize("name", ["polar", "cartesian"])
def test_looks_are_those_that_the_model_writes_with(kind, name):
    """The weights sum to 1, are causal and depend on the text."""
    model, tokenizer = scribbler(name, kind)
    prompt = torch.as_tensor(
        np.concatenate(
            [prompt_groups(tokenizer, None), tokenizer.encode_offsets(points_to_offsets(INK))[0]]
        )
    )
    text = torch.as_tensor(encode_texts(model, tokenizer, [["abc"]], None))
    seen = model.cross_attention_weights(prompt, text, torch.tensor([1]))
    assert seen.shape == (seen.shape[0], len(prompt), 4)
    torch.testing.assert_close(seen.sum(-1), torch.ones(seen.shape[:2]))
    again = model.cross_attention_weights(prompt[:10], text, torch.tensor([1]))
    torch.testing.assert_close(seen[:, :10], again, atol=1e-5, rtol=0)  # causal
    other = model.cross_attention_weights(
        prompt, torch.as_tensor(encode_texts(model, tokenizer, [["aec"]], None)), torch.tensor([1])
    )
    assert not torch.allclose(seen, other)


class Follower:
    """A model whose second head follows the letters; its first attends to all alike."""

    bounded = False
    config = SimpleNamespace(max_text=32)

    def __init__(self, letters):
        self.letters = np.asarray(letters)

    def parameters(self):
        yield torch.zeros(1)

    def cross_attention_weights(self, prompt, text, authors):
        n, size = len(prompt), text.shape[1]
        followed = torch.full((n, size), 0.02)
        followed[torch.arange(n), torch.as_tensor(np.append(self.letters, size - 1)[:n])] = 1
        return torch.stack(
            [torch.full((n, size), 1 / size), followed / followed.sum(1, keepdim=True)]
        )


def judged(letters, text="abcd"):
    _, tokenizer = scribbler()
    return find_word_attention(Follower(letters), tokenizer, [Word(text, "", INK)])[0]


def test_the_head_that_follows_the_letters_is_taken():
    letters = np.repeat([0, 1, 2, 3], [8, 8, 8, 7])
    word = judged(letters)
    assert word.letter.tolist() == letters.tolist() and word.slips == {
        3: "was looked at while a dot was drawn, at point 31 of 31"
    }
    assert word.weights.shape == (31, 4)


@pytest.mark.parametrize(
    "letters, slips",
    [
        (np.repeat([0, 1, 3], [10, 10, 10]), {2: "was never looked at"}),
        (
            np.repeat([0, 1, 2, 1, 3], [8, 6, 6, 5, 5]),
            {1: "was gone back to from 'c', at point 20 of 31"},
        ),
        (np.repeat([0, 1, 0, 1, 2, 3], [8, 3, 1, 5, 6, 7]), {}),  # a glance
    ],
)
def test_slips_are_told(letters, slips):
    word = judged(np.append(letters, 0))
    del word.slips[0]  # the dot looks at a
    assert word.slips == slips
    assert describe_slips([(5, word)]) == [
        f"attention: word 5, 'abcd': letter {i + 1}, {'abcd'[i]!r}, {what}"
        for i, what in slips.items()
    ]


def test_a_picture_is_drawn(tmp_path):
    word = judged(np.repeat([0, 1, 2, 3], [8, 8, 8, 7]))
    for ending in ENDINGS:
        for name in "ab":
            draw_attention(tmp_path / f"{name}{ending}", [word] * 12)
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes(), (
            "nothing of it is dated"
        )
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (
        b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()
        and b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()
    )
    with pytest.raises(UserError, match="--attention a.gif"):
        check_picture("a.gif")


def test_words_without_ink_are_left_out():
    model, tokenizer = scribbler()
    assert (
        find_word_attention(model, tokenizer, [Word("a", "", np.zeros((0, 3), np.float32))]) == []
    )
    found = find_word_attention(
        model, tokenizer, [Word("abc", "", INK)], author=1, primer=Word("de", "", INK)
    )
    assert found[0].weights.shape == (31, 3) and np.isfinite(found[0].weights).all()


def test_a_word_is_explained_from_its_tokens_to_the_page(tmp_path):
    done = subprocess.run(
        [sys.executable, "docs/explain.py", "cat", "--out", str(tmp_path / "a.png")],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (
        (tmp_path / "a.png").is_file()
        and all(f"\n{n}. " in "\n" + done.stdout for n in range(1, 7))
        and "c@1" in done.stdout
    )
