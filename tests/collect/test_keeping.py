"""Nothing is lost on the recording page: python -m pytest tests/collect/test_keeping.py"""

import subprocess

import pytest

from benchmarks.page import Recorder, loops
from cursivetransformer.bank.file import load_bank
from tests.collect.common import exported, same_strokes


def test_a_reload_in_the_middle_brings_everything_back(recorder):
    recorder.set("author", "Ada")
    text = recorder.prompt
    strokes = [recorder.draw(loops(20, left, left + 0.1)) for left in (0.1, 0.3, 0.5)]
    recorder.press("Control+z")
    pixels = recorder.pixels(loops(20, 0.7, 0.8))
    recorder.page.mouse.move(*pixels[0])
    recorder.page.mouse.down()
    for x, y in pixels[1:]:
        recorder.page.mouse.move(x, y)
    recorder.reload()  # with the pen on the paper, and without waiting
    assert recorder.prompt == text
    same_strokes(recorder.strokes, [*strokes[:2], recorder.fractions(pixels)])
    assert "3 strokes came back" in recorder.note
    recorder.page.mouse.up()
    recorder.press("Control+z", "Control+z", "Control+y")
    same_strokes(recorder.strokes, strokes[:2])
    recorder.press("Enter")
    recorder.reload()
    assert (
        recorder.texts == [text]
        and recorder.page.evaluate("alive()[0].author") == "Ada"
        and recorder.strokes == []
    )


def test_a_closed_tab_comes_back_in_the_next_one(new_recorder, recorder):
    text, ink = recorder.prompt, recorder.draw(loops())
    context = recorder.page.context
    recorder.page.close()
    again = new_recorder(context=context)
    assert again.prompt == text
    same_strokes(again.strokes, [ink])


def test_a_killed_browser_comes_back(chromium, tmp_path):
    kind, options = chromium
    start = lambda: kind.launch_persistent_context(
        tmp_path / "profile", viewport=dict(width=1280, height=720), **options
    )
    context = start()
    recorder = Recorder(context.pages[0]).open()
    recorder.draw(loops())
    recorder.press("Enter")
    added = recorder.texts
    strokes = [recorder.draw(loops(20, left, left + 0.1)) for left in (0.1, 0.3)]
    pixels = recorder.pixels(loops(40, 0.5, 0.9))
    recorder.page.mouse.move(*pixels[0])
    recorder.page.mouse.down()
    for x, y in pixels[1:]:
        recorder.page.mouse.move(x, y)
        recorder.page.wait_for_timeout(25)
    recorder.settled()  # a stroke that goes on is kept twice a second
    subprocess.run(["pkill", "-KILL", "-f", str(tmp_path / "profile")], check=True)
    with pytest.raises(Exception, match="closed"):
        recorder.page.wait_for_timeout(5000)
        recorder.page.title()
    for lock in (tmp_path / "profile").glob("Singleton*"):
        lock.unlink()
    context = start()
    recorder = Recorder(context.pages[0]).open()
    assert recorder.texts == added
    assert len(recorder.strokes) == 3
    same_strokes(recorder.strokes[:2], strokes)
    assert 10 < len(recorder.strokes[2]) <= 40
    same_strokes([recorder.strokes[2]], [recorder.fractions(pixels)[: len(recorder.strokes[2])]])
    context.close()


def test_two_tabs_do_not_overwrite_each_other(new_recorder, recorder):
    one = recorder
    ink_one = one.draw(loops())
    two = new_recorder(context=one.page.context)
    assert two.strokes == [], "the ink of a living tab stays there"
    two.page.bring_to_front()
    ink_two = two.draw(loops(30, 0.5, 0.9))
    # Another way to a second tab: the browser copies the session storage, with the name of the
    # first tab's draft.
    with one.page.expect_popup() as popup:
        one.page.evaluate("window.open(location.href)")
    three = Recorder(popup.value).ready()
    assert three.page.evaluate("sessionStorage.getItem('draft')") != one.page.evaluate(
        "sessionStorage.getItem('draft')"
    )
    ink_three = three.draw(loops(10, 0.1, 0.2))
    for tab in (one, two, three):
        tab.settled().reload()
    for tab, ink in ((one, ink_one), (two, ink_two), (three, ink_three)):
        same_strokes(tab.strokes, [ink])
    for n, tab in enumerate((one, two, three), 1):
        tab.page.bring_to_front()
        tab.press("Enter")
        tab.settled()
        for other in (one, two, three):
            other.page.wait_for_timeout(100)
            assert len(other.texts) == n, "each tab knows the others' words"
    assert [tab.errors for tab in (one, two, three)] == [[], [], []]


