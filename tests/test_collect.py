"""The recording page in a real Chromium: python -m pytest tests/test_collect.py (needs `pip install playwright` and Chromium)."""

import json
import re
import signal
import subprocess
import sys
import threading
import zipfile
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorder import PAGE, Recorder, browser_type, find_chromium, loops, write_and_scroll
from cursivetransformer.bank import iterate_entries, load_bank, parse_entries, read_entries, write_entries
from cursivetransformer.bank_entry import word_to_entry
from cursivetransformer.strokes import split_strokes
from cursivetransformer.wordbank import PROMPTS, coverage, read_lines

ROOT = Path(__file__).parent.parent
ROUNDING = 0.6e-5  # coordinates have five decimals
DOT = np.array([[0.3, 0.35]])


# --- the page as text, which needs no browser

class Texts(HTMLParser):
    """The texts of a page that stand outside of scripts and styles."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], None

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        self.found += [value for name, value in attributes if name in ("title", "placeholder", "alt", "aria-label")]

    def handle_data(self, text):
        if self.inside not in ("script", "style", "title"):
            self.found.append(text.strip())


def test_all_that_a_person_reads_stands_in_one_place():
    page = PAGE.read_text(encoding="utf-8")
    texts = Texts()
    texts.feed(page)
    assert all(len(text) < 2 or text.isdigit() for text in texts.found), "only names of keys, arrows and numbers stand elsewhere"
    table = re.search(r"const TEXT = \{(.*?)\n\};", page, re.DOTALL)[1]
    keys = set(re.findall(r"(?:^|[{,] )\s*(\w+): (?:\"|\{|\[)", table, re.MULTILINE)) - {"one", "other"}
    rest = page.replace(table, "")
    faults = {f"fault_{key}" for key in re.findall(r'new Fault\("(\w+)"', rest)}
    asked = set(re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', rest)) | faults
    assert asked <= keys
    assert {key for key in keys if key not in faults and not re.search(rf'["`.]{key}["`,\]]|TEXT\.{key}\b', rest)} == set(), "no text is left over"


def test_the_page_stands_alone():
    page = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:)|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|await import\(|@import|url\(""", page)
    assert "default-src 'none'" in page


# --- in the browser

@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright", reason="needs `pip install playwright`")
    if not find_chromium():
        pytest.skip("needs Chromium: apt install chromium, or CHROMIUM=path")
    with browser_type() as (kind, options):
        yield kind, options


@pytest.fixture(scope="module")
def browser(chromium):
    kind, options = chromium
    browser = kind.launch(**options)
    yield browser
    browser.close()


@pytest.fixture
def new_recorder(browser):
    """A function that opens the page, in a browser profile of its own; what the page says of errors fails the test."""
    recorders, contexts = [], []

    def new(url=PAGE.as_uri(), script=None, context=None, **shape):
        if context is None:
            context = browser.new_context(**shape)
            contexts.append(context)
        if script:
            context.add_init_script(script)
        recorders.append(Recorder(context.new_page(), url).open())
        return recorders[-1]

    yield new
    assert [error for recorder in recorders for error in recorder.errors] == []
    for context in contexts:
        context.close()


@pytest.fixture
def recorder(new_recorder):
    return new_recorder(viewport=dict(width=1280, height=720))


@pytest.fixture(scope="module")
def server():
    """The address of the page where it is served; also counts what is asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=PAGE.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/{PAGE.name}", asked
    server.shutdown()


def same_strokes(found, expected, rounding=ROUNDING):
    assert len(found) == len(expected)
    for one, two in zip(found, expected):
        assert np.shape(one) == np.shape(two)
        assert np.abs(np.array(one) - two).max() <= rounding


def exported(recorder, path, kind="json"):
    """The page's bank after an export, as raw entries and as words."""
    recorder.export(path, kind)
    return read_entries(path), load_bank(path, strict=True)


def without_repetition(points):
    """The strokes of a raw entry, (n, 2) arrays; the repeated end of each is checked and left out."""
    strokes, stroke = [], []
    for x, y, pen, *_ in points:
        if pen:
            stroke.append((x, y))
        else:
            assert stroke[-1] == (x, y)
            strokes.append(np.array(stroke))
            stroke = []
    assert not stroke
    return strokes


@pytest.mark.parametrize("scale", [1, 2])
def test_the_points_that_come_out_are_those_that_went_in(new_recorder, tmp_path, scale):
    recorder = new_recorder(viewport=dict(width=1280, height=720), device_scale_factor=scale)
    text = recorder.prompt
    went_in = [recorder.draw(loops()), recorder.draw(DOT), recorder.draw(loops(20, 0.5, 0.6))]
    same_strokes(recorder.strokes, went_in)
    recorder.press("Enter")
    [raw], [word] = exported(recorder, tmp_path / "bank.json")
    same_strokes(without_repetition(raw["points"]), went_in)
    metadata = raw["metadata"]
    assert metadata["asciiSequence"] == word.text == text and metadata["author"] == "unknown"
    assert metadata["pointCount"] == len(raw["points"]) == 60 + 1 + 20 + 3 and metadata["strokeCount"] == 3
    width, height = recorder.box[2:]
    assert metadata["aspectRatio"] == pytest.approx(width / height, rel=1e-3)
    times = [point[3] for point in raw["points"]]
    assert times[0] == 0 and times == sorted(times) and 0 < times[-1] < 60_000
    # As the trainer has them: canvas heights, from the left edge of the ink on the baseline.
    same_strokes([stroke[:, :2] for stroke in split_strokes(word.points)],
                 [(stroke - (min(s[:, 0].min() for s in went_in), 2 / 3)) * (metadata["aspectRatio"], 1) for stroke in went_in], 1e-4)
    pixels = recorder.page.evaluate("[document.getElementById('ink').width, document.getElementById('ink').clientWidth]")
    assert pixels[0] == pytest.approx(scale * pixels[1], abs=1), "sharp: a pixel for each of the screen's"


