"""Files of banks: reading, checking, merging, writing."""

import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from cursivetransformer.bank import file as bank
from cursivetransformer.bank import json_list
from cursivetransformer.bank.file import (
    check,
    load_bank,
    merge,
    read_entries,
    write_entries,
)
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.utils.errors import UserError
from tests.bank.test_word import FAULTS, entry


def test_faulty_entries_are_skipped_and_counted_or_fatal(tmp_path):
    path = tmp_path / "bank.json"
    path.write_text(json.dumps([entry("a"), entry(""), entry("b"), *FAULTS.values()]))
    messages = []
    assert [word.text for word in load_bank(path, warn=messages.append)] == ["a", "b"]
    assert (
        f"skipped {len(FAULTS) + 1} faulty of {len(FAULTS) + 3}" in messages[0]
        and "entry 1: text is empty" in messages[0]
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
    monkeypatch.setattr(bank, "MAX_FILE_BYTES", 1000)
    zipped(path, {"bank.json": " " * 100_000})
    with pytest.raises(UserError, match="it is too large; a bank has at most"):
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
        "entries that repeat a text: 1, and its ink too: 1",
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_entries_are_read_one_by_one_as_json_reads_them_together(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(json_list, "WINDOW_BYTES", 7)
    items = [entry("é€😀"), 12345, -0.5, "a\u20ac", None, [[], {}], 1234567]
    for text in (json.dumps(items), json.dumps(items, ensure_ascii=False, indent=2) + "\n\n", "[]"):
        (tmp_path / "a.json").write_bytes(text.encode(encoding))
        assert read_entries(tmp_path / "a.json") == json.loads(text)


@pytest.mark.parametrize("text", ["[1 2]", "[1,]", "[,1]", "[1", "[1,", "[1]]", "[1] 2", "[tru]"])
def test_what_json_refuses_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="does not hold JSON"):
        read_entries(tmp_path / "a.json")


def test_a_bank_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    for name in ("fifo", "zero", "folder"):
        with pytest.raises(UserError, match=f"{name}.json cannot be read"):
            load_bank(tmp_path / f"{name}.json")


def peak_bytes(action) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_by_an_entry_and_not_by_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bank, "MAX_ENTRIES", 50_000)
    faulty, wide = tmp_path / "faulty.json.zip", tmp_path / "wide.json.zip"
    zipped(faulty, {"a.json": "[" + "0," * 5_000_000 + "0]"})
    zipped(wide, {"a.json": "[0," + " " * 20_000_000 + '"😀"]'})
    for path in (faulty, wide):
        assert path.stat().st_size < 100_000
        assert peak_bytes(lambda path=path: load_bank(path)) < 12 << 20


def test_faults_and_names_are_counted_and_not_all_listed(tmp_path, capsys):
    path = tmp_path / "bank.json"
    names = [{"metadata": {**entry()["metadata"], "author": f"A{i}"}} for i in range(300)]
    path.write_text(json.dumps([0] * 1500 + [{**entry(), **name} for name in names]))
    assert check(path) == 1500
    out = capsys.readouterr().out
    assert "A0 (1)" in out and "and 100 others" in out and "and 1300 others" in out
    assert len(out) < 20_000


def test_half_of_a_surrogate_pair_survives_merging(tmp_path, capsys):
    path = tmp_path / "bank.json"
    author, mood = "A\udc80da \x1b[31m", "\ud800"
    path.write_text(json.dumps([entry("a", author=author, mood=mood)]))
    assert merge(tmp_path / "b.json", [path]) == 1
    (word,) = load_bank(tmp_path / "b.json")
    assert word.author == "Ada [31m" and word.metadata["mood"] == mood
    check(tmp_path / "b.json")
    assert "Ada [31m (1)" in capsys.readouterr().out
