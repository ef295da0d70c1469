"""Words that are not valid, stores that refuse them, and a database of a later version."""

import json

import pytest

from benchmarks.page import loops
from cursivetransformer.bank.file import load_bank
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


# Keep what the page holds already, but with changed words, as another version may have.
CHANGE_KEPT = """changed => new Promise(done => {
  const opening = indexedDB.open("cursivetransformer");
  opening.onsuccess = () => {
    const transaction = opening.result.transaction("entries", "readwrite");
    const objects = transaction.objectStore("entries"), [first, ...others] = store.entries.values();
    objects.put({ ...first, metadata: { ...first.metadata, more: JSON.parse(changed) } });
    objects.put({ id: "damaged" });
    transaction.oncomplete = () => { opening.result.close(); done(); };
  };
})"""


def test_words_that_another_version_kept_do_not_stop_an_export(recorder, tmp_path):
    for _ in range(2):
        recorder.dispatch([loops()])
        recorder.press("Enter")
    ink = [entry["points"] for entry in exported(recorder, tmp_path / "out.json")[0]]
    recorder.page.evaluate(CHANGE_KEPT, nested(1_000))
    recorder.reload()
    assert "1 word that this browser keeps is damaged" in recorder.note
    entries, words = exported(recorder, tmp_path / "out.json")
    assert [entry["points"] for entry in entries] == ink and len(words) == 2


def test_a_word_that_cannot_be_kept_holds_no_other_back(recorder, tmp_path):
    """A function cannot be kept; a full store refuses any word for a time."""
    recorder.dispatch([loops()])
    recorder.press("Enter")
    recorder.settled().page.evaluate("""() => {
      const { put } = IDBObjectStore.prototype;
      globalThis.full = true;
      IDBObjectStore.prototype.put = function (...what) {
        if (full) throw new DOMException("no room", "QuotaExceededError");
        return put.apply(this, what);
      };
      const [word] = store.entries.values();
      store.put([{ ...word, id: "hostile", hostile() {} }]);
    }""")
    for _ in range(2):
        recorder.dispatch([loops()])
        recorder.press("Enter")
    recorder.settled()
    assert "3 words not kept" in recorder.page.inner_text("#saved")
    recorder.page.evaluate("() => { full = false; }")
    recorder.page.wait_for_function("() => store.unkept.size === 1", timeout=10_000)
    assert len(exported(recorder, tmp_path / "out.json")[1]) == 4
    texts = recorder.texts
    recorder.settled().reload()
    assert len(recorder.texts) == 3 and set(recorder.texts) <= set(texts)


def test_a_database_of_a_later_version_is_told_and_words_go_out(new_recorder, recorder, tmp_path):
    recorder.dispatch([loops()])
    recorder.press("Enter")
    recorder.settled().page.evaluate("""() => new Promise((done, fail) => {
      const opening = indexedDB.open(DATABASE, DATABASE_VERSION + 1);
      opening.onblocked = fail;
      opening.onsuccess = () => { opening.result.close(); done(); };
    })""")
    assert "newer version" in recorder.page.inner_text("#trouble")
    again = new_recorder(context=recorder.page.context)
    again.dispatch([loops()])
    again.press("Enter")
    for page, told in ((recorder, "newer version"), (again, "later version")):
        assert told in page.page.inner_text("#trouble")
        assert len(exported(page, tmp_path / "out.json")[1]) == 1


def test_the_browser_runs_nothing_that_is_put_into_the_page(recorder):
    ran, refused = recorder.page.evaluate("""async () => {
      const refused = new Set();
      addEventListener("securitypolicyviolation", event => refused.add(event.effectiveDirective));
      const script = document.createElement("script"), form = document.createElement("form");
      script.textContent = "globalThis.ran = true";
      form.action = "https://example.org/";
      const base = Object.assign(document.createElement("base"), { href: form.action });
      document.body.append(script, form);
      document.head.append(base);
      form.submit();
      const more = document.createElement("div");
      more.innerHTML = '<p style="color: red" onclick="globalThis.ran = true"></p>';
      document.body.append(more);
      more.firstElementChild.click();
      await new Promise(done => setTimeout(done, 100));
      return [globalThis.ran === true, [...refused].sort()];
    }""")
    assert not ran
    assert refused == [
        "base-uri",
        "form-action",
        "script-src-attr",
        "script-src-elem",
        "style-src-attr",
    ]
    assert len(recorder.errors) >= 5 and recorder.requests == [recorder.url]
    recorder.errors.clear()
