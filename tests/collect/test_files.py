"""Import banks into the recording page, and export them."""

import json
import re
import subprocess
import sys
import zipfile

from benchmarks.page import loops
from cursivetransformer.bank.file import (
    load_bank,
    parse_entries,
    read_entries,
    write_entries,
)
from cursivetransformer.bank.word import word_to_entry
from tests.collect.common import DOT, ROOT, STARTER, exported


def test_zips_go_out_to_the_trainer_and_come_back(recorder, new_recorder, tmp_path):
    recorder.set("author", "Ada L\u00f6w")
    for n in range(5):
        recorder.dispatch([loops(20 + n), DOT], "pen", pressure=0.4)
        recorder.press("Enter")
    name = recorder.export(tmp_path / "bank.json.zip", "zip")
    assert re.fullmatch(r"ada-l\u00f6w-\d{4}-\d\d-\d\d\.json\.zip", name)
    with zipfile.ZipFile(tmp_path / "bank.json.zip") as archive:
        assert archive.testzip() is None and archive.namelist() == [name.removesuffix(".zip")]
    recorder.export(tmp_path / "bank.json")
    assert read_entries(tmp_path / "bank.json.zip") == read_entries(tmp_path / "bank.json")
    zip_size, json_size = (
        (tmp_path / name).stat().st_size for name in ("bank.json.zip", "bank.json")
    )
    assert zip_size < 0.7 * json_size
    command = [sys.executable, "-m", "cursivetransformer", "bank", "check"]
    check = subprocess.run(
        [*command, str(tmp_path / "bank.json.zip")], cwd=ROOT, capture_output=True, text=True
    )
    assert check.returncode == 0
    assert "5 words, 0 faulty" in check.stdout and "Ada L\u00f6w (5)" in check.stdout
    other = new_recorder()
    assert other.import_files(tmp_path / "bank.json.zip") == [
        "bank.json.zip: 5 words added, 0 there already, 0 faulty."
    ]
    assert (
        other.import_files(tmp_path / "bank.json", tmp_path / "bank.json.zip")[0]
        == "bank.json: 0 words added, 5 there already, 0 faulty."
    )
    other.export(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "bank.json").read_bytes()


def test_an_export_says_how_to_train_on_the_file_that_was_saved(recorder, tmp_path):
    page = recorder.page
    recorder.set("author", "Mia")
    recorder.draw(loops())
    recorder.press("Enter")
    saved = []
    for kind in ("zip", "zip", "json", "zip"):
        saved.append(recorder.export(tmp_path / "bank", kind))
        command = f"train.py --dataset_name {saved[-1]} --finetune base"
        assert f"python {command}" in recorder.note
        page.click("#note button")
        assert page.inner_text("#next-script") == f"python {command}"
        assert page.inner_text("#next-command") == f"cursive {command}".replace(".py", "")
        assert "1 word." in page.inner_text("#next-more")
        assert "100" in page.inner_text("#next-more")
        recorder.press("Enter")
    assert re.fullmatch(r"mia-\d{4}-\d\d-\d\d\.json\.zip", saved[0])
    assert len(set(saved)) == 4, "no second file of a day has the name of the first"
    assert saved[3] == saved[0].replace(".json", "-3.json")
    recorder.set("goal", 1)
    recorder.export(tmp_path / "bank")
    page.click("#note button")
    assert "A hundred" in page.inner_text("#next-more")


def test_banks_of_the_trainer_come_in_unchanged_and_go_out_unchanged(recorder, tmp_path):
    entries = read_entries(STARTER)[:150]
    entries[3]["metadata"]["more"] = {"kept": [1, None]}
    entries[4]["points"] = [
        [x + 1e-9, y, pen, 5 * i] for i, (x, y, pen) in enumerate(entries[4]["points"])
    ]
    entries[5]["metadata"].update(baseline=0.5, recorded="yesterday")
    write_entries(tmp_path / "in.json.zip", entries)
    assert recorder.import_files(tmp_path / "in.json.zip") == [
        "in.json.zip: 150 words added, 0 there already, 0 faulty."
    ]
    assert exported(recorder, tmp_path / "out.json")[0] == entries
    recorder.settled().reload()
    assert exported(recorder, tmp_path / "out.json")[0] == entries
    recorder.view("words")
    for index in range(12):
        recorder.page.locator("#cards button").nth(index).click()
        assert "imported" in recorder.page.inner_text("#entry-told")
        recorder.press("Escape")
    # Uncompressed, and with the extra file that macOS adds.
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.writestr("bank.json", json.dumps(entries[:2]))
        archive.writestr("__MACOSX/._bank.json", b"x")
    assert recorder.import_files(tmp_path / "mac.zip") == [
        "mac.zip: 0 words added, 2 there already, 0 faulty."
    ]


