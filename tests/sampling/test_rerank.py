"""Reranking of versions, and rewriting of words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cursivetransformer.recognition.recognizer import Reading, RecognizerConfig
from cursivetransformer.sampling import generate, rerank
from cursivetransformer.sampling.rerank import (
    Candidate,
    Reranker,
    Row,
    generate_best_of_n,
    parse_rewrite,
)
from cursivetransformer.utils.errors import UserError
from tests.sampling.test_generate import scribbler

TEXTS = ["abc", "d", "edcba", "ab", "bad"]
FREE = {"temperature": 1.0, "top_p": 1.0}


@pytest.fixture(autouse=True)
def short_words(monkeypatch):
    monkeypatch.setattr(generate, "MIN_OFFSETS", 10)
    monkeypatch.setattr(generate, "MAX_OFFSETS_PER_CHAR", 5)


@pytest.fixture(scope="module")
def scribble():
    return scribbler()


class FakeRecognizer:
    config = RecognizerConfig("abcde", {})


class ShapeRecognizer(FakeRecognizer):
    """Reads every ink as one text if it has fewer than `max_points` points, else as another."""

    def __init__(self, text, max_points):
        self.text, self.max_points = text, max_points

    def examine(self, inks, texts):
        return [Reading(self.text if len(ink) < self.max_points else "?", 0.0) for ink in inks]


def points(words):
    return [word.points for word in words]


@pytest.mark.parametrize("group", [1, 2])
def test_of_a_misread_word_the_version_read_closest_is_kept_and_the_others_are_not_touched(
    scribble, group
):
    plain = generate_best_of_n(*scribble, TEXTS, group=group, **FREE)
    assert all(word.reading is None and word.versions == 1 for word in plain)
    middle = np.median([len(p) for p in points(plain)])
    # Only "abc" can be read right, and only if it is short.
    recognizer = ShapeRecognizer("abc", middle)
    kept = generate_best_of_n(*scribble, TEXTS, recognizer, 6, group=group, **FREE)
    for before, after in zip(plain, kept):
        right_at_once = before.text == "abc" and len(before.points) < middle and before.finished
        assert after.versions == (1 if right_at_once else 6)
        if right_at_once:
            assert np.array_equal(before.points, after.points)
            assert not after.doubtful


def test_ties_go_to_the_likelier_version(scribble):
    model, tokenizer = scribble
    misreader = ShapeRecognizer("nothing like it", 10**6)  # all versions are read alike
    kept = generate_best_of_n(model, tokenizer, ["abc"], misreader, 16, **FREE)[0]
    rows = generate.generate_rows(
        model, tokenizer, [["abc"]] * 16, [(0, 0, version) for version in range(16)], **FREE
    )
    _, nll = min((not row[0].finished, row[0].nll) for row in rows)
    assert kept.doubtful and kept.versions == 16 and kept.nll == pytest.approx(nll, rel=1e-4)
    assert len({row[0].nll for row in rows}) > 2 and nll < rows[0][0].nll


def test_a_word_that_is_read_right_but_not_surely_is_drawn_again(scribble):
    """The recognizer is sure of long versions only; of these the likelier one is kept."""

    class UnsureRecognizer(FakeRecognizer):
        def examine(self, inks, texts):
            return [Reading(text, 0.01 if len(ink) > 8 else 0.7) for ink, text in zip(inks, texts)]

    kept = generate_best_of_n(*scribble, ["abc"] * 6, UnsureRecognizer(), 12, **FREE)
    assert any(word.versions == 12 for word in kept) and not any(
        word.doubtful for word in kept if word.finished
    )
    rows = generate.generate_rows(
        *scribble, [["abc"]] * 12, [(0, 0, version) for version in range(12)], **FREE
    )
    versions = [row[0] for row in rows]
    if kept[0].versions == 12:
        best = min((not word.finished, len(word.points) <= 8, word.nll) for word in versions)
        assert kept[0].nll == pytest.approx(best[2], rel=1e-4)


class LegibleRecognizer:
    """Reads every ink as its text, and knows a hand whose letters end at some height."""

    def __init__(self, bottom):
        bottoms = {char: [9, bottom, 0.05] for char in "abcde"}
        stance = {"x_height": 1.0, "bottoms": bottoms, "wide_gaps": {"small-small": 1e6}}
        self.config = RecognizerConfig("abcde", {}, stances={"Ada": stance})

    def examine(self, inks, texts):
        return [
            Reading(text, 0.0, np.linspace(0, max(1e-3, np.ptp(ink[:, 0])), len(text)))
            for ink, text in zip(inks, texts)
        ]


def test_a_word_that_stands_badly_is_drawn_again_but_not_as_often_as_one_misread(
    scribble, monkeypatch
):
    far = LegibleRecognizer(bottom=1000.0)
    reranker = Reranker(*scribble, far, 8, FREE)
    word = generate.GeneratedWord("a", np.array([[0, 0, 1], [1, -1, 0]], np.float32), True)
    ada, ben, anybody = (reranker.stance(author) for author in (1, 2, 0))
    assert ada is not None and ben is None and anybody is None
    first = Candidate(word, far.examine([word.points], ["a"])[0])
    assert first.judged(ben).sure, "nothing is known of Ben's hand"
    faulty = first.judged(ada)
    assert faulty.legible and not faulty.sure and faulty.standing.faults == ("a",)
    asked = []
    monkeypatch.setattr(
        Reranker, "_generate", lambda self, rows, versions, *rest: asked.extend(versions) or []
    )
    reranker._add_versions(far, [Row(["a"], 1, (0, 0))], [[faulty]])
    assert asked == list(range(1, rerank.MAX_FAULTY_VERSIONS))
    asked.clear()
    misread = replace(first, reading=Reading("b", 9.0))
    reranker._add_versions(far, [Row(["a"], 1, (0, 0))], [[misread]])
    assert asked == list(range(1, 8))


def test_a_longer_text_keeps_the_ink_of_its_beginning(scribble):
    recognizer = ShapeRecognizer("abc", 8)
    whole = generate_best_of_n(*scribble, TEXTS * 2, recognizer, 3, **FREE)
    part = generate_best_of_n(*scribble, TEXTS, recognizer, 3, **FREE)
    for one, other in zip(points(part), points(whole)):
        # Sums are rounded differently among other rows.
        np.testing.assert_allclose(one[:3], other[:3], atol=1e-3)


def test_of_legible_versions_the_one_that_stands_best_is_kept(scribble):
    rows = generate.generate_rows(
        *scribble, [["c"]] * 4, [(0, 0, version) for version in range(4)], authors=1, **FREE
    )
    bottoms = [float(row[0].points[:, 1].max()) for row in rows]
    for wanted in bottoms:
        recognizer = LegibleRecognizer(wanted)
        (word,) = generate_best_of_n(*scribble, ["c"], recognizer, 4, authors=1, **FREE)
        if all(row[0].finished for row in rows):
            assert word.points[:, 1].max() == pytest.approx(wanted, abs=0.8)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("recognizer", [None, ShapeRecognizer("abc", 8)])
def test_rewriting_changes_the_words_named_and_keeps_the_others_to_the_byte(
    scribble, group, recognizer
):
    plain, again, second, third = (
        generate_best_of_n(*scribble, TEXTS, recognizer, 3, rewrite, group=group, **FREE)
        for rewrite in (None, {0: 1, 4: 1}, {0: 2}, {0: 1, 4: 1})
    )
    same = [a.tobytes() == b.tobytes() for a, b in zip(points(plain), points(again))]
    assert same == [False, True, True, True, False] and [word.text for word in again] == TEXTS
    assert all(np.array_equal(a, b) for a, b in zip(points(again), points(third)))
    assert not np.array_equal(points(second)[0], points(again)[0]) and np.array_equal(
        points(second)[4], points(plain)[4]
    )


def test_nats_are_those_of_the_tokens(scribble):
    model, tokenizer = scribble
    word = generate.generate_words(model, tokenizer, ["abc"], seed=2, temperature=0)[0]
    state, logits = model.prefill(
        torch.as_tensor(generate.prompt_groups(tokenizer, None)),
        torch.as_tensor(generate.encode_texts(model, tokenizer, [["abc"]], None)),
    )
    constraints, nll = generate.TokenConstraints(tokenizer, 1, int(model.fills_words)), 0.0
    phase = constraints.first
    # One more for its end, or for what was sampled of an offset when the word was stopped.
    for _ in range(tokenizer.n_slots * len(word.points) + 1):
        logits = logits.masked_fill(~torch.tensor(constraints.allowed[phase]), -torch.inf)
        token = logits.argmax(-1)
        nll -= float(logits.log_softmax(-1)[0, token])
        phase = constraints.following[phase, token.item()]
        logits = model.decode_one_token(state, token)
    assert word.nll == pytest.approx(nll, rel=1e-4)


def test_what_to_rewrite_is_read_and_checked():
    assert parse_rewrite("2, 4:3,", 5) == {1: 1, 3: 3} and parse_rewrite("", 5) == {}
    for text, sentence in (
        ("x", "numbers of words"),
        ("2:", None),
        ("2:0", "numbers of words"),
        ("0", "words 1 to 5"),
        ("6", "words 1 to 5"),
        ("-1", "numbers"),
    ):
        if sentence:
            with pytest.raises(UserError, match=sentence):
                parse_rewrite(text, 5)
        else:
            assert parse_rewrite(text, 5) == {1: 1}
