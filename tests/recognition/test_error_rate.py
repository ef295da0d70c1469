"""Error rates, and the positions of misread characters."""

import pytest

from cursivetransformer.recognition.error_rate import ErrorRate, edit_distance, position


def test_rates_count_edits_and_words():
    rate = ErrorRate.from_readings(["hello", "to", "a"], ["helo", "to", "xay"])
    assert (rate.characters, rate.edits, rate.words, rate.wrong_words) == (8, 3, 3, 2)
    assert rate.cer == 3 / 8 and rate.wer == 2 / 3
    assert edit_distance("text", "") == 4 and edit_distance("", "") == 0
    empty = ErrorRate()
    assert empty.cer == empty.wer == 0


@pytest.mark.parametrize(
    "text, reading, char, where, read",
    [
        ("cat", "cot", "a", "second", "o"),
        ("cat", "ct", "a", "second", ""),
        ("cat", "catt", "t", "last", "tt"),
        ("cat", "xcat", "c", "first", "cx"),
        ("house", "hoube", "s", "middle", "b"),
        ("a", "", "a", "only", ""),
    ],
)
def test_an_error_is_told_by_character_and_place(text, reading, char, where, read):
    rate = ErrorRate.from_readings([text], [reading])
    assert rate.by_character[char].misread == 1
    assert rate.by_position[where].misread == 1
    assert rate.misread[char][read] == 1
    assert sum(counts.misread for counts in rate.by_character.values()) == rate.edits == 1


def test_positions():
    assert [position(i, 5) for i in range(5)] == ["first", "second", "middle", "middle", "last"]
    assert [position(i, 2) for i in range(2)] == ["first", "last"]
    assert position(0, 1) == "only"


def test_a_report_has_the_worst_characters_first_and_texts_of_equal_number():
    report = ErrorRate.from_readings(["abc", "cc"], ["abx", "cx"]).as_dict()
    assert list(report["by_character"])[0] == "c"
    assert report["by_character"]["c"] == {"count": 3, "misread": 2, "read_as": {"x": 2}}
    assert (report["cer"], report["wer"]) == (2 / 5, 1)
    assert report["by_place"]["last"] == {"count": 2, "misread": 2}
    with pytest.raises(ValueError):
        ErrorRate.from_readings(["a", "b"], ["a"])
