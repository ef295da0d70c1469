"""How letters stand and join."""

import json

import numpy as np
import pytest

from cursivetransformer.ink.stance import Stance
from cursivetransformer.ink.strokes import join_strokes

STEP = 0.1  # canvas heights from letter to letter
X_HEIGHT = 0.1
TAILS = "gy"
TOPS = {"I": 0.2, "d": 0.2}


def write(text, rng, lifts=(), shifts=()):
    """Write letters as bows that hardly touch, with their centers.

    lifts: {index: canvas heights by which a letter is too high}; shifts: {index: canvas heights by
    which it and all later ones are too far right}.
    """
    lifts, shifts = dict(lifts), dict(shifts)
    strokes, centers, x = [], [], 0.0
    for i, char in enumerate(text):
        x += shifts.get(i, 0)
        bottom = 0.12 if char in TAILS else 0.0
        bow = np.linspace(0, np.pi, 20)
        depth = bottom + TOPS.get(char, X_HEIGHT)
        y = bottom - depth * np.sin(bow) + rng.normal(0, 0.003) - lifts.get(i, 0)
        strokes.append(np.column_stack([x + STEP * np.linspace(0.05, 0.95, 20), y]))
        centers.append(x + STEP / 2)
        x += STEP
    return join_strokes(strokes), np.array(centers)


def hand(texts, rng):
    written = [write(text, rng) for text in texts]
    inks, centers = zip(*written)
    stance = Stance.from_words(inks, texts, centers)
    assert stance.x_height == pytest.approx(X_HEIGHT, rel=0.05)
    return stance


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def faults(stance, points, text, centers):
    return list(stance.judge(points, text, centers).faults)


TEXTS = ["an", "dog", "agony", "dadan", "Iona", "nod", "anyo", "ganno", "and", "noa"] * 3


def test_words_of_the_hand_have_no_faults(rng):
    stance = hand(TEXTS, rng)
    assert [faults(stance, *with_text(text, write(text, rng))) for text in TEXTS] == [[]] * len(
        TEXTS
    )


def with_text(text, written):
    return written[0], text, written[1]


@pytest.mark.parametrize("lift", [0.04, -0.04])
def test_a_letter_off_the_line_is_named_and_so_is_a_gap(rng, lift):
    stance = hand(TEXTS, rng)
    assert faults(stance, *with_text("nod", write("nod", rng, {1: lift}))) == ["o"]
    assert faults(stance, *with_text("nod", write("nod", rng, (), {2: 0.05}))) == ["od"]
    assert faults(stance, *with_text("and", write("and", rng, {0: lift, 1: lift, 2: lift}))) == [
        "a",
        "n",
        "d",
    ]


def test_how_low_a_word_stands_is_told_and_one_letter_says_less_than_many(rng):
    stance = hand(TEXTS, rng)
    low = [
        stance.judge(*with_text(text, write(text, rng, dict.fromkeys(range(9), -0.03)))).low
        for text in ("n", "noda", "nodanonan")
    ]
    assert 0.01 < low[0] < low[1] < low[2] < 0.035
    assert abs(stance.judge(*with_text("noda", write("noda", rng))).low) < 0.005
    assert stance.judge(*with_text(",,", write(",,", rng))).low == 0


def test_a_rare_capital_is_expected_on_the_line_and_an_unknown_tail_is_not_judged(rng):
    stance = hand(["an", "dado", "nona", "dog", "good"] * 6 + ["I"], rng)
    assert faults(stance, *with_text("I", write("I", rng, {0: 0.05}))) == ["I"]
    assert faults(stance, *with_text("I", write("I", rng))) == []
    assert faults(stance, *with_text("y", write("y", rng, {0: 0.05}))) == []
    assert faults(stance, *with_text(",", write(",", rng, {0: 0.5}))) == []


def test_the_tail_of_a_neighbor_is_no_fault(rng):
    stance = hand(TEXTS, rng)
    points, centers = write("gon", rng)
    tail = np.array([[STEP * 1.2, 0.0], [STEP * 1.2, 0.1]])  # of the g, under the o
    assert faults(stance, np.concatenate([points, join_strokes([tail])]), "gon", centers) == []


def test_a_checkpoint_keeps_what_was_measured(rng):
    stance = hand(TEXTS, rng)
    assert Stance.from_dict(json.loads(json.dumps(stance.as_dict()))) == stance


def test_nothing_is_known_without_words():
    assert Stance.from_words([], [], []) is None
    empty = np.zeros((0, 3), np.float32)
    assert Stance.from_words([empty], ["a"], [None]) is None
