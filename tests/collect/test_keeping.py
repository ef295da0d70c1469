"""Nothing written on the recording page is lost."""

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
    assert recorder.texts == [text] and recorder.strokes == []
    assert recorder.page.evaluate("alive()[0].author") == "Ada"


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
    recorder.settled()  # the page saves an unfinished stroke twice a second
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
    first = recorder
    first_ink = first.draw(loops())
    second = new_recorder(context=first.page.context)
    assert second.strokes == [], "the ink of an open tab stays in that tab"
    second.page.bring_to_front()
    second_ink = second.draw(loops(30, 0.5, 0.9))
    # Open a third tab by script: the browser then copies the session storage, and in it the name
    # of the first tab's draft.
    with first.page.expect_popup() as popup:
        first.page.evaluate("window.open(location.href)")
    third = Recorder(popup.value).ready()
    draft = "sessionStorage.getItem('draft')"
    assert third.page.evaluate(draft) != first.page.evaluate(draft)
    third_ink = third.draw(loops(10, 0.1, 0.2))
    tabs = (first, second, third)
    for tab in tabs:
        tab.settled().reload()
    for tab, ink in zip(tabs, (first_ink, second_ink, third_ink)):
        same_strokes(tab.strokes, [ink])
    for n, tab in enumerate(tabs, 1):
        tab.page.bring_to_front()
        tab.press("Enter")
        tab.settled()
        for other_tab in tabs:
            other_tab.page.wait_for_timeout(100)
            assert len(other_tab.texts) == n, "each tab shows the words of all tabs"
    assert [tab.errors for tab in tabs] == [[], [], []]


@pytest.mark.parametrize("order", ["coverage", "list", "random"])
def test_two_tabs_offer_no_prompt_twice(new_recorder, recorder, order):
    recorder.set("order", order)
    recorder.settled()
    tabs = [recorder, *(new_recorder(context=recorder.page.context) for _ in range(2))]
    shown = lambda: [tab.prompt for tab in tabs]
    assert len(set(shown())) == 3
    offered = shown()
    for n in range(9):
        tab = tabs[n % 3]
        tab.page.bring_to_front()
        tab.dispatch([loops()])
        tab.press("Enter")
        tab.settled().page.wait_for_timeout(50)
        assert len(set(shown())) == 3
        offered.append(tab.prompt)
    assert len(set(offered)) == 12
    free = tabs[2].prompt
    tabs[2].page.close()
    recorder.page.wait_for_timeout(50)
    assert free not in recorder.page.evaluate("[...tabs.taken]"), "a closed tab holds none back"


def test_of_two_tabs_with_one_prompt_the_one_with_ink_keeps_it(new_recorder, recorder):
    second = new_recorder(context=recorder.page.context)
    shared = second.prompt
    second.draw(loops())
    recorder.page.evaluate("text => { writing.draft.text = text; writing.show(); }", shared)
    recorder.page.wait_for_function("text => writing.draft.text !== text", arg=shared)
    assert second.prompt == shared


def test_without_messages_between_tabs_each_works(new_recorder):
    script = "BroadcastChannel = undefined"
    first = new_recorder(script=script)
    second = new_recorder(context=first.page.context)
    for tab in (first, second):
        tab.dispatch([loops()])
        tab.press("Enter")
    second.settled().reload()
    assert len(second.texts) == 2


# Storage that refuses to write while `full` is set.
FULL_STORAGE = """
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...what) {
    if (globalThis.full) throw new DOMException("no room", "QuotaExceededError");
    return put.apply(this, what);
  };
"""


def test_storage_that_is_full_is_told_and_nothing_is_lost(new_recorder, tmp_path):
    recorder = new_recorder(script=FULL_STORAGE)
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    asks_before_leaving = """(() => {
      const event = new Event("beforeunload", { cancelable: true });
      dispatchEvent(event);
      return event.defaultPrevented;
    })()"""
    assert not recorder.page.evaluate(asks_before_leaving), "no question while all is kept"
    recorder.page.evaluate("() => { full = true; }")
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    assert "storage is full" in recorder.page.inner_text("#trouble")
    assert "1 word not kept" in recorder.page.inner_text("#saved")
    assert recorder.page.evaluate(asks_before_leaving)
    recorder.draw(loops())
    recorder.press("Enter")
    with recorder.page.expect_download() as download:
        recorder.page.click("#trouble button")
    download.value.save_as(tmp_path / "bank.json.zip")
    saved = load_bank(tmp_path / "bank.json.zip", strict=True)
    assert [word.text for word in saved] == recorder.texts and len(recorder.texts) == 3
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
        """IDBFactory.prototype.open = () => {
          const request = {};
          setTimeout(() => {
            request.error = new DOMException("private", "InvalidStateError");
            request.onerror();
          });
          return request;
        }""",
    ],
)
def test_storage_that_is_forbidden_is_told(new_recorder, tmp_path, script):
    recorder = new_recorder(
        script=f"Object.defineProperty(navigator, 'locks', {{ value: undefined }}); {script}"
    )
    assert "keep nothing" in recorder.page.inner_text("#trouble")
    assert "Nothing is kept" in recorder.page.inner_text("#saved")
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.draw(loops())
    recorder.press("Enter")
    assert len(exported(recorder, tmp_path / "bank.json")[1]) == 2
    assert "not kept" in recorder.page.inner_text("#saved")


# Storage that fails to open while `gone` is set.
LOST_DATABASE = """
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...what) {
    if (globalThis.gone) {
      throw new DOMException("Internal error opening backing store", "UnknownError");
    }
    const request = open.apply(this, what);
    request.addEventListener("success", () => { globalThis.database = request.result; });
    return request;
  };
"""


def test_a_database_that_the_browser_closed_is_opened_again(new_recorder):
    """Chromium closes the database when the disk is full."""
    recorder = new_recorder(script=LOST_DATABASE)
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    recorder.page.evaluate(
        "() => { gone = true; database.close(); database.dispatchEvent(new Event('close')); }"
    )
    recorder.draw(loops())
    recorder.press("Enter")
    ink = recorder.draw(loops(20))
    assert "could not keep" in recorder.page.inner_text("#trouble")
    assert "1 word not kept" in recorder.page.inner_text("#saved")
    recorder.page.evaluate("() => { gone = false; }")
    recorder.page.wait_for_selector("#trouble", state="hidden", timeout=20_000)
    texts = recorder.texts
    recorder.settled().reload()
    assert recorder.texts == texts and len(texts) == 2
    same_strokes(recorder.strokes, [ink])


def test_without_locks_ink_comes_back_too(new_recorder, recorder):
    """A page served over plain HTTP to a phone has neither locks nor `randomUUID`."""
    plain = new_recorder(
        script="Object.defineProperty(navigator, 'locks', { value: undefined });"
        " crypto.randomUUID = undefined"
    )
    ink = plain.draw(loops())
    context = plain.page.context
    plain.page.close()
    same_strokes(new_recorder(context=context).strokes, [ink])