FILLS_UP = """
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...what) {
    if (globalThis.full) throw new DOMException("no room", "QuotaExceededError");
    return put.apply(this, what);
  };
"""


def test_storage_that_is_full_is_told_and_nothing_is_lost(new_recorder, tmp_path):
    recorder = new_recorder(script=FILLS_UP)
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    leaving = "(() => { const event = new Event('beforeunload', { cancelable: true }); dispatchEvent(event); return event.defaultPrevented; })()"
    assert not recorder.page.evaluate(leaving), "nobody is asked whether to leave while all is kept"
    recorder.page.evaluate("() => { full = true; }")
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    assert "storage is full" in recorder.page.inner_text(
        "#trouble"
    ) and "1 word not kept" in recorder.page.inner_text("#saved")
    assert recorder.page.evaluate(leaving)
    recorder.draw(loops())
    recorder.press("Enter")
    with recorder.page.expect_download() as download:
        recorder.page.click("#trouble button")
    download.value.save_as(tmp_path / "bank.json.zip")
    assert [
        word.text for word in load_bank(tmp_path / "bank.json.zip", strict=True)
    ] == recorder.texts and len(recorder.texts) == 3
    recorder.page.evaluate("() => { full = false; }")
    recorder.page.wait_for_selector("#trouble", state="hidden", timeout=20_000)
    texts = recorder.texts
    recorder.settled().reload()
    assert recorder.texts == texts, "kept as soon as there was room"


@pytest.mark.parametrize(
    "script",
    [
        "indexedDB.open = () => { throw new DOMException('it is not allowed', 'SecurityError'); }",
        "Object.defineProperty(window, 'indexedDB', { value: undefined })",
        "IDBFactory.prototype.open = () => { const asked = {}; setTimeout(() => { asked.error = new DOMException('private', 'InvalidStateError'); asked.onerror(); }); return asked; }",
    ],
)
def test_storage_that_is_forbidden_is_told(new_recorder, tmp_path, script):
    recorder = new_recorder(
        script=f"Object.defineProperty(navigator, 'locks', {{ value: undefined }}); {script}"
    )
    assert "keep nothing" in recorder.page.inner_text(
        "#trouble"
    ) and "Nothing is kept" in recorder.page.inner_text("#saved")
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.draw(loops())
    recorder.press("Enter")
    assert len(exported(recorder, tmp_path / "bank.json")[1]) == 2
    assert "not kept" in recorder.page.inner_text("#saved")


LOSES_ITS_DATABASE = """
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...what) {
    if (globalThis.gone) throw new DOMException("Internal error opening backing store", "UnknownError");
    const asked = open.apply(this, what);
    asked.addEventListener("success", () => { globalThis.database = asked.result; });
    return asked;
  };
"""


def test_a_database_that_the_browser_closed_is_opened_again(new_recorder):
    """As Chromium does where the disk is full."""
    recorder = new_recorder(script=LOSES_ITS_DATABASE)
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    recorder.page.evaluate(
        "() => { gone = true; database.close(); database.dispatchEvent(new Event('close')); }"
    )
    recorder.draw(loops())
    recorder.press("Enter")
    ink = recorder.draw(loops(20))
    assert "could not keep" in recorder.page.inner_text(
        "#trouble"
    ) and "1 word not kept" in recorder.page.inner_text("#saved")
    recorder.page.evaluate("() => { gone = false; }")
    recorder.page.wait_for_selector("#trouble", state="hidden", timeout=20_000)
    texts = recorder.texts
    recorder.settled().reload()
    assert recorder.texts == texts and len(texts) == 2
    same_strokes(recorder.strokes, [ink])


def test_without_locks_ink_comes_back_too(new_recorder, recorder):
    """As where the page is served over plain HTTP to a phone."""
    plain = new_recorder(
        script="Object.defineProperty(navigator, 'locks', { value: undefined }); crypto.randomUUID = undefined"
    )
    ink = plain.draw(loops())
    context = plain.page.context
    plain.page.close()
    same_strokes(new_recorder(context=context).strokes, [ink])
