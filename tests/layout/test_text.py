"""Texts, words and breaks, and what cannot be written."""

import io
import os
import threading

import hypothesis
import pytest
from hypothesis import strategies

from cursivetransformer.layout import text as text_module
from cursivetransformer.layout.text import (
    MAX_WORD_LENGTH,
    Break,
    Manuscript,
    TextNormalizer,
    TextWord,
)
from cursivetransformer.utils.errors import UserError

LATIN = TextNormalizer("abcdefghijklmnopqrstuvwxyzADEIS.,!()-'\"/")


def parts(text, normalizer=LATIN):
    return list(Manuscript(io.StringIO(text, newline="")).parts(normalizer))


def texts(text, normalizer=LATIN):
    return [part.text for part in parts(text, normalizer) if isinstance(part, TextWord)]


def test_lines_empty_lines_indents_and_pages_become_breaks():
    assert parts("  a b\n\n\tc\r\nd\re\f\nf\n \n") == [
        Break(0, 2),
        TextWord("a"),
        TextWord("b"),
        Break(2, 4),
        TextWord("c"),
        Break(),
        TextWord("d"),
        Break(),
        TextWord("e"),
        Break(1, 0, True),
        TextWord("f"),
    ]


def test_a_text_wrapped_at_a_column_may_be_reflowed():
    reflow = TextNormalizer(LATIN.alphabet, reflow=True)
    assert parts("a\nb\n\nc\n  d", reflow) == [
        TextWord("a"),
        TextWord("b"),
        Break(2),
        TextWord("c"),
        Break(1, 2),
        TextWord("d"),
    ]


def test_marks_stay_with_their_word():
    found = [
        (part.text, part.glued)
        for part in parts("a ! ( b ) c\u00a0d e\n. f")
        if isinstance(part, TextWord)
    ]
    assert found == [
        ("a", False),
        ("!", True),
        ("(", False),
        ("b", True),
        (")", True),
        ("c", False),
        ("d", True),
        ("e", False),
        (".", False),
        ("f", False),
    ]


def test_typographic_marks_are_folded_and_invisible_ones_dropped():
    assert texts("\ufeffit’s “a” b—c a\u00adb a\u200bb e\u0301") == [
        "it's",
        '"a"',
        "b-c",
        "ab",
        "ab",
    ], "é cannot be written, so it is left out"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
@hypothesis.given(text=strategies.text(alphabet="ab \n\r\f\t\u00a0.", max_size=40))
def test_the_parts_do_not_depend_on_where_the_text_is_cut(chunk, text):
    whole = parts(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK_SIZE", chunk)
        assert parts(text) == whole


@hypothesis.given(text=strategies.text(max_size=60))
def test_no_letter_is_lost_nor_made_up(text):
    normalizer = TextNormalizer(LATIN.alphabet, missing="skip", max_word_length=5)
    written = "".join(texts(text, normalizer)).replace("-", "")
    assert written == "".join(normalizer.normalize(word) for word in text.split()).replace("-", "")


def shape(parts):
    """The pieces of a typed word in one string: | where a line may end, ~ a hyphen if it does."""
    marks = [
        "~" if part.hyphen else "|" if part.joined and not part.glued else "" for part in parts
    ]
    return "".join(mark + part.text * (not part.hyphen) for mark, part in zip(marks, parts))


def test_long_words_are_broken_where_they_may_be_or_with_hyphens():
    short = TextNormalizer(LATIN.alphabet, max_word_length=10)
    for word, broken in (
        ("aaaaaaaaaa", "aaaaaaaaaa"),
        ("abcdefghijklmn", "abcdefg~|hijklmn"),
        ("well-known/words", "well-|known/|words"),
        ("abcdefghijk-lmn", "abcdefgh~|ijk-lmn"),
    ):
        assert shape(short.split(word)) == broken
    assert texts("abcdefg", TextNormalizer("abcdefg", max_word_length=3)) == ["abc", "de", "fg"], (
        "an alphabet without a hyphen"
    )


def test_words_are_numbered_as_they_are_typed():
    short = TextNormalizer(LATIN.alphabet, "skip", max_word_length=6)
    numbers: dict[int, str] = {}
    for part in parts("ab cdefghijk \u2603 - l", short):
        numbers[part.number] = numbers.get(part.number, "") + part.text
    assert numbers == {1: "ab", 2: "cdefg-hijk", 3: "-", 4: "l"}


def test_very_long_words_are_broken_in_pieces_of_a_length():
    normalizer = TextNormalizer(LATIN.alphabet, max_word_length=12)
    assert parts("abc abcdefghij", normalizer) == [TextWord("abc"), TextWord("abcdefghij")]
    assert parts("abcdefghijklmnop !", normalizer) == [
        TextWord("abcdefgh"),
        TextWord("-", True, True, hyphen=True),
        TextWord("ijklmnop", False, True),
        TextWord("!", True),
    ]
    survey = Manuscript(io.StringIO("abcdefghijklmnop !")).survey(normalizer)
    assert (survey.n_words, survey.n_parts) == (2, 4)


def test_missing_letters_are_replaced_by_their_like():
    replace = TextNormalizer("abcehiostuZ", missing="replace")
    assert texts("çé ßü Жэ HiO", replace) == ["ce", "ssu", "Zhe", "hio"]
    assert (
        replace.unknown_characters("é☃")
        == ["☃"]
        == TextNormalizer(LATIN.alphabet + ":2", missing="replace").unknown_characters("é☃")
    )


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            "a é ☃",
            "'é', '☃' (line 1); --missing replace-or-skip writes 'é' as 'e' and leaves out '☃'",
        ),
        ("a\n\nb \u20ac", "'€' (line 3)"),
        ("a\x07", "control character, U+0007 in line 1"),
        ("abc \u05e9\u05dc\u05d5\u05dd", "from right to left"),
        ("a\udc80", "not in UTF-8"),
        ("", "no text to write"),
        (" \n\t\f", "no text to write"),
    ],
)
def test_what_cannot_be_written_is_told_at_once(text, sentence):
    with pytest.raises(UserError) as error:
        Manuscript(io.StringIO(text)).survey(LATIN)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_it_may_be_left_out_instead():
    assert Manuscript(io.StringIO("a\x07 é ☃")).survey(TextNormalizer("a", "skip")).n_words == 1
    with pytest.raises(UserError, match="no text to write"):
        Manuscript(io.StringIO("é ☃")).survey(TextNormalizer("a", "skip"))