def test_a_pen_gives_every_point_with_pressure_and_time(recorder, tmp_path):
    stroke = loops(200)
    recorder.dispatch([stroke, DOT], "pen", pressure=0.7312)
    recorder.press("Enter")
    [raw], _ = exported(recorder, tmp_path / "bank.json")
    same_strokes(without_repetition(raw["points"]), [stroke, DOT])
    assert {len(point) for point in raw["points"]} == {5} and {point[4] for point in raw["points"]} == {0.731}
    assert raw["metadata"]["device"] == "pen"


def test_real_touches_write(new_recorder):
    recorder = new_recorder(viewport=dict(width=740, height=360), has_touch=True, is_mobile=True, device_scale_factor=2)
    session = recorder.page.context.new_cdp_session(recorder.page)
    touch = lambda kind, points: session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in points]})
    pixels = recorder.pixels(loops(25)).tolist()
    touch("touchStart", [(0, pixels[0])])
    for at, (x, y) in enumerate(pixels[1:], 1):
        if at == 10:  # a second finger comes, and moves too
            touch("touchStart", [(0, pixels[9]), (1, (300, 200))])
        touch("touchMove", [(0, (x, y)), (1, (300 + at, 200))] if at >= 10 else [(0, (x, y))])
    touch("touchEnd", [])
    [stroke] = recorder.strokes
    assert np.abs(stroke[0] - recorder.fractions(pixels[0])).max() < 1e-3 and np.abs(stroke[-1] - recorder.fractions(pixels[-1])).max() < 1e-3
    assert len(stroke) >= 20, "the browser may join touches that come within a frame"
    assert np.abs(np.diff(stroke, axis=0)).max() < 0.3, "the second finger left no ink"
    assert recorder.page.evaluate("scrollY || document.getElementById('write').scrollTop") == 0


def test_the_pen_may_leave_the_paper_and_come_back(recorder):
    path = np.array([[0.5, 0.5], [0.5, 0.9], [0.52, 1.3], [0.55, 1.2], [0.56, 0.6]])
    same_strokes(recorder.strokes, [])
    went_in = recorder.draw(path)
    assert went_in[2, 1] > 1.2
    same_strokes(recorder.strokes, [went_in])


def test_a_palm_and_a_second_finger_leave_no_ink(recorder):
    finger, palm = loops(30), loops(10, 0.6, 0.8)
    page = recorder.page
    page.evaluate("""() => {
      const at = (type, id, name, x) => document.getElementById("ink").dispatchEvent(new PointerEvent(name, { pointerId: id, pointerType: type, bubbles: true, button: 0, buttons: 1, clientX: x, clientY: 300 }));
      globalThis.at = at;
      at("touch", 5, "pointerdown", 300); at("touch", 5, "pointermove", 310);
      at("touch", 6, "pointerdown", 600); at("touch", 6, "pointermove", 640); at("touch", 6, "pointerup", 640);
      at("touch", 5, "pointermove", 320); at("touch", 5, "pointerup", 330);
    }""")
    assert [len(stroke) for stroke in recorder.strokes] == [4], "the second finger is not there"
    page.evaluate("""() => { at("touch", 5, "pointerdown", 700); at("touch", 5, "pointermove", 720); at("pen", 9, "pointerdown", 400); at("pen", 9, "pointermove", 410);
      at("touch", 5, "pointermove", 730); at("pen", 9, "pointerup", 420); at("touch", 5, "pointerup", 730); }""")
    assert [len(stroke) for stroke in recorder.strokes] == [4, 3], "the palm's stroke went when the pen came"
    assert "pen" in recorder.note
    recorder.dispatch([palm], "touch", 7)
    assert len(recorder.strokes) == 2, "where a pen is, fingers rest"
    recorder.set("fingers", "always")
    recorder.dispatch([finger], "touch", 7)
    assert len(recorder.strokes) == 3


@pytest.mark.parametrize("mode", ["hold", "toggle"])
def test_on_a_trackpad_the_space_bar_is_the_pen(recorder, mode):
    recorder.set("pen", mode)
    page, pixels = recorder.page, recorder.pixels(loops(30))
    page.mouse.move(*pixels[0] - 9)
    page.mouse.move(*pixels[0])
    page.keyboard.down("Space")
    if mode == "toggle":
        page.keyboard.up("Space")
    assert page.evaluate("document.getElementById('paper').classList.contains('lowered')")
    page.keyboard.down("Space") if mode == "hold" else None  # a key that is held repeats
    for x, y in pixels[1:]:
        page.mouse.move(x, y)
    page.keyboard.up("Space") if mode == "hold" else page.keyboard.press("Space")
    page.mouse.move(*pixels[0])
    same_strokes(recorder.strokes, [recorder.fractions(pixels)])
    page.mouse.move(*recorder.pixels([0.3, 0.4]))
    page.keyboard.press("Space") if mode == "hold" else recorder.press("Space", "Space")
    assert [len(stroke) for stroke in recorder.strokes] == [30, 1], "a tap makes a dot"
    recorder.press("Enter")
    assert len(recorder.texts) == 1
    recorder.view("settings")
    page.click("[data-setting=author]")
    page.keyboard.type("Ada Lovelace")
    assert page.input_value("[data-setting=author]") == "Ada Lovelace", "elsewhere the space bar types"


