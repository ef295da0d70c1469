"""Entries of a bank: what is valid, and how they become words."""

import math

import numpy as np
import pytest

from cursivetransformer.bank.word import (
    InvalidEntry,
    Word,
    compact,
    parse_entry,
    split_phrases,
)
from cursivetransformer.ink.strokes import join_strokes


def entry(text="hi", points=None, **metadata):
    points = [[0.1, 0.5, 1], [0.2, 0.6667, 1], [0.2, 0.6667, 0]] if points is None else points
    return {
        "metadata": {"author": "Ada", "asciiSequence": text, "aspectRatio": 6, **metadata},
        "points": points,
    }


def test_points_are_placed_on_the_baseline_in_canvas_heights():
    word = parse_entry(entry(points=[[0.1, 2 / 3, 1], [0.2, 1 / 3, 1], [0.2, 1 / 3, 0]]))
    assert (word.text, word.author) == ("hi", "Ada")
    np.testing.assert_allclose(word.points, [[0, 0, 1], [0.6, -1 / 3, 0]], atol=1e-6)


def test_a_baseline_in_the_metadata_wins():
    word = parse_entry(entry(points=[[0, 0.5, 1], [0, 0.5, 0]], baseline=0.5))
    np.testing.assert_allclose(word.points, [[0, 0, 0]], atol=1e-7)


def test_a_dot_is_one_point_and_an_unlifted_end_is_lifted():
    points = np.array([[0, 0, 1], [1, 0, 1], [1, 0, 0], [2, 0, 1], [2, 0, 0], [3, 0, 1], [4, 0, 1]])
    np.testing.assert_array_equal(
        compact(points), [[0, 0, 1], [1, 0, 0], [2, 0, 0], [3, 0, 1], [4, 0, 0]]
    )


def test_time_and_pressure_are_ignored_even_where_some_points_lack_them():
    plain, rich = (
        entry(),
        entry(points=[[0.1, 0.5, 1, 17, 0.3], [0.2, 0.6667, 1, 25], [0.2, 0.6667, 0]]),
    )
    np.testing.assert_array_equal(parse_entry(plain).points, parse_entry(rich).points)


def test_text_is_normalized_to_nfc():
    assert parse_entry(entry("cafe\u0301")).text == "caf\u00e9"


FAULTS = {
    "must be an object": 17,
    "no 'metadata'": {"points": []},
    "no 'points'": {"metadata": {}},
    "metadata is not an object": {"metadata": [], "points": []},
    "no 'asciiSequence'": {"metadata": {"aspectRatio": 6}, "points": [[0, 0, 1]]},
    "no 'aspectRatio'": {"metadata": {"asciiSequence": "a"}, "points": [[0, 0, 1]]},
    "text is empty": entry("  "),
    "not a text": entry(17),
    "control character": entry("a\u0007b"),
    "text has 2000 characters": entry("a" * 2000),
    "aspectRatio is 0": entry(aspectRatio=0),
    "aspectRatio is -2": entry(aspectRatio=-2),
    "aspectRatio is not a number: 'wide'": entry(aspectRatio="wide"),
    "aspectRatio is not a number: nan": entry(aspectRatio=math.nan),
    "aspectRatio is not a number: inf": entry(aspectRatio=math.inf),
    "aspectRatio is not a number: True": entry(aspectRatio=True),
    "no ink: no points": entry(points=[]),
    "points is not a list": entry(points="0 0 1"),
    "not a list of x, y and pen": entry(points=[[0, 0]]),
    "not a list of x, y and pen ": entry(points=[[0, 0, 1], 5]),
    "not a list of x, y and pen  ": entry(points=[{"x": 1}]),
    "not a number": entry(points=[["0", "0", "1"]]),
    "not a number ": entry(points=[[None, 0, 1]]),
    "NaN or an infinity": entry(points=[[math.nan, 0, 1]]),
    "NaN or an infinity ": entry(points=[[0, math.inf, 1]]),
    "pen must be 0 or 1": entry(points=[[0, 0, 2]]),
    "pen is never down": entry(points=[[0, 0, 0]]),
    "canvas heights far": entry(points=[[1e9, 0, 1]]),
    "at most 50000": entry(points=[[0, 0, 1]] * 50_001),
    "author is not a text: {'toString': 1}": entry(author={"toString": 1}),
    "metadata holds more than 100 values": entry(more=list(range(101))),
    "or 4000 characters": entry(more="x" * 4001),
    "text has 4000000 characters": entry("é " * 2_000_000),
    "huge integer": entry(points=[[10**400, 0, 1]]),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_each_fault_is_named(sentence):
    with pytest.raises(InvalidEntry) as caught:
        parse_entry(FAULTS[sentence])
    if sentence != "huge integer":
        assert sentence.strip() in str(caught.value)


@pytest.mark.parametrize(
    "author, name",
    [
        (None, "unknown"),
        ("", "unknown"),
        ("\x1b\u202e\ud800\n", "unknown"),
        ("  Zoë\u0301  B.\t", "Zoë\u0301 B."),
        ("\x1b[31mAda\u202e\udc80", "[31mAda"),
        ("A" * 1000, "A" * 100),
        (7, "7"),
    ],
)
def test_an_authors_name_is_plain(author, name):
    assert parse_entry(entry(author=author)).author == name


def boxes(*lefts, width=0.3):
    """Strokes of this width at these places, as points."""
    strokes = [np.array([[x, 0.0], [x + width, -0.1]]) for x in lefts]
    return join_strokes(strokes)


def test_a_phrase_is_split_at_its_gaps_and_a_late_dot_goes_to_its_word():
    points = np.concatenate([boxes(0, 0.35, 1.0, 1.35), join_strokes([np.array([[0.5, -0.2]])])])
    word = Word("It is", "Ada", points, {"aspectRatio": 6})
    first, second = split_phrases([word])
    assert (first.text, second.text) == ("It", "is") and first.author == "Ada"
    np.testing.assert_allclose(first.points[-1], [0.5, -0.2, 0], atol=1e-6)
    np.testing.assert_allclose(second.points, boxes(0, 0.35), atol=1e-6)
    assert len(split_phrases([Word("a b c", "Ada", boxes(0, 0.6, 1.2))])) == 3


@pytest.mark.parametrize(
    "text, lefts", [("I am", (0, 0.4, 0.8)), ("I am", (0, 0.1)), ("I", (0, 2))]
)
def test_a_phrase_without_a_clear_gap_and_a_word_stay_whole(text, lefts):
    word = Word(text, "Ada", boxes(*lefts))
    assert split_phrases([word]) == [word]
