"""Mouse, trackpad, pen and fingers on the recording page."""

import numpy as np
import pytest

from benchmarks.page import loops
from cursivetransformer.ink.strokes import split_strokes
from tests.collect.common import DOT, exported, same_strokes, without_repetition


@pytest.mark.parametrize("scale", [1, 2])
def test_the_points_that_come_out_are_those_that_went_in(new_recorder, tmp_path, scale):
    recorder = new_recorder(viewport=dict(width=1280, height=720), device_scale_factor=scale)
    text = recorder.prompt
    drawn = [recorder.draw(loops()), recorder.draw(DOT), recorder.draw(loops(20, 0.5, 0.6))]
    same_strokes(recorder.strokes, drawn)
    recorder.press("Enter")
    [raw], [word] = exported(recorder, tmp_path / "bank.json")
    same_strokes(without_repetition(raw["points"]), drawn)
    metadata = raw["metadata"]
    assert metadata["asciiSequence"] == word.text == text and metadata["author"] == "unknown"
    assert metadata["pointCount"] == len(raw["points"]) == 30 + 1 + 20 + 3
    assert metadata["strokeCount"] == 3
    width, height = recorder.box[2:]
    assert metadata["aspectRatio"] == pytest.approx(width / height, rel=1e-3)
    times = [point[3] for point in raw["points"]]
    assert times[0] == 0 and times == sorted(times) and 0 < times[-1] < 60_000
    # A `Word` is in canvas heights, from the left edge of the ink on the baseline.
    origin = (min(stroke[:, 0].min() for stroke in drawn), 2 / 3)
    same_strokes(
        [stroke[:, :2] for stroke in split_strokes(word.points)],
        [(stroke - origin) * (metadata["aspectRatio"], 1) for stroke in drawn],
        1e-4,
    )
    canvas_width, css_width = recorder.page.evaluate(
        "[document.getElementById('ink').width, document.getElementById('ink').clientWidth]"
    )
    assert canvas_width == pytest.approx(scale * css_width, abs=1), "one pixel per screen pixel"


def test_a_pen_gives_every_point_with_pressure_and_time(recorder, tmp_path):
    stroke = loops(200)
    recorder.dispatch([stroke, DOT], "pen", pressure=0.7312)
    recorder.press("Enter")
    [raw], _ = exported(recorder, tmp_path / "bank.json")
    same_strokes(without_repetition(raw["points"]), [stroke, DOT])
    assert {len(point) for point in raw["points"]} == {5}
    assert {point[4] for point in raw["points"]} == {0.731}
    assert raw["metadata"]["device"] == "pen"


def test_a_real_pen_writes_with_its_pressure(recorder):
    session = recorder.page.context.new_cdp_session(recorder.page)
    pixels, forces = recorder.pixels(loops(12)).tolist(), np.linspace(0.2, 0.8, 12).round(2)

    def send(kind, position, **details):
        x, y = position
        event = dict(type=kind, x=x, y=y, button="left", pointerType="pen", **details)
        session.send("Input.dispatchMouseEvent", event)

    for index, (position, force) in enumerate(zip(pixels, forces)):
        kind = "mousePressed" if index == 0 else "mouseMoved"
        send(kind, position, buttons=1, clickCount=1, force=float(force))
    send("mouseReleased", pixels[-1])
    same_strokes(recorder.strokes, [recorder.fractions(pixels)])
    pressures = recorder.page.evaluate(
        "[...writing.draft.strokes[0]].filter((_, i) => i % 4 === 3)"
    )
    assert np.allclose(pressures, forces, atol=1e-3)
    assert recorder.page.evaluate("writing.draft.device") == "pen"