def test_an_import_can_be_undone(recorder):
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.import_files(STARTER)
    assert len(recorder.texts) == 2501
    recorder.page.click("#note button")
    recorder.settled().reload()
    assert len(recorder.texts) == 1


def test_files_that_are_no_banks_are_told(recorder, tmp_path):
    good = STARTER.read_bytes()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    middle = len(good) // 2
    for name, content, sentence in (
        ("cut.json", b'[{"metadata": {', "cut.json is not a bank: it does not hold JSON"),
        ("object.json", b'{"a": 1}', "must be a list of entries, not object"),
        ("empty.json", b"[]", "empty.json holds no usable word"),
        ("none.json", b"", "does not hold JSON"),
        ("latin.json", b'["\xe9"]', "does not hold JSON"),
        ("cut.zip", good[:-100], "is named .zip but is not a whole zip file"),
        ("two.zip", (tmp_path / "two.zip").read_bytes(), "must hold one JSON file, not 2"),
        ("bad.zip", good[:middle] + b"\0\0\0\0" + good[middle + 4 :], "damaged or locked zip"),
        (
            "faulty.json",
            b'[{"metadata": {}, "points": []}]',
            "Entry 0: metadata has no 'asciiSequence'",
        ),
        ("text.json", "[]".encode("utf-16"), "holds no usable word"),
    ):
        (tmp_path / name).write_bytes(content)
        [line] = recorder.import_files(tmp_path / name)
        assert sentence in line and name in line
    assert recorder.texts == []


def test_entries_are_judged_as_the_trainer_judges_them(recorder, tmp_path):
    good = word_to_entry(load_bank(STARTER)[0])
    entries = [
        good,
        5,
        None,
        [],
        {},
        {"metadata": {}},
        {"metadata": [], "points": []},
        {"points": [], "metadata": None},
    ]

    def changed(points=None, **metadata):
        kept = {
            key: value for key, value in {**good["metadata"], **metadata}.items() if value != "drop"
        }
        return {"metadata": kept, "points": good["points"] if points is None else points}

    entries += [
        changed(asciiSequence=text)
        for text in (
            "drop",
            "",
            "  ",
            5,
            None,
            "a\tb",
            "a\x00b",
            "x" * 1001,
            "\u00e9" * 1000,
            "\ud800",
            "a\x1cb\x85",
            "a\u0323\u0301" * 900,
            "two\nlines",
        )
    ]
    entries += [
        changed(aspectRatio=value) for value in ("drop", 0, -1, None, "6", True, 1e9, 100, 101)
    ]
    entries += [changed(baseline=value) for value in (0.5, None, "x", 500)]
    entries += [
        changed(author=value)
        for value in (
            "drop",
            "",
            None,
            7,
            [],
            {"a": 1},
            "x" * 150,
            " \x1ca\ufeff\u202e\u3000\x00b\x85",
        )
    ]
    entries += [
        changed(more=value) for value in ([0] * 90, [0] * 100, "\U0001d4d0" * 3000, "x" * 4001)
    ]
    entries += [
        changed(points=points)
        for points in (
            [],
            {},
            "abc",
            None,
            [[0, 0]],
            [[0, 0, 0]],
            [[0.1, 0.1, 1]],
            [[0.1, 0.1, 2]],
            [[0.1, 0.1, 0.5]],
            [[0, "a", 1]],
            [[0, None, 1]],
            [[[0], 0, 1]],
            [5],
            [[0.1, 0.1, 1, 5, 0.5, "more"], [0.1, 0.1, 0]],
            [[1e300, 0, 1]],
            [[30, 0, 1]],
            [[0, -101, 1]],
            [[0, 0, 1]] * 50_001,
        )
    ]
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(entries))
    words, faults = parse_entries(read_entries(path))
    page_entries, page_faults = recorder.page.evaluate(
        """async text => {
          const { entries, faults } = await parseEntries(JSON.parse(text));
          return [entries.map(entry => [entry.text, entry.author]), faults];
        }""",
        path.read_text(),
    )
    assert faults.n > 40 and len(words) > 10
    assert {fault["index"] for fault in page_faults} == {index for index, _ in faults.first}
    assert page_entries == [[word.text, word.author] for word in words]
    for page_fault, (index, reason) in zip(page_faults, faults.first):
        page_reason, reason = page_fault["reason"].replace(",", ""), reason.replace(",", "")
        both_of_a_point = page_reason.startswith("a point") and reason.startswith("a point")
        assert page_reason[:12] == reason[:12] or both_of_a_point, f"entry {index}"