def test_resizing_and_zooming_change_no_ink(recorder, tmp_path):
    went_in = [recorder.draw(loops())]
    ratio = np.divide(*recorder.box[2:])
    recorder.page.set_viewport_size(dict(width=900, height=500))
    recorder.page.wait_for_timeout(100)
    assert np.divide(*recorder.box[2:]) == pytest.approx(ratio, rel=0.01) and recorder.box[2] < 900
    went_in.append(recorder.draw(loops(20, 0.6, 0.9)))
    same_strokes(recorder.strokes, went_in)
    recorder.press("Enter")
    [raw], _ = exported(recorder, tmp_path / "bank.json")
    assert raw["metadata"]["aspectRatio"] == pytest.approx(ratio, rel=1e-3)
    assert np.divide(*recorder.box[2:]) < ratio, "an empty paper takes the shape that fits"


def test_undo_redo_and_clear_go_stroke_by_stroke(recorder):
    strokes = [recorder.draw(loops(20, left, left + 0.1)) for left in (0.1, 0.3, 0.5)]
    steps = [("Control+z", 2), ("Backspace", 1), ("Control+y", 2), ("Control+Shift+z", 3), ("Delete", 0), ("Control+z", 3), ("Control+z", 2)]
    for key, n in steps:
        recorder.press(key)
        same_strokes(recorder.strokes, strokes[:n])
    more = recorder.draw(loops(20, 0.7, 0.8))
    same_strokes(recorder.strokes, [*strokes[:2], more])
    recorder.press("Control+y")
    same_strokes(recorder.strokes, [*strokes[:2], more])
    recorder.page.click("#undo")
    recorder.page.click("#clear")
    same_strokes(recorder.strokes, [])
    recorder.press("Enter")
    assert recorder.texts == [] and "no ink" in recorder.note


def test_the_word_that_was_added_too_soon_comes_back(recorder):
    text = recorder.prompt
    first = recorder.draw(loops())
    recorder.press("Enter")
    following = recorder.prompt
    assert following != text and recorder.texts == [text]
    begun = recorder.draw(loops(10, 0.6, 0.7))
    recorder.press("Control+z", "Control+z")
    assert recorder.prompt == text
    same_strokes(recorder.strokes, [first])
    dot = recorder.draw(DOT)
    recorder.press("Enter")
    assert recorder.texts == [text] and recorder.prompt == following
    assert recorder.page.evaluate("alive().map(entry => strokesOf(entry).length)") == [2]
    recorder.press("Control+y")
    same_strokes(recorder.strokes, [begun])
    recorder.press("Control+z", "Control+z")
    same_strokes(recorder.strokes, [first, dot])
    recorder.page.click("#keep")
    assert recorder.prompt == following and recorder.texts == [text]


def test_prompts_come_in_order_from_any_number_and_several_at_a_time(recorder):
    prompts = read_lines(PROMPTS)
    recorder.set("order", "list")
    recorder.set("index", 2499)
    recorder.set("atOnce", 2)
    assert recorder.prompt == " ".join(prompts[2498:2500])
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.prompt == " ".join(prompts[:2]) and "end of the list" in recorder.note
    recorder.press("s")
    assert recorder.prompt == " ".join(prompts[2:4])
    recorder.set("atOnce", 1)
    put_off = recorder.prompt
    recorder.press("l")
    seen = []
    for _ in range(12):
        seen.append(recorder.prompt)
        recorder.dispatch([loops()])
        recorder.press("Enter")
    assert seen.index(put_off) == 9, "what was put off comes again after ten prompts"
    recorder.set("order", "random")
    shuffled = [recorder.prompt]
    for _ in range(20):
        recorder.press("s")
        shuffled.append(recorder.prompt)
    assert len(set(shuffled)) == 21 and not set(shuffled) <= set(prompts[:60])
    recorder.settled().reload()
    assert recorder.prompt == shuffled[-1]
    assert recorder.page.evaluate("settings.index") == 5 + 12 - 1 + 20


def test_what_was_skipped_can_be_had_back_with_its_ink(recorder):
    text, ink = recorder.prompt, recorder.draw(loops())
    recorder.press("s")
    following = recorder.prompt
    assert text in recorder.note and recorder.strokes == []
    begun = recorder.draw(loops(10))
    recorder.page.click("#note button")
    assert recorder.prompt == text
    same_strokes(recorder.strokes, [ink])
    recorder.press("Enter")
    assert recorder.texts == [text] and recorder.prompt == following
    same_strokes(recorder.strokes, [begun])


def test_coverage_asks_for_what_is_rare(recorder):
    chosen = recorder.page.evaluate("""() => {
      const counts = new Counts(), done = new Set(), chosen = [];
      for (let i = 0; i < 100; i++) { const next = writing.prompts.best(counts, done); chosen.push(next); counts.add(next); done.add(next); }
      return chosen;
    }""")
    prompts = read_lines(PROMPTS)
    assert chosen[0] == recorder.prompt and len(set(chosen)) == 100 and set(chosen) <= set(prompts)
    # Beside as many characters in the list's own order, which is random.
    written, listed = sum(map(len, chosen)), []
    for start in range(0, 2400, 200):
        end = next(end for end in range(start, 2500) if sum(map(len, prompts[start:end])) >= written)
        listed.append(coverage(prompts[start:end]))
    chars, pairs = coverage(chosen)
    fewest = lambda chars: min(chars[char] for char in "abcdefghijklmnopqrstuvwxyz")
    different = lambda chars: len(set(chars))
    print(f"{written} characters: {len(pairs)} pairs, each letter {fewest(chars)} times or more, {different(chars)} characters; in the list's order "
          f"{np.mean([len(pairs) for _, pairs in listed]):.0f}, {np.mean([fewest(chars) for chars, _ in listed]):.1f}, {np.mean([different(chars) for chars, _ in listed]):.0f}")
    assert len(pairs) > 1.1 * max(len(pairs) for _, pairs in listed)
    assert fewest(chars) > np.mean([fewest(chars) for chars, _ in listed])
    assert different(chars) >= np.mean([different(chars) for chars, _ in listed])