def test_real_touches_write(new_recorder):
    recorder = new_recorder(
        viewport=dict(width=740, height=360), has_touch=True, is_mobile=True, device_scale_factor=2
    )
    session = recorder.page.context.new_cdp_session(recorder.page)
    touch = lambda kind, points: session.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in points]},
    )
    pixels = recorder.pixels(loops(25)).tolist()
    touch("touchStart", [(0, pixels[0])])
    for index, (x, y) in enumerate(pixels[1:], 1):
        fingers = [(0, (x, y))]
        if index == 10:  # a second finger comes, and moves too
            touch("touchStart", [(0, pixels[9]), (1, (300, 200))])
        if index >= 10:
            fingers.append((1, (300 + index, 200)))
        touch("touchMove", fingers)
    touch("touchEnd", [])
    [stroke] = recorder.strokes
    assert np.abs(stroke[0] - recorder.fractions(pixels[0])).max() < 1e-3
    assert np.abs(stroke[-1] - recorder.fractions(pixels[-1])).max() < 1e-3
    assert len(stroke) >= 20, "the browser may join touches that come within a frame"
    assert np.abs(np.diff(stroke, axis=0)).max() < 0.3, "the second finger left no ink"
    assert recorder.page.evaluate("scrollY || document.getElementById('write').scrollTop") == 0


def test_the_pen_may_leave_the_paper_and_come_back(recorder):
    recorder.set("ratio", 4)  # so that there is room on the left
    below = recorder.draw([[0.5, 0.5], [0.5, 0.9], [0.52, 1.3], [0.55, 1.2], [0.56, 0.6]])
    beside = recorder.draw([[0.1, 0.5], [0.01, 0.5], [-0.05, 0.6], [0.05, 0.6]])
    assert below[2, 1] > 1.2 and beside[2, 0] < -0.04
    same_strokes(recorder.strokes, [below, beside])


def test_a_palm_and_a_second_finger_leave_no_ink(recorder):
    finger, palm = loops(30), loops(10, 0.6, 0.8)
    page = recorder.page
    page.evaluate("""() => {
      const send = (pointerType, pointerId, name, clientX) =>
        document.getElementById("ink").dispatchEvent(new PointerEvent(name, {
          pointerId, pointerType, bubbles: true, button: 0, buttons: 1, clientX, clientY: 300,
        }));
      globalThis.send = send;
      send("touch", 5, "pointerdown", 300);
      send("touch", 5, "pointermove", 310);
      send("touch", 6, "pointerdown", 600);
      send("touch", 6, "pointermove", 640);
      send("touch", 6, "pointerup", 640);
      send("touch", 5, "pointermove", 320);
      send("touch", 5, "pointerup", 330);
    }""")
    assert [len(stroke) for stroke in recorder.strokes] == [4], "the second finger leaves no ink"
    page.evaluate("""() => {
      send("touch", 5, "pointerdown", 700);
      send("touch", 5, "pointermove", 720);
      send("pen", 9, "pointerdown", 400);
      send("pen", 9, "pointermove", 410);
      send("touch", 5, "pointermove", 730);
      send("pen", 9, "pointerup", 420);
      send("touch", 5, "pointerup", 730);
    }""")
    assert [len(stroke) for stroke in recorder.strokes] == [4, 3], "the pen removes the palm's ink"
    assert "pen" in recorder.note
    recorder.dispatch([palm], "touch", 7)
    assert len(recorder.strokes) == 2, "fingers leave no ink once a pen was used"
    recorder.set("fingers", "always")
    recorder.dispatch([finger], "touch", 7)
    assert len(recorder.strokes) == 3