@pytest.mark.parametrize(
    "missing, written, left_out",
    [
        ("skip", ["caf", "a"], {"é": (3, ["café", "éé"]), "☃": (2, ["a☃", "☃"])}),
        ("replace-or-skip", ["cafe", "a", "ee"], {"☃": (2, ["a☃", "☃"])}),
    ],
)
def test_what_is_left_out_is_counted_with_its_words(missing, written, left_out):
    text, normalizer = "café a☃ ☃ éé", TextNormalizer("acef", missing)
    assert texts(text, normalizer) == written
    survey = Manuscript(io.StringIO(text)).survey(normalizer)
    assert survey.n_words == len(written)
    assert {c: (n, survey.left_out_of[c]) for c, n in survey.left_out.items()} == left_out


def test_a_message_offers_what_fits_the_characters():
    for text, missing, cure in (
        ("é", "fail", "--missing replace writes 'é' as 'e'; leave them out with --missing skip"),
        ("☃", "fail", "leave them out with --missing skip, or record"),
        ("é☃", "fail", "--missing replace-or-skip writes 'é' as 'e' and leaves out '☃'; "),
        ("é☃", "replace", "never seen '☃' (line 1); --missing replace-or-skip leaves them out"),
    ):
        with pytest.raises(UserError) as error:
            Manuscript(io.StringIO(text)).survey(TextNormalizer("ae", missing))
        assert cure in str(error.value)


def test_a_word_without_end_is_no_word():
    with pytest.raises(UserError, match="a word of more than 1000 letters"):
        Manuscript(io.StringIO("a" * 10_000)).survey(LATIN)
    assert Manuscript(io.StringIO("a" * MAX_WORD_LENGTH)).survey(LATIN).n_words == 1


def test_the_survey_counts_what_is_written():
    text = "a bb ccccccccccccccc \n d"
    normalizer = TextNormalizer(LATIN.alphabet, max_word_length=6)
    survey = Manuscript(io.StringIO(text)).survey(normalizer)
    assert survey.n_parts == len(texts(text, normalizer)) == 8
    assert survey.n_words == 4 and not survey.paged
    assert Manuscript(io.StringIO("a\fb")).survey(normalizer).paged


def test_files_and_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa b\r\nc")
    assert list(Manuscript.open(file=str(tmp_path / "a.txt")).parts(LATIN)) == [
        TextWord("a"),
        TextWord("b"),
        Break(),
        TextWord("c"),
    ]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"b a")))
    typed = Manuscript.open("-")
    assert typed.survey(LATIN).n_words == 2 and list(typed.parts(LATIN)) == [
        TextWord("b"),
        TextWord("a"),
    ], "it can be read twice"
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_text, args=["b a"]).start()
    piped = Manuscript.open(file=str(tmp_path / "pipe"))
    assert piped.survey(LATIN).n_words == 2 == len(list(piped.parts(LATIN)))
    monkeypatch.setattr(text_module, "PIPE_SECONDS", 0.01)
    with pytest.raises(UserError, match="no program writes to the pipe .*pipe"):
        Manuscript.open(file=str(tmp_path / "pipe"))
    with pytest.raises(UserError, match="none.txt cannot be read"):
        Manuscript.open(file="none.txt")
    (tmp_path / "b.txt").write_bytes(b"a \xe9 b")
    with pytest.raises(UserError, match="not a text in UTF-8"):
        Manuscript.open(file=str(tmp_path / "b.txt")).survey(LATIN)