def test_own_lists_and_own_texts(recorder, tmp_path):
    recorder.view("settings")
    recorder.page.set_input_files("#own-file", files=[dict(name="list.txt", mimeType="text/plain", buffer="  na\u00efve \r\n\ntwo  words\nna\u00efve\n".encode())])
    recorder.page.wait_for_selector("#own-told:has-text('2 lines')")
    assert recorder.page.input_value("#own") == "na\u00efve\ntwo words"
    recorder.set("order", "list")
    assert recorder.prompt == "na\u00efve"
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.prompt == "two words"
    recorder.set("source", "free")
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.texts == ["na\u00efve"] and "Type what you wrote" in recorder.note
    recorder.page.fill("#free", "  Dear   Bob, ")
    recorder.press("Enter")
    recorder.settled().reload()
    recorder.page.fill("#free", "begun")
    recorder.settled().reload()
    assert recorder.page.input_value("#free") == "begun"
    assert [word.text for word in exported(recorder, tmp_path / "bank.json")[1]] == ["na\u00efve", "Dear Bob,"]


def test_the_table_of_letters_marks_the_thin_ones(recorder):
    recorder.set("source", "free")
    for text in ("aaa b", "ab"):
        recorder.page.fill("#free", text)
        recorder.dispatch([loops()])
        recorder.page.click("#add")
    recorder.set("enough", 4)
    recorder.view("letters")
    cells = dict(cell.split() for cell in recorder.page.locator("#counts li").all_inner_texts())
    assert cells["a"] == "4" and cells["b"] == "2" and cells["Q"] == "0"
    thin = {cell.split()[0] for cell in recorder.page.locator("#counts li.thin").all_inner_texts()}
    assert "a" not in thin and {"b", "Q", "7", "&"} <= thin
    assert recorder.page.locator("#counts li", has_text="b").first.get_attribute("aria-label") == "b: 2, few"
    assert recorder.page.inner_text("#pairs-told").startswith("2 of "), "aa and ab"


# --- nothing is lost

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
    assert recorder.texts == [text] and recorder.page.evaluate("alive()[0].author") == "Ada" and recorder.strokes == []


def test_a_closed_tab_comes_back_in_the_next_one(new_recorder, recorder):
    text, ink = recorder.prompt, recorder.draw(loops())
    context = recorder.page.context
    recorder.page.close()
    again = new_recorder(context=context)
    assert again.prompt == text
    same_strokes(again.strokes, [ink])


def test_a_killed_browser_comes_back(chromium, tmp_path):
    kind, options = chromium
    start = lambda: kind.launch_persistent_context(tmp_path / "profile", viewport=dict(width=1280, height=720), **options)
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
    same_strokes([recorder.strokes[2]], [recorder.fractions(pixels)[:len(recorder.strokes[2])]])
    context.close()


def test_two_tabs_do_not_overwrite_each_other(new_recorder, recorder):
    one = recorder
    ink_one = one.draw(loops())
    two = new_recorder(context=one.page.context)
    assert two.strokes == [], "the ink of a living tab stays there"
    two.page.bring_to_front()
    ink_two = two.draw(loops(30, 0.5, 0.9))
    # Another way to a second tab: the browser copies the session storage, with the name of the first tab's draft.
    with one.page.expect_popup() as popup:
        one.page.evaluate("window.open(location.href)")
    three = Recorder(popup.value).ready()
    assert three.page.evaluate("sessionStorage.getItem('draft')") != one.page.evaluate("sessionStorage.getItem('draft')")
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
    recorder.page.evaluate("() => { full = true; }")
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.settled()
    assert "storage is full" in recorder.page.inner_text("#trouble") and "1 word not kept" in recorder.page.inner_text("#saved")
    assert recorder.page.evaluate("(() => { const event = new Event('beforeunload', { cancelable: true }); dispatchEvent(event); return event.defaultPrevented; })()")
    recorder.draw(loops())
    recorder.press("Enter")
    with recorder.page.expect_download() as download:
        recorder.page.click("#trouble button")
    download.value.save_as(tmp_path / "bank.json.zip")
    assert [word.text for word in load_bank(tmp_path / "bank.json.zip", strict=True)] == recorder.texts and len(recorder.texts) == 3
    recorder.page.evaluate("() => { full = false; }")
    recorder.page.wait_for_selector("#trouble", state="hidden", timeout=20_000)
    texts = recorder.texts
    recorder.settled().reload()
    assert recorder.texts == texts, "kept as soon as there was room"


@pytest.mark.parametrize("script", ["indexedDB.open = () => { throw new DOMException('it is not allowed', 'SecurityError'); }",
                                    "Object.defineProperty(window, 'indexedDB', { value: undefined })",
                                    "IDBFactory.prototype.open = () => { const asked = {}; setTimeout(() => { asked.error = new DOMException('private', 'InvalidStateError'); asked.onerror(); }); return asked; }"])
def test_storage_that_is_forbidden_is_told(new_recorder, tmp_path, script):
    recorder = new_recorder(script=f"Object.defineProperty(navigator, 'locks', {{ value: undefined }}); {script}")
    assert "keep nothing" in recorder.page.inner_text("#trouble") and "Nothing is kept" in recorder.page.inner_text("#saved")
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
    recorder.page.evaluate("() => { gone = true; database.close(); database.dispatchEvent(new Event('close')); }")
    recorder.draw(loops())
    recorder.press("Enter")
    ink = recorder.draw(loops(20))
    assert "could not keep" in recorder.page.inner_text("#trouble") and "1 word not kept" in recorder.page.inner_text("#saved")
    recorder.page.evaluate("() => { gone = false; }")
    recorder.page.wait_for_selector("#trouble", state="hidden", timeout=20_000)
    texts = recorder.texts
    recorder.settled().reload()
    assert recorder.texts == texts and len(texts) == 2
    same_strokes(recorder.strokes, [ink])