@pytest.mark.parametrize(
    "mode, key", [("shift", "ShiftLeft"), ("hold", "Space"), ("toggle", "Space")]
)
def test_on_a_trackpad_a_key_is_the_pen(recorder, mode, key):
    recorder.set("pen", mode)
    page, pixels = recorder.page, recorder.pixels(loops(30))
    page.mouse.move(*pixels[0] - 9)
    page.mouse.move(*pixels[0])
    page.keyboard.down(key)
    if mode == "toggle":
        page.keyboard.up(key)
    else:
        page.keyboard.down(key)  # a key that is held repeats
    assert page.evaluate("document.getElementById('paper').classList.contains('lowered')")
    for x, y in pixels[1:]:
        page.mouse.move(x, y)
    if mode == "toggle":
        page.keyboard.down(key)
    page.keyboard.up(key)
    page.mouse.move(*pixels[0])
    same_strokes(recorder.strokes, [recorder.fractions(pixels)])
    page.mouse.move(*recorder.pixels([0.3, 0.4]))
    recorder.press(*[key] * (2 if mode == "toggle" else 1))
    assert [len(stroke) for stroke in recorder.strokes] == [30, 1], "a tap makes a dot"
    recorder.press("Control+z", "Control+Shift+z", "Control+Shift+z")
    assert [len(stroke) for stroke in recorder.strokes] == [30, 1], "a shortcut makes none"
    recorder.press("Enter")
    assert len(recorder.texts) == 1
    recorder.view("settings")
    page.click("[data-setting=author]")
    page.keyboard.type("Ada Lovelace")
    assert page.input_value("[data-setting=author]") == "Ada Lovelace", "elsewhere the keys type"


def test_resizing_and_zooming_change_no_ink(recorder, tmp_path):
    drawn = [recorder.draw(loops())]
    ratio = np.divide(*recorder.box[2:])
    recorder.page.set_viewport_size(dict(width=900, height=500))
    recorder.page.wait_for_timeout(100)
    assert np.divide(*recorder.box[2:]) == pytest.approx(ratio, rel=0.01) and recorder.box[2] < 900
    drawn.append(recorder.draw(loops(20, 0.6, 0.9)))
    same_strokes(recorder.strokes, drawn)
    recorder.press("Enter")
    [raw], _ = exported(recorder, tmp_path / "bank.json")
    assert raw["metadata"]["aspectRatio"] == pytest.approx(ratio, rel=1e-3)
    assert np.divide(*recorder.box[2:]) < ratio, "an empty paper takes the shape that fits"


def test_undo_redo_and_clear_go_stroke_by_stroke(recorder):
    strokes = [recorder.draw(loops(20, left, left + 0.1)) for left in (0.1, 0.3, 0.5)]
    steps = [
        ("Control+z", 2),
        ("Backspace", 1),
        ("Control+y", 2),
        ("Control+Shift+z", 3),
        ("Delete", 0),
        ("Control+z", 3),
        ("Control+z", 2),
    ]
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


def test_a_word_that_is_added_with_the_pen_down_leaves_no_ink_on_the_next(recorder):
    pixels = recorder.pixels(loops())
    recorder.page.mouse.move(*pixels[0])
    recorder.page.mouse.down()
    for x, y in pixels[1:20]:
        recorder.page.mouse.move(x, y)
    recorder.press("Enter")
    for x, y in pixels[20:]:
        recorder.page.mouse.move(x, y)
    recorder.page.mouse.up()
    assert recorder.strokes == []
    assert recorder.page.evaluate("alive().map(entry => strokesOf(entry)[0].length / 4)") == [20]
    assert len(recorder.draw(loops())) == len(recorder.strokes[0])


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


def test_a_word_taken_back_is_undone_stroke_by_stroke_as_before(recorder):
    text = recorder.prompt
    recorder.draw(loops(9))
    recorder.press("Delete")
    strokes = [recorder.draw(loops(20, left, left + 0.1)) for left in (0.1, 0.3, 0.5)]
    recorder.press("Enter", "Control+z")
    assert recorder.prompt == text
    for n in (3, 2, 1, 0):
        same_strokes(recorder.strokes, strokes[:n])
        recorder.press("Control+z")
    assert [len(stroke) for stroke in recorder.strokes] == [9], "even to before it was cleared"
    recorder.press(*["Control+y"] * 3)
    same_strokes(recorder.strokes, strokes[:2])
    recorder.settled().reload()
    recorder.press("Control+z")
    same_strokes(recorder.strokes, strokes[:1])
    recorder.press("Enter")
    assert recorder.texts == [text]
    assert recorder.page.evaluate("alive().map(entry => strokesOf(entry).length)") == [1]
