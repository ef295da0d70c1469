"""Words that are not valid, stores that refuse them, and a database of a later version."""

import json

import pytest

from benchmarks.page import loops
from cursivetransformer.bank.file import load_bank, parse_entries
from cursivetransformer.bank.word import word_to_entry
from tests.collect.common import STARTER, exported

# Stands in an entry for JSON that Python's encoder cannot write.
PLACE = "the place"


def nested(depth, opening="[", closing="]"):
    return opening * depth + "1" + closing * depth


@pytest.fixture(scope="module")
def entries():
    """Three entries that are valid."""
    return [word_to_entry(word) for word in load_bank(STARTER)[:3]]


def test_an_import_takes_what_stands_around_hostile_entries(recorder, entries, tmp_path):
    first, hostile, last = entries
    fields = [
        '"more": ' + nested(4_000),
        '"more": ' + nested(100_000),
        '"more": ' + nested(5_000, '{"a":', "}"),
        '"more": ' + json.dumps([0] * 100),
        '"more": ' + json.dumps("x" * 4_001),
        '"author": ' + json.dumps("x" * 1_000_000),
        '"author": {"toString": 1}',
        '"author": ' + nested(100_000),
        '"asciiSequence": {"normalize": 1}',
        '"asciiSequence": ' + json.dumps("x" * 1_000_000),
        '"aspectRatio": 1e999',
        '"aspectRatio": {"valueOf": 1}',
        '"baseline": -1e300',
    ]
    rows = ["[[1e999, 0, 1]]", '[["0", 0, 1]]', f"[[{nested(9_000)}, 0, 1]]", "[{}]", "1"]
    kept = [
        '"asciiSequence": "a", "__proto__": {"author": 5}, "recorded": {"toString": 1}',
        '"asciiSequence": "b", "recorded": "+275760-09-13T00:00:00Z", "device": 1e999',
        '"author": "Z\\u202e\\u0007o\\u0000e  "',
    ]
    # Of fields with one name, the last one holds.
    field_place = json.dumps({**hostile, "metadata": {**hostile["metadata"], "": PLACE}})
    rows_place = json.dumps({**hostile, "points": PLACE})
    texts = [field_place.replace(f'"": "{PLACE}"', field) for field in fields + kept]
    texts += [rows_place.replace(f'"{PLACE}"', row) for row in rows]
    bank = tmp_path / "bank.json"
    bank.write_text("[" + ",\n".join([json.dumps(first), *texts, json.dumps(last)]) + "]")
    lines = recorder.import_files(bank)
    faulty = len(fields) + len(rows)
    assert lines[0] == f"bank.json: {2 + len(kept)} words added, 0 there already, {faulty} faulty."
    assert len(lines) == 1 + faulty
    assert all("metadata holds more than 100 values" in line for line in lines[1:7])
    assert recorder.settled().page.is_hidden("#trouble")
    assert recorder.page.evaluate("store.unkept.size") == 0
    words = exported(recorder, tmp_path / "out.json")[1]
    assert "Zoe" in {word.author for word in words}
    recorder.view("words")
    for index in range(len(words)):
        recorder.page.locator("#cards button").nth(index).click()
        recorder.press("Escape")
    recorder.reload()
    assert len(exported(recorder, tmp_path / "out.json")[1]) == len(words) == 5