def test_without_locks_ink_comes_back_too(new_recorder, recorder):
    """As where the page is served over plain HTTP to a phone."""
    plain = new_recorder(script="Object.defineProperty(navigator, 'locks', { value: undefined }); crypto.randomUUID = undefined")
    ink = plain.draw(loops())
    context = plain.page.context
    plain.page.close()
    same_strokes(new_recorder(context=context).strokes, [ink])


# --- banks in and out

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
    assert (tmp_path / "bank.json.zip").stat().st_size < 0.7 * (tmp_path / "bank.json").stat().st_size
    check = subprocess.run([sys.executable, "-m", "cursivetransformer.bank", "check", str(tmp_path / "bank.json.zip")], cwd=ROOT, capture_output=True, text=True)
    assert check.returncode == 0 and "5 words, 0 faulty" in check.stdout and "Ada L\u00f6w (5)" in check.stdout
    other = new_recorder()
    assert other.import_files(tmp_path / "bank.json.zip") == ["bank.json.zip: 5 words added, 0 there already, 0 faulty."]
    assert other.import_files(tmp_path / "bank.json", tmp_path / "bank.json.zip")[0] == "bank.json: 0 words added, 5 there already, 0 faulty."
    other.export(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "bank.json").read_bytes()


def test_banks_of_the_trainer_come_in_unchanged_and_go_out_unchanged(recorder, tmp_path):
    entries = [entry for _, entry in zip(range(150), iterate_entries(ROOT / "data" / "starter.json.zip"))]
    entries[3]["metadata"]["more"] = {"kept": [1, None]}
    entries[4]["points"] = [[x + 1e-9, y, pen, 5 * i] for i, (x, y, pen) in enumerate(entries[4]["points"])]
    entries[5]["metadata"]["baseline"] = 0.5
    write_entries(tmp_path / "in.json.zip", entries)
    assert recorder.import_files(tmp_path / "in.json.zip") == ["in.json.zip: 150 words added, 0 there already, 0 faulty."]
    assert exported(recorder, tmp_path / "out.json")[0] == entries
    recorder.settled().reload()
    assert exported(recorder, tmp_path / "out.json")[0] == entries
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:  # stored, and with what macOS adds
        archive.writestr("bank.json", json.dumps(entries[:2]))
        archive.writestr("__MACOSX/._bank.json", b"x")
    assert recorder.import_files(tmp_path / "mac.zip") == ["mac.zip: 0 words added, 2 there already, 0 faulty."]


def test_an_import_can_be_undone(recorder):
    recorder.draw(loops())
    recorder.press("Enter")
    recorder.import_files(ROOT / "data" / "starter.json.zip")
    assert len(recorder.texts) == 2501
    recorder.page.click("#note button")
    recorder.settled().reload()
    assert len(recorder.texts) == 1


def test_files_that_are_no_banks_are_told(recorder, tmp_path):
    good = (ROOT / "data" / "starter.json.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    middle = len(good) // 2
    for name, content, sentence in (("cut.json", b'[{"metadata": {', "cut.json is not a bank: it does not hold JSON"), ("object.json", b'{"a": 1}', "must be a list of entries, not object"),
                                    ("empty.json", b"[]", "empty.json holds no usable word"), ("none.json", b"", "does not hold JSON"), ("latin.json", b'["\xe9"]', "does not hold JSON"),
                                    ("cut.zip", good[:-100], "is named .zip but is not a whole zip file"), ("two.zip", (tmp_path / "two.zip").read_bytes(), "must hold one JSON file, not 2"),
                                    ("bad.zip", good[:middle] + b"\0\0\0\0" + good[middle + 4:], "damaged or locked zip"), ("faulty.json", b'[{"metadata": {}, "points": []}]', "Entry 0: metadata has no 'asciiSequence'"),
                                    ("text.json", "[]".encode("utf-16"), "holds no usable word")):
        (tmp_path / name).write_bytes(content)
        [line] = recorder.import_files(tmp_path / name)
        assert sentence in line and name in line
    assert recorder.texts == []


def test_entries_are_judged_as_the_trainer_judges_them(recorder, tmp_path):
    good = word_to_entry(load_bank(ROOT / "data" / "starter.json.zip")[0])
    entries = [good, 5, None, [], {}, {"metadata": {}}, {"metadata": [], "points": []}, {"points": [], "metadata": None}]

    def changed(points=None, **metadata):
        kept = {key: value for key, value in {**good["metadata"], **metadata}.items() if value != "drop"}
        return {"metadata": kept, "points": good["points"] if points is None else points}

    entries += [changed(asciiSequence=text) for text in ("drop", "", "  ", 5, None, "a\tb", "a\x00b", "x" * 1001, "\u00e9" * 1000, "\ud800", "two\nlines")]
    entries += [changed(aspectRatio=value) for value in ("drop", 0, -1, None, "6", True, 1e9, 100, 101)]
    entries += [changed(baseline=value) for value in (0.5, None, "x", 500)]
    entries += [changed(author=value) for value in ("drop", "", None, 7)]
    entries += [changed(points=points) for points in ([], {}, "abc", None, [[0, 0]], [[0, 0, 0]], [[0.1, 0.1, 1]], [[0.1, 0.1, 2]], [[0.1, 0.1, 0.5]], [[0, "a", 1]], [[0, None, 1]], [[[0], 0, 1]], [5],
                                                      [[0.1, 0.1, 1, 5, 0.5, "more"], [0.1, 0.1, 0]], [[1e300, 0, 1]], [[30, 0, 1]], [[0, -101, 1]], [[0, 0, 1]] * 50_001)]
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(entries))
    words, faults = parse_entries(read_entries(path))
    found = recorder.page.evaluate("async text => { const { entries, faults } = await parseEntries(JSON.parse(text)); return [entries.map(entry => [entry.text, entry.author]), faults]; }", path.read_text())
    assert len(faults) > 35 and len(words) > 10
    assert {fault["index"] for fault in found[1]} == {index for index, _ in faults}
    assert found[0] == [[word.text, word.author] for word in words]
    for theirs, (index, ours) in zip(found[1], faults):
        one, two = theirs["reason"].replace(",", ""), ours.replace(",", "")
        assert one[:12] == two[:12] or one.startswith("a point") and two.startswith("a point"), f"entry {index}"


