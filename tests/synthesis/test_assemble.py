"""Given texts from recorded letters."""

import numpy as np
import pytest

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.synthesis.assemble import assemble
from tests.synthesis.test_splice import LETTER, apart, heights_of, joined


def test_a_text_is_put_together_of_pieces_that_share_letters_and_ends_as_words_end():
    recorded = [joined("bane"), joined("dance"), joined("gnu"), joined("loud")]
    made = assemble(
        recorded, ["dane", "dance", "bound", "unbound", "ban"], np.random.default_rng(0)
    )
    assert {"dane", "dance"} <= {word.text for word in made}
    for word in made:
        assert heights_of(word) == word.text and word.author == "Ada"
        assert (
            len(split_strokes(word.points)) == 1
            and word.points[:, 0].min() == 0
            and word.points[-1, 2] == 0
        )
        assert np.hypot(*np.diff(word.points[:, :2], axis=0).T).max() < 1.6 * 0.06  # no join shows


def test_a_pair_that_was_never_recorded_is_joined_on_the_way_from_letter_to_letter():
    made = assemble([joined("bad"), joined("nuo")], ["bauo"], np.random.default_rng(0))
    assert [word.text for word in made] == ["bauo"] and heights_of(made[0]) == "bauo"
    assert np.ptp(made[0].points[:, 0]) == pytest.approx(4 * LETTER, abs=0.3 * LETTER)


def test_a_text_is_cut_off_behind_its_last_letter_where_no_recorded_word_ends_with_it():
    made = assemble([joined("banc")], ["ban", "ba"], np.random.default_rng(0))
    assert [heights_of(word) for word in made] == [word.text for word in made] == ["ban", "ba"]
    assert np.ptp(made[0].points[:, 0]) == pytest.approx(3 * LETTER, abs=0.36 * LETTER)


def test_where_the_pen_was_lifted_any_letter_may_stand_where_one_stood_and_marks_follow_words():
    recorded = [apart("Ab"), apart("Cd"), apart("x."), apart('z."'), apart("BB")]
    made = assemble(recorded, ["Cb.", "Ad", "AA", "Bd", "bA", "5"], np.random.default_rng(0))
    assert (
        {"Ad", "AA", "Bd"} <= {word.text for word in made} <= {"Cb.", "Ad", "AA", "Bd"}
    )  # nothing ever stood behind a b, nor was a 5 recorded
    for word in made:
        tops = [round(-stroke[-1, 1] / 0.001) for stroke in split_strokes(word.points)]
        assert "".join(map(chr, tops)) == word.text


def test_a_mark_follows_a_word_that_ends_as_words_end():
    made = assemble(
        [joined("bane"), joined("land"), apart("x.")],
        ["lane.", "bad.", "ban."],
        np.random.default_rng(0),
    )
    assert {word.text for word in made} >= {"lane.", "bad."}
    for word in made:
        letters, stop = split_strokes(word.points)
        assert letters[:, 0].max() < stop[:, 0].min()
        assert np.ptp(letters[:, 0]) == pytest.approx(
            (len(word.text) - 1) * LETTER, abs=0.4 * LETTER
        )


def test_dots_that_come_last_stay_with_their_letters():
    recorded = [apart("ijk", marks=(0, 1)), apart("mil", marks=(1,)), apart("om")]
    for word in assemble(recorded, ["oil", "mij", "jim", "kim"], np.random.default_rng(0)):
        dots = [stroke for stroke in split_strokes(word.points) if len(stroke) == 1]
        assert len(dots) == sum(map(word.text.count, "ij"))


def test_nothing_recorded_makes_nothing():
    assert assemble([], ["any"], np.random.default_rng(0)) == []
