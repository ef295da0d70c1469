"""The name that the recording page keeps with each word."""

from benchmarks.page import loops
from tests.collect.common import STARTER, exported


def add(recorder, n=1):
    for _ in range(n):
        recorder.dispatch([loops()])
        recorder.press("Enter")


def authors(recorder):
    return recorder.page.evaluate("alive().sort(byAge).map(entry => entry.author)")


def test_a_name_is_asked_for_once_and_nothing_waits_for_it(new_recorder, recorder):
    page, ask = recorder.page, recorder.page.locator("#ask")
    assert ask.is_visible() and "Write the word" in recorder.note
    assert page.evaluate("document.activeElement.id") == "ink", "the paper has the keyboard"
    add(recorder)
    assert authors(recorder) == ["unknown"]
    page.click("#ask-skip")
    add(recorder)
    assert not ask.is_visible() and len(recorder.texts) == 2
    recorder.settled().reload()
    assert not ask.is_visible()

    named = new_recorder()
    named.page.fill("#ask-name", " Mia ")
    named.press("Enter")
    assert not named.page.locator("#ask").is_visible() and "Mia" in named.note
    add(named)
    named.settled().reload()
    add(named)
    assert authors(named) == ["Mia", "Mia"]
    assert named.page.input_value("[data-setting=author]") == "Mia"
    assert not named.page.locator("#rename").is_visible()

    ignored = new_recorder()
    add(ignored)
    ignored.settled().reload()
    assert not ignored.page.locator("#ask").is_visible(), "not again where there are words"


def test_a_name_set_in_the_middle_can_be_given_to_all_words(recorder, tmp_path):
    page = recorder.page
    add(recorder, 2)
    page.fill("#ask-name", "Mia")
    recorder.press("Enter")
    assert "2 words are under no name" in recorder.note and "another person" in recorder.note
    add(recorder)
    recorder.view("settings")
    assert "2 words are under no name" in page.inner_text("#rename")
    page.click("#rename button")
    assert authors(recorder) == ["Mia"] * 3 and not page.locator("#rename").is_visible()
    recorder.view("write")
    assert "3 words of" in page.inner_text("#count")
    page.click("#note button")
    assert authors(recorder) == ["unknown", "unknown", "Mia"]
    recorder.set("author", "Ann")
    assert "no name" in recorder.note and "Mia" in recorder.note
    page.click("#note button")
    recorder.settled().reload()
    raw, words = exported(recorder, tmp_path / "bank.json")
    assert {word.author for word in words} == {"Ann"} and len(words) == 3
    assert {entry["metadata"]["author"] for entry in raw} == {"Ann"}


def test_two_hands_stay_two_where_nobody_renames_them(recorder, tmp_path):
    recorder.import_files(STARTER)
    before = authors(recorder)
    recorder.set("author", "Mia")
    assert "2,500 words" in recorder.note and "10 more" in recorder.note
    add(recorder)
    assert authors(recorder) == [*before, "Mia"]
    recorder.view("settings")
    recorder.page.click("#rename button")
    assert set(authors(recorder)) == {"Mia"}
    recorder.page.click("#note button")
    assert authors(recorder) == [*before, "Mia"]
    recorder.set("author", "")
    assert "without a name" in recorder.note
    assert not recorder.page.locator("#note button").is_visible()
    assert authors(recorder) == [*before, "Mia"]


def test_words_in_the_bin_are_renamed_too(recorder):
    add(recorder, 2)
    recorder.view("words")
    recorder.page.locator("#cards button").first.focus()
    recorder.press("Delete")
    recorder.set("author", "Mia")
    recorder.page.click("#note button")
    assert recorder.page.evaluate("[...store.entries.values()].map(entry => entry.author)") == [
        "Mia",
        "Mia",
    ]


def test_a_rename_holds_in_other_tabs(new_recorder, recorder):
    add(recorder)
    other = new_recorder(context=recorder.page.context)
    recorder.set("author", "Mia")
    recorder.page.click("#note button")
    other.page.wait_for_function("() => settings.author === 'Mia'")
    other.page.wait_for_function("() => alive().every(entry => entry.author === 'Mia')")
    add(other)
    assert authors(other) == ["Mia", "Mia"]