# --- the gallery

def fill(recorder, n=6):
    for left in np.linspace(0.05, 0.3, n):
        recorder.dispatch([loops(40, left, left + 0.3)])
        recorder.press("Enter")
    recorder.view("words")
    return recorder.texts[::-1]  # newest first


def cards(recorder):
    return [text.removeprefix("\u2691 ") for text in recorder.page.locator("#cards li span").all_inner_texts()]


def test_words_can_be_found_corrected_deleted_and_put_back(recorder, tmp_path):
    page, texts = recorder.page, fill(recorder)
    assert cards(recorder) == texts
    page.fill("#filter", texts[2][:4].upper())
    assert cards(recorder) == [texts[2]]
    page.fill("#filter", "")
    page.locator("#cards button").nth(1).click()
    page.fill("#entry-text", "corrected  now")
    page.press("#entry-text", "Enter")
    page.keyboard.press("Escape")
    assert cards(recorder)[1] == "corrected now"
    page.locator("#cards button").nth(0).focus()
    recorder.press("ArrowRight", "ArrowRight", "Delete")
    assert cards(recorder) == [texts[0], "corrected now", *texts[3:]]
    page.click("#note button")
    assert cards(recorder) == [texts[0], "corrected now", *texts[2:]]
    recorder.press("End", "Enter")
    assert page.locator("#entry").get_attribute("open") is not None and texts[-1] in page.inner_text("#entry-title")
    recorder.press("ArrowLeft")
    assert texts[-2] in page.inner_text("#entry-title")
    recorder.press("Delete")
    recorder.settled().reload()
    assert len(recorder.texts) == 5
    recorder.view("words")
    page.select_option("#which", "bin")
    assert cards(recorder) == [texts[-2]]
    page.locator("#cards button").click()
    page.click("#entry-delete")
    assert len(recorder.texts) == 6
    recorder.view("words")
    page.select_option("#which", "all")
    recorder.press("Tab")
    page.locator("#cards button").nth(0).focus()
    recorder.press("Delete", "Delete")
    page.select_option("#which", "bin")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#empty-bin")
    recorder.settled().reload()
    assert recorder.page.evaluate("store.entries.size") == 4 and len(exported(recorder, tmp_path / "bank.json")[1]) == 4


def test_a_word_can_be_written_again(recorder):
    page, texts = recorder.page, fill(recorder, 3)
    recorder.view("write")
    waiting, begun = recorder.prompt, recorder.draw(loops(15))
    recorder.view("words")
    page.locator("#cards button").nth(1).click()
    recorder.press("r")
    assert recorder.prompt == texts[1] and recorder.strokes == []
    ink = recorder.draw(loops(33))
    recorder.settled().reload()
    same_strokes(recorder.strokes, [ink])
    recorder.press("Enter")
    assert recorder.prompt == waiting
    same_strokes(recorder.strokes, [begun])
    assert recorder.texts == texts[::-1], "in its old place"
    assert page.evaluate("alive().filter(entry => strokesOf(entry)[0].length === 4 * 33).length") == 1
    assert page.evaluate("[...store.entries.values()].filter(entry => entry.deleted).length") == 1, "the old one is in the bin"


def test_replay_takes_as_long_as_the_writing(recorder):
    entry = word_to_entry(load_bank(ROOT / "data" / "starter.json.zip")[0])
    points = [[*point, 8 * i] for i, point in enumerate(entry["points"])]
    took = recorder.page.evaluate("""async points => {
      const entry = parseEntry({ metadata: { asciiSequence: "a", aspectRatio: 6 }, points }), canvas = document.getElementById("ink"), replay = new Replay();
      const inked = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((value, i) => i % 4 === 3 && value > 128).length;
      drawEntry(canvas, entry);
      const whole = inked(), start = performance.now(), seen = [];
      replay.play(canvas, entry);
      while (performance.now() - start < 2000) { await new Promise(requestAnimationFrame); seen.push([performance.now() - start, inked() / whole]); }
      return seen;
    }""", points)
    times, shares = np.array(took).T
    assert shares[0] < 0.3 and shares[-1] == 1 and (np.diff(shares) > -0.01).all()
    assert points[-1][3] < times[np.argmax(shares == 1)] + 30 < points[-1][3] + 300, "milliseconds of writing"
    assert 0.2 < np.interp(points[-1][3] / 2, times, shares) < 0.8


# --- tracing, hints, and the whole

