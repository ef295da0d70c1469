"""New words from recorded ones."""

import numpy as np
import pytest

from cursivetransformer.bank.word import Word
from cursivetransformer.ink.strokes import join_strokes, split_strokes
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.splice import AlignedWord, find_delayed_strokes, splice
from cursivetransformer.synthesis.synthesizer import write_word

LETTER = 0.2  # canvas heights, the width of a made-up letter


def joined(text, seed=0):
    """Make a word of one stroke, with an arch for each letter as high as the letter says."""
    heights = np.array([0.1 + 0.01 * (ord(char) - ord("a")) for char in text])
    t = np.linspace(0, len(text), 24 * len(text) + 1)
    at = np.minimum(t.astype(int), len(text) - 1)
    y = -heights[at] * np.sin(np.pi * (t - at)) ** 2
    return AlignedWord.from_word(
        Word(text, "Ada", join_strokes([np.column_stack([t * LETTER, y])])),
        (np.arange(len(text)) + 0.5) * LETTER,
    )


def apart(text, marks=()):
    """Make a word of one stroke for each character, as high as the character says.

    A dot above each of the characters `marks` is written last.
    """
    strokes = [
        np.array([[i * LETTER, 0], [i * LETTER + 0.1, -0.001 * ord(char)]])
        for i, char in enumerate(text)
    ]
    strokes += [np.array([[i * LETTER + 0.05, -0.5]]) for i in marks]
    return AlignedWord.from_word(
        Word(text, "Ada", join_strokes(strokes)), np.arange(len(text)) * LETTER + 0.05
    )


def heights_of(word):
    """Read the letters of a word of `joined`, or of a splice of such words, by the arches' tops."""
    x, y = word.points[:, 0], -word.points[:, 1]
    tops = [y[(x >= i * LETTER) & (x < (i + 1) * LETTER)].max() for i in range(len(word.text))]
    return "".join(chr(ord("a") + round((top - 0.1) / 0.01)) for top in tops)


def test_joined_words_are_cut_within_a_letter_they_share_and_read_as_their_new_text():
    made = splice([joined("banc"), joined("dane"), joined("gnu")], 12, np.random.default_rng(0))
    texts = [word.text for word in made]
    assert len(texts) == len(set(texts)) >= 4 and not set(texts) & {"banc", "dane", "gnu"}
    for word in made:
        assert heights_of(word) == word.text and word.author == "Ada"
        assert len(split_strokes(word.points)) == 1 and word.points[:, 0].min() == 0
        # No join shows: no step is longer than in the words it was made of.
        assert np.hypot(*np.diff(word.points[:, :2], axis=0).T).max() < 1.6 * 0.06


def test_where_the_pen_was_lifted_like_takes_the_place_of_like_and_marks_follow_words():
    made = splice(
        [apart("12"), apart("3x"), apart("AB"), apart("C.")], 60, np.random.default_rng(0)
    )
    for word in made:
        tops = [round(-stroke[-1, 1] / 0.001) for stroke in split_strokes(word.points)]
        assert "".join(map(chr, tops)) == word.text
    texts = {word.text for word in made}
    assert {"AC.", "12."} <= texts  # a capital for a capital; a mark behind a word
    assert not any(text.startswith((".", "1A", "A1")) for text in texts)


def test_late_dots_stay_with_their_letters_and_come_last():
    made = splice(
        [apart("ijk", marks=(0, 1)), apart("mik", marks=(1,)), apart("om")],
        40,
        np.random.default_rng(1),
    )
    assert made
    for word in made:
        strokes = split_strokes(word.points)
        dots = [stroke for stroke in strokes if len(stroke) == 1]
        letters = [stroke for stroke in strokes if len(stroke) > 1]
        assert len(letters) == len(word.text) and len(dots) == sum(
            word.text.count(char) for char in "ij"
        )
        assert [len(stroke) > 1 for stroke in strokes] == [True] * len(letters) + [False] * len(
            dots
        )
        dotted = [letters[i][0, 0] + 0.05 for i, char in enumerate(word.text) if char in "ij"]
        np.testing.assert_allclose(sorted(dot[0, 0] for dot in dots), dotted, atol=1e-5)


def test_the_second_stroke_of_a_letter_is_not_late_but_a_dot_is_once_the_word_went_on():
    """Regression: the stem of a T with a long bar was moved to the end of the word."""
    places = np.array([0.1, 0.3, 0.5])
    bar, stem, rest, dot = (0.0, 0.25), (0.1, 0.12), (0.2, 0.6), (0.29, 0.31)
    spans = np.array([bar, stem, rest, dot])
    assert find_delayed_strokes(spans, spans.mean(1), places).tolist() == [
        False,
        False,
        False,
        True,
    ]


def test_a_letter_that_is_dotted_at_once_is_not_behind_a_gap():
    """Regression: a border was taken for a gap.

    The stem of an i was joined to the letter before, and the dot and the rest came next.
    """
    stroke = lambda *x: np.column_stack([np.array(x), np.zeros(len(x))])
    points = join_strokes([stroke(0.0, 0.3, 0.67), stroke(0.645, 0.667), stroke(0.68, 1.2)])
    one = AlignedWord.from_word(Word("yin", "Ada", points), np.array([0.56, 0.673, 0.9]))
    assert one.gaps == [0, 2, 3]


def test_there_may_be_nothing_to_splice():
    assert (
        splice([joined("ab")], 5, np.random.default_rng(0)) == []
        and splice([], 5, np.random.default_rng(0)) == []
    )


@pytest.mark.parametrize("marks", ["letter", "word"])
def test_splices_of_a_synthetic_hand_keep_its_dots_whenever_it_makes_them(marks):
    """As many strokes as the same letters had: nothing is lost or doubled."""
    hand, rng = Hand("Ada", 3, load_fonts("own"), marks), np.random.default_rng(0)
    texts = ["minimum", "indigo", "lint", "nimble", "until", "mint", "tiling", "limit"]
    lettered = []
    for text in texts:
        word = write_word(hand, text, rng)
        edges = [
            write_word(hand, text[:n], np.random.default_rng(1)).points[:, 0].max()
            for n in range(1, len(text) + 1)
        ]
        lettered.append(
            AlignedWord.from_word(word, np.array([(a + b) / 2 for a, b in zip([0, *edges], edges)]))
        )
    made = splice(lettered, 40, rng)
    dots = lambda word: sum(
        np.ptp(stroke, axis=0).max() < 0.03 for stroke in split_strokes(word.points)
    )
    right = [dots(word) == sum(word.text.count(char) for char in "ij") for word in made]
    assert len(made) >= 30 and np.mean(right) > 0.9
