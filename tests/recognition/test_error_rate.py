"""Error rates: python -m pytest tests/test_spelling.py"""

import pytest

from cursivetransformer.recognition.error_rate import ErrorRate, edit_distance, place


def test_rates_count_edits_and_words():
    spelling = ErrorRate.of(["hello", "to", "a"], ["helo", "to", "xay"])
    assert (spelling.characters, spelling.edits, spelling.words, spelling.wrong_words) == (
        8,
        3,
        3,
        2,
    )
    assert spelling.cer == 3 / 8 and spelling.wer == 2 / 3
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
    spelling = ErrorRate.of([text], [reading])
    assert (
        spelling.by_character[char][1] == 1
        and spelling.by_place[where][1] == 1
        and spelling.misread[char][read] == 1
    )
    assert sum(wrong for _, wrong in spelling.by_character.values()) == spelling.edits == 1


def test_places():
    assert [place(i, 5) for i in range(5)] == ["first", "second", "middle", "middle", "last"]
    assert [place(i, 2) for i in range(2)] == ["first", "last"] and place(0, 1) == "only"


def test_a_report_has_the_worst_characters_first_and_texts_of_equal_number():
    report = ErrorRate.of(["abc", "cc"], ["abx", "cx"]).as_dict()
    assert list(report["by_character"])[0] == "c" and report["by_character"]["c"] == {
        "count": 3,
        "misread": 2,
        "read_as": {"x": 2},
    }
    assert report["by_place"]["last"] == {"count": 2, "misread": 2}
    with pytest.raises(ValueError):
        ErrorRate.of(["a", "b"], ["a"])