def test_a_picture_behind_the_paper_is_moved_by_mouse_and_keys(recorder, tmp_path):
    picture = tmp_path / "letter.png"
    recorder.page.screenshot(path=picture)
    page = recorder.page
    page.set_input_files("#picture-file", picture)
    page.wait_for_selector("#picture-tools:not([hidden])")
    place = lambda: page.evaluate("tracing.place")
    recorder.draw([[0.3, 0.5], [0.4, 0.5], [0.5, 0.7]])
    width, height = recorder.box[2:]
    assert recorder.strokes == [] and place()["x"] == pytest.approx(0.2 * width / height, abs=0.01) and place()["y"] == pytest.approx(0.2, abs=0.01)
    page.mouse.wheel(0, -500)
    assert place()["zoom"] == pytest.approx(0.5)
    recorder.press("ArrowLeft", "+", "]", "]", ",")
    assert place() == {"x": pytest.approx(0.2 * width / height - 0.01, abs=0.01), "y": pytest.approx(0.2, abs=0.01), "zoom": pytest.approx(0.55), "angle": 2, "fade": pytest.approx(0.45)}
    assert page.evaluate("document.getElementById('picture').getBoundingClientRect().height") > 1.3 * height
    recorder.press("t")
    recorder.draw(loops())
    assert len(recorder.strokes) == 1
    before = place()
    recorder.settled().reload()
    assert place() == before and page.locator("#picture").is_visible()
    page.click("#picture-remove")
    assert not page.locator("#picture").is_visible()
    page.set_input_files("#picture-file", files=[dict(name="no.png", mimeType="image/png", buffer=b"no picture")])
    page.wait_for_timeout(300)
    assert "no.png is not a picture" in recorder.note


HINTS = """([strokes, text]) => {
  const points = pointsOf(strokes.map(stroke => Float64Array.from(stroke.flatMap(([x, y], i) => [x, y, i, NaN]))));
  return (globalThis.habits ??= new Habits()).hints({ text, metadata: { aspectRatio: 6 }, ...points });
}"""


def test_hints_are_given_for_odd_ink_only(recorder):
    hints = lambda strokes, text: recorder.page.evaluate(HINTS, [[np.asarray(stroke).tolist() for stroke in strokes], text])
    fine = loops(150, 0.05, 0.2)
    assert hints([fine], "eeee") == []
    assert hints([fine, [[0.1, 0.4], [0.1, 0.41]]], "eeie") == []
    assert hints([fine], "eeie") == ["hint_strokes"]
    assert hints([fine + (0, 0.3)], "eeee") == hints([fine - (0, 0.5)], "eeee") == ["hint_off_line"]
    assert hints([loops(150, 0.01, 0.05)], "eeee eeee eeee") == ["hint_short"]
    assert hints([loops(500, 0.05, 0.95)], "eee") == ["hint_long"]
    assert hints([loops(12, 0.05, 0.2)], "eeee") == ["hint_sparse"]


@pytest.mark.parametrize("bank, most", [("starter", 0.04), ("real", 0.06)])
def test_few_recorded_words_deserve_a_hint_and_most_without_a_mark_do(recorder, request, bank, most):
    if bank == "real":
        request.getfixturevalue("real_words")
    from tests.conftest import real_bank
    recorder.import_files(real_bank() if bank == "real" else ROOT / "data" / "starter.json.zip")
    flagged, words, caught, dropped = recorder.page.evaluate("""() => {
      const hands = {}, count = [0, 0, 0, 0];
      for (const entry of alive()) {
        const habits = hands[entry.author] ??= new Habits();
        count[0] += habits.hints(entry).length > 0;
        count[1]++;
        const strokes = strokesOf(entry), lengths = measure(entry).lengths, least = lengths.indexOf(Math.min(...lengths));
        if (/^[a-z]*[ij][a-z]*$/.test(entry.text) && strokes.length > 1) {
          count[2] += habits.hints({ ...entry, ...pointsOf(strokes.filter((_, i) => i !== least)) }).includes("hint_strokes");
          count[3]++;
        }
        habits.learn(entry);
      }
      return count;
    }""")
    print(f"{bank}: {flagged} of {words} words have a hint, {caught} of {dropped} without their shortest stroke")
    assert flagged < most * words and caught > 0.5 * dropped and dropped > 100


def test_a_bank_of_three_thousand_words_stays_smooth(recorder, tmp_path):
    words = load_bank(ROOT / "data" / "starter.json.zip")
    entries = [word_to_entry(word) for word in words]
    for entry in entries[:500]:
        entries.append({"metadata": {**entry["metadata"], "author": "another"}, "points": entry["points"]})
    write_entries(tmp_path / "bank.json", entries)
    recorder.import_files(tmp_path / "bank.json")
    assert len(recorder.texts) == 3000
    recorder.settled().reload()
    for what, gaps in zip(("writing", "scrolling"), write_and_scroll(recorder)):
        print(f"{what}: median {np.median(gaps):.1f} ms, 95% within {np.percentile(gaps, 95):.1f} ms, longest {gaps.max():.1f} ms")
        assert np.median(gaps) < 25 and np.percentile(gaps, 95) < 100, "a loaded machine may drop frames, not all of them"
    recorder.view("words")
    assert 10 < recorder.page.locator("#cards li").count() < 120, "only cards in sight are there"


def test_nothing_leaves_the_page(new_recorder, server):
    url, asked = server
    asked.clear()
    recorder = new_recorder(url)
    recorder.draw(loops())
    recorder.press("Enter")
    for view in ("words", "letters", "settings", "write"):
        recorder.view(view)
    recorder.import_files(ROOT / "data" / "starter.json.zip")
    recorder.settled()
    assert [path for path in recorder.requests if not path.startswith(("blob:", "data:"))] == [url]
    assert asked == [f"/{PAGE.name}"]
    blocked = recorder.page.evaluate("fetch('/anything').then(() => 'went out', () => 'blocked')")
    assert blocked == "blocked"
    recorder.errors.clear()  # the browser tells that it blocked this one


