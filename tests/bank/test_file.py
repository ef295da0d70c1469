"""Banks: python -m pytest tests/test_bank.py"""

import json
import math
import zipfile

import numpy as np
import pytest

from cursivetransformer.bank import file as bank
from cursivetransformer.bank.file import (
    check,
    load_bank,
    merge,
    read_entries,
    write_entries,
)
from cursivetransformer.bank.word import (
    InvalidEntry,
    compact,
    parse_entry,
    word_to_entry,
)
from cursivetransformer.utils.errors import UserError


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


def test_text_is_normalised_to_nfc():
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
    "huge integer": entry(points=[[10**400, 0, 1]]),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_each_fault_is_named(sentence):
    with pytest.raises(InvalidEntry) as caught:
        parse_entry(FAULTS[sentence])
    if sentence != "huge integer":
        assert sentence.strip() in str(caught.value)


def test_faulty_entries_are_skipped_and_counted_or_fatal(tmp_path):
    path = tmp_path / "bank.json"
    path.write_text(json.dumps([entry("a"), entry(""), entry("b"), *FAULTS.values()]))
    told = []
    assert [word.text for word in load_bank(path, warn=told.append)] == ["a", "b"]
    assert (
        f"skipped {len(FAULTS) + 1} faulty of {len(FAULTS) + 3}" in told[0]
        and "entry 1: text is empty" in told[0]
    )
    with pytest.raises(UserError, match="entry 1: text is empty"):
        load_bank(path, strict=True)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "does not hold JSON"),
        (b"[{", "does not hold JSON"),
        (b"\xff\xfe\x00", "does not hold JSON"),
        (b"[" * 200_000, "does not hold JSON"),
        (b"{}", "must be a list"),
        (b"[]", "no usable word"),
        (b"[1]", "no usable word; entry 0"),
    ],
)
def test_files_that_are_no_bank(tmp_path, content, sentence):
    path = tmp_path / "bank.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        load_bank(path)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_zips(tmp_path, monkeypatch):
    path, good = tmp_path / "bank.json.zip", json.dumps([entry()])
    with pytest.raises(UserError, match="cannot be read"):
        load_bank(tmp_path)
    zipped(path, {"bank.json": good, "__MACOSX/._bank.json": "x"})
    assert len(load_bank(path)) == 1
    zipped(path, {"a.json": good, "b.json": good})
    with pytest.raises(UserError, match="must hold one JSON file, not 2"):
        load_bank(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a whole zip"):
        load_bank(path)
    monkeypatch.setattr(bank, "LARGEST_FILE", 1000)
    zipped(path, {"bank.json": " " * 100_000})
    with pytest.raises(UserError, match="unpacks to more than"):
        load_bank(path)


def test_a_damaged_member_is_told(tmp_path):
    path = tmp_path / "bank.json.zip"
    zipped(path, {"bank.json": json.dumps([entry()] * 50)})
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged|JSON"):
        load_bank(path)


def test_words_survive_writing_and_reading(words, tmp_path):
    for path in (tmp_path / "copy.json", tmp_path / "copy.json.zip"):
        write_entries(path, [word_to_entry(word) for word in words[:100]])
        for before, after in zip(words, load_bank(path, strict=True)):
            assert (after.text, after.author) == (before.text, before.author)
            np.testing.assert_allclose(after.points, before.points, atol=1e-4)


def test_the_same_entries_give_the_same_zip(tmp_path):
    for name in ("a.json.zip", "b.json.zip"):
        write_entries(tmp_path / name, [entry()])
    first, second = ((tmp_path / name).read_bytes() for name in ("a.json.zip", "b.json.zip"))
    assert len(first) == len(second)
    assert read_entries(tmp_path / "a.json.zip") == [entry()]


def test_merge_drops_faults_and_repetitions(tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    write_entries(paths[0], [entry("a", mood="calm"), entry("")])
    write_entries(paths[1], [entry("b"), entry("a", mood="calm")])
    assert merge(tmp_path / "ab.json.zip", paths) == 2
    assert [e["metadata"]["asciiSequence"] for e in read_entries(tmp_path / "ab.json.zip")] == [
        "a",
        "b",
    ]
    assert read_entries(tmp_path / "ab.json.zip")[0]["metadata"]["mood"] == "calm"


def test_check_prints_all_that_matters(tmp_path, capsys):
    path = tmp_path / "bank.json"
    write_entries(path, [entry("ab"), entry("ab"), entry("")])
    assert check(path) == 1
    out = capsys.readouterr().out
    for part in (
        "2 words, 1 faulty",
        "Ada (2)",
        "1 entries repeat a text, 1 its ink too",
        "a 2  b 2",
        "entry 2: text is empty",
    ):
        assert part in out


def test_bigbank_is_read_whole(real_words):
    assert len(real_words) == 3000
    assert all(
        np.isfinite(word.points).all() and word.points[-1, 2] == 0 and word.points[:, 0].min() == 0
        for word in real_words
    )
    heights = np.array([-word.points[:, 1].min() for word in real_words if word.text.islower()])
    assert 0.1 < np.median(heights) < 0.7, (
        "lower-case words stand on the baseline, within the canvas"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_bank_is_read_in_any_encoding_of_json(made_up_bank, tmp_path, encoding):
    path = tmp_path / "other.json"
    path.write_text(made_up_bank.read_text(encoding="utf-8"), encoding=encoding)
    assert read_entries(path) == read_entries(made_up_bank)
