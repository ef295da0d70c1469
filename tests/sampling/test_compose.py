"""Words in pieces: long ones, and those with characters that were never recorded."""

import numpy as np
import pytest

from cursivetransformer.ink import measures
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.recognition.recognizer import Reading
from cursivetransformer.sampling import compose, generate
from cursivetransformer.sampling.compose import Composer, HandSize, split_evenly
from cursivetransformer.sampling.rerank import Reranker
from tests.sampling.test_generate import scribbler
from tests.sampling.test_rerank import FakeRecognizer, ShapeRecognizer

LONG = "abcdeabcde"
TEXTS = ["abc", LONG, "bad", "cab", LONG[::-1]]


@pytest.fixture(autouse=True)
def short_words(monkeypatch):
    monkeypatch.setattr(generate, "MIN_OFFSETS", 10)
    monkeypatch.setattr(generate, "MAX_OFFSETS_PER_CHAR", 5)
    monkeypatch.setattr(compose, "PROBES", ["ace", "cab"])


def composer(recognizer=None, **settings):
    model, tokenizer = scribbler()
    options = {"temperature": 1.0, "top_p": 1.0}
    return Composer(Reranker(model, tokenizer, recognizer, 2, options), **settings)


@pytest.mark.parametrize("length, n", [(1, 1), (16, 1), (17, 2), (32, 2), (33, 3)])
def test_parts_are_few_and_even(length, n):
    text = "".join(chr(ord("a") + i % 26) for i in range(length))
    parts = split_evenly(text, 16)
    assert "".join(parts) == text and len(parts) == n
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_long_word_is_one_word_of_all_its_parts():
    words = composer(group=2, max_part_length=4).write(TEXTS)
    assert [word.text for word in words] == TEXTS
    words = composer(max_part_length=4).write(TEXTS)
    assert [word.text for word in words] == TEXTS
    plain = composer(max_part_length=16).write(TEXTS)
    assert np.array_equal(words[0].points, plain[0].points), "a short word is written as it is"
    for i in (1, 4):
        assert not np.array_equal(words[i].points, plain[i].points)
        assert words[i].points[:, 0].min() == pytest.approx(0, abs=1e-6)


def test_rewriting_leaves_other_ink_and_remembers_what_it_replaces():
    settings = dict(max_part_length=4, recorded=frozenset("abc"), substitute=2)
    plain, anew = (
        composer(**settings).write(TEXTS, 1, rewrite=rewrite) for rewrite in ({}, {1: 1, 3: 2})
    )
    same = [np.array_equal(a.points, b.points) for a, b in zip(plain, anew)]
    assert same == [True, False, True, False, True]
    assert [word.replaces is not None for word in anew] == [False, True, False, True, False]
    assert np.array_equal(anew[1].replaces.points, plain[1].points)


def test_a_word_does_not_depend_on_where_a_batch_ends():
    settings = dict(max_part_length=4, recorded=frozenset("abc"), substitute=2)
    whole = composer(**settings).write(TEXTS, 1)
    parted = composer(**settings)
    parts = parted.write(TEXTS[:2], 1) + parted.write(TEXTS[2:], 1, 2)
    for one, other in zip(whole, parts):
        # Sums are rounded differently among other rows.
        np.testing.assert_allclose(one.points[:3], other.points[:3], atol=1e-3)


def test_only_what_is_not_legible_borrows(monkeypatch):
    settings = dict(recorded=frozenset("abc"), substitute=2)
    fine = ShapeRecognizer("bad", 10**6)  # reads every ink as "bad"
    bad, ace = composer(fine, **settings).write(["bad", "ace"], 1)
    assert bad.borrowed == "" and bad.text == bad.reading
    texts = ["bad", "cab", "dad"]
    joined = set()
    join = Composer._join

    def remembered(self, *pieces):
        word = join(self, *pieces)
        joined.add(word.points.tobytes())
        return word

    class JoinedRecognizer(FakeRecognizer):
        """Reads only what was joined from pieces."""

        def examine(self, inks, texts):
            legible = [ink.tobytes() in joined for ink in inks]
            return [Reading(text if ok else "", 0.0) for text, ok in zip(texts, legible)]

    monkeypatch.setattr(Composer, "_join", remembered)
    words = composer(JoinedRecognizer(), **settings).write(texts, 1)
    assert [word.borrowed for word in words if word.finished] == [
        "".join(char for char in word.text if char == "d") for word in words if word.finished
    ]
    assert [word.text == word.reading for word in words] == [True, False, True]
    words = composer(None, **settings).write(texts, 1)
    assert [word.borrowed for word in words] == ["d", "", "dd"], "nobody can tell, so they borrow"
    assert all(word.reading is None for word in words), "what nobody read is not misread"
    own = composer(JoinedRecognizer(), recorded=frozenset("abc"), substitute=1).write(texts, 1)
    assert [word.borrowed for word in own] == ["", "", ""], "there is nobody to borrow from"


def test_a_borrowed_piece_has_the_size_slant_and_density_of_the_hand(words):
    inks, texts = [word.points for word in words[:60]], [word.text for word in words[:60]]
    x_height = measures.estimate_x_height(inks, texts)
    theirs = HandSize(x_height, measures.hand_slant(inks))
    ours = HandSize(1.4 * x_height, theirs.slant + 0.2)
    fitted = [theirs.fit(points, ours) for points in inks]
    assert measures.estimate_x_height(fitted, texts) == pytest.approx(ours.x_height, rel=0.02)
    leaning = measures.hand_slant(fitted) - theirs.slant
    assert 0.1 < leaning < 0.25, "a shear by 0.2 moves the slant of round letters by less"
    for points, fit in zip(inks, fitted):
        assert len(split_strokes(fit)) == len(split_strokes(points))
        assert len(fit) == pytest.approx(1.4 * len(points), rel=0.1, abs=4)