@pytest.mark.parametrize("shape", [dict(viewport=dict(width=1280, height=720)), dict(viewport=dict(width=740, height=360)), dict(viewport=dict(width=568, height=320)), dict(viewport=dict(width=390, height=780))])
def test_nothing_shifts_or_is_cut_off_while_writing(new_recorder, shape):
    recorder = new_recorder(**shape)
    page = recorder.page
    boxes = lambda: page.evaluate("['ink', 'add', 'undo', 'note', 'count'].map(id => { const { left, top, right, bottom } = document.getElementById(id).getBoundingClientRect(); return [left, top, right, bottom]; })")
    first = boxes()
    for left, top, right, bottom in first:
        assert left >= 0 and top >= 0 and right <= shape["viewport"]["width"] and bottom <= shape["viewport"]["height"]
    assert recorder.box[3] >= 100
    recorder.draw(loops())
    assert boxes() == first
    recorder.press("Enter")
    moved = np.abs(np.array(boxes()) - first)[:, [1, 3]]
    assert moved.max() < 1, "a hint shifts nothing"
    assert page.evaluate("document.documentElement.scrollWidth") <= shape["viewport"]["width"]


def test_it_can_be_used_without_a_mouse_and_with_a_screen_reader(recorder):
    page = recorder.page
    for view in ("write", "words", "letters", "settings"):
        recorder.view(view)
        nameless = page.evaluate("""() => [...document.querySelectorAll("button, input:not([type=file]), select, textarea, canvas#ink")].filter(element => element.offsetParent
          && !(element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length)).map(element => element.outerHTML)""")
        assert nameless == []
    recorder.view("write")
    recorder.draw(loops())
    assert "1 stroke so far" in page.get_attribute("#ink", "aria-label")
    recorder.press("Enter", "2")
    assert page.locator("#words").is_visible()
    recorder.press("3", "4", "1", "?")
    assert page.locator("#help").is_visible()
    recorder.press("Escape")
    recorder.set("keys", False)
    recorder.press("2", "s")
    assert page.locator("#write").is_visible() and len(recorder.texts) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind(new_recorder, scheme):
    """By the formula of WCAG 2.2 for contrast: 4.5 for texts, 3 for what else must be seen."""
    recorder = new_recorder(color_scheme=scheme)
    recorder.view("settings")
    colours = recorder.page.evaluate("""() => Object.fromEntries(["page", "card", "paper", "text", "soft", "ink", "accent", "on-accent", "warn", "warn-page"].map(name => {
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = `var(--${name})`;
      const colour = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
      probe.remove();
      return [name, colour];
    }))""")

    def luminance(name):
        values = np.array(colours[name][:3]) / 255
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    def contrast(one, two):
        low, high = sorted((luminance(one), luminance(two)))
        return (high + 0.05) / (low + 0.05)

    for front, back in (("text", "page"), ("text", "card"), ("soft", "page"), ("soft", "card"), ("on-accent", "accent"), ("warn", "page"), ("warn", "card"), ("warn", "warn-page"), ("ink", "paper")):
        assert contrast(front, back) >= 4.5, (front, back)
    assert contrast("accent", "page") >= 3


def test_reduced_motion_is_respected(new_recorder):
    duration = "getComputedStyle(document.getElementById('add')).transitionDuration"
    assert new_recorder(reduced_motion="reduce").page.evaluate(duration) == "0s"
    assert new_recorder(reduced_motion="no-preference").page.evaluate(duration) != "0s"


def test_a_bank_recorded_in_the_browser_trains_a_model_that_draws(recorder, tmp_path):
    recorder.set("author", "Ada")
    recorder.set("source", "free")
    written = load_bank(ROOT / "data" / "starter.json.zip")[:40]
    for word in written:
        recorder.page.fill("#free", word.text)
        width = 6.0  # the paper's
        recorder.dispatch([stroke[:, :2] / (width, 1) + (0.02, 2 / 3) for stroke in split_strokes(word.points)], "pen", pressure=0.5)
        recorder.press("Enter")
    recorder.page.fill("#free", "two words")
    recorder.dispatch([loops(90, 0.05, 0.2), loops(90, 0.25, 0.4)])
    recorder.press("Enter")
    recorder.export(tmp_path / "mine.json.zip", "zip")
    recorded = load_bank(tmp_path / "mine.json.zip", strict=True)
    assert [word.text for word in recorded] == [*(word.text for word in written), "two words"] and {word.author for word in recorded} == {"Ada"}
    ratio = recorded[0].metadata["aspectRatio"]
    for one, two in zip(recorded, written):
        for mine, theirs in zip(split_strokes(one.points), split_strokes(two.points), strict=True):
            xy = (theirs[:, :2] / (width, 1)).round(5)
            moved = np.append(True, (np.diff(xy, axis=0) != 0).any(1))  # a pen that rests gives no points
            assert np.abs(mine[:, :2] / (ratio, 1) - xy[moved]).max() < 2e-5
    run = lambda *command: subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=200)
    trained = run("train.py", "--dataset_name", tmp_path / "mine.json.zip", "--run_dir", tmp_path, "--wandb_run_name", "mine", "--max_steps", 20, "--log_every", 10, "--test_size", 4, "--warmup_steps", 2,
                  "--device", "cpu", "--wandb", "off", "--batch_size", 4)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    drawn = run("sample.py", recorded[0].text, "--checkpoint", tmp_path / "mine" / "last.pt", "--author", "Ada", "--missing", "skip", "--out", tmp_path / "mine.svg")
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert "<path" in (tmp_path / "mine.svg").read_text()
