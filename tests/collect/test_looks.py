"""Tracing an image, and the look and accessibility of the recording page."""

import numpy as np
import pytest

from benchmarks.page import loops


def test_a_picture_behind_the_paper_is_moved_by_mouse_and_keys(recorder, tmp_path):
    image = tmp_path / "letter.png"
    recorder.page.screenshot(path=image)
    page = recorder.page
    page.set_input_files("#picture-file", image)
    page.wait_for_selector("#picture-tools:not([hidden])")
    place = lambda: page.evaluate("tracing.place")
    recorder.draw([[0.3, 0.5], [0.4, 0.5], [0.5, 0.7]])
    width, height = recorder.box[2:]
    assert recorder.strokes == []
    assert place()["x"] == pytest.approx(0.2 * width / height, abs=0.01)
    assert place()["y"] == pytest.approx(0.2, abs=0.01)
    page.mouse.wheel(0, -500)
    assert place()["zoom"] == pytest.approx(0.5)
    recorder.press("ArrowLeft", "+", "]", "]", ",")
    assert place() == {
        "x": pytest.approx(0.2 * width / height - 0.01, abs=0.01),
        "y": pytest.approx(0.2, abs=0.01),
        "zoom": pytest.approx(0.55),
        "angle": 2,
        "fade": pytest.approx(0.45),
    }
    image_height = "document.getElementById('picture').getBoundingClientRect().height"
    assert page.evaluate(image_height) > 1.3 * height
    recorder.press("t")
    recorder.draw(loops())
    assert len(recorder.strokes) == 1
    before = place()
    page.wait_for_timeout(400)
    recorder.settled().reload()
    assert place() == before and page.locator("#picture").is_visible()
    page.set_input_files(
        "#picture-file", files=[dict(name="no.png", mimeType="image/png", buffer=b"no picture")]
    )
    page.wait_for_selector("#note:has-text('no.png is not a picture')")
    page.wait_for_timeout(200)
    assert place() == before, "the image before stays"
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 1280
    page.click("#picture-remove")
    assert not page.locator("#picture").is_visible()
    recorder.settled().reload()
    assert not page.locator("#picture").is_visible()


@pytest.mark.parametrize(
    "shape",
    [
        dict(viewport=dict(width=1280, height=720)),
        dict(viewport=dict(width=740, height=360)),
        dict(viewport=dict(width=568, height=320)),
        dict(viewport=dict(width=390, height=780)),
    ],
)
def test_nothing_shifts_or_is_cut_off_while_writing(new_recorder, shape):
    recorder = new_recorder(**shape)
    page = recorder.page
    boxes = lambda: page.evaluate(
        """["ink", "add", "undo", "note", "count"].map(id => {
          const box = document.getElementById(id).getBoundingClientRect();
          return [box.left, box.top, box.right, box.bottom];
        })"""
    )
    first = boxes()
    for left, top, right, bottom in first:
        assert left >= 0 and top >= 0
        assert right <= shape["viewport"]["width"] and bottom <= shape["viewport"]["height"]
    assert recorder.box[3] >= 100
    recorder.draw(loops())
    assert boxes() == first
    recorder.press("Enter")
    moved = np.abs(np.array(boxes()) - first)[:, [1, 3]]
    assert moved.max() < 1, "a hint shifts nothing"
    assert page.evaluate("document.documentElement.scrollWidth") <= shape["viewport"]["width"]


# The visible controls that have no name for a screen reader.
NAMELESS_CONTROLS = """() => {
  const controls = "button, input:not([type=file]), select, textarea, canvas#ink";
  const isNamed = element => element.getAttribute("aria-label")
    || element.textContent.trim() || element.labels?.length;
  return [...document.querySelectorAll(controls)]
    .filter(element => element.offsetParent && !isNamed(element))
    .map(element => element.outerHTML);
}"""


def test_it_can_be_used_without_a_mouse_and_with_a_screen_reader(recorder):
    page = recorder.page
    for view in ("write", "words", "letters", "settings"):
        recorder.view(view)
        assert page.evaluate(NAMELESS_CONTROLS) == []
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


@pytest.mark.parametrize("width, height", [(390, 780), (740, 360), (568, 320)])
def test_on_a_phone_help_opens_at_its_top_and_nobody_presses_enter(new_recorder, width, height):
    recorder = new_recorder(
        viewport=dict(width=width, height=height), has_touch=True, is_mobile=True
    )
    page = recorder.page
    assert "Enter" not in recorder.note and "Add and go on" in recorder.note
    line = page.locator("#note p")
    assert line.evaluate("line => line.scrollHeight <= line.clientHeight"), "it is seen whole"
    page.click("#help-button")
    page.wait_for_timeout(100)
    assert page.evaluate("document.getElementById('help').scrollTop") == 0
    title = page.locator("#help-title").bounding_box()
    assert title["y"] >= 0 and title["y"] + title["height"] <= height
    texts = page.locator("#help p").all_inner_texts()
    assert "Add and go on" in texts[0] and not any("Enter" in text for text in texts)
    page.locator("#help button").tap()
    assert not page.locator("#help").is_visible()
    assert not page.locator("#tools kbd").first.is_visible()
    recorder.dispatch([loops()])
    page.locator("#add").tap()
    page.locator("#export").tap()
    page.locator("#note button").tap()
    assert page.evaluate("document.getElementById('next').scrollTop") == 0
    title = page.locator("#next-title").bounding_box()
    assert title["y"] >= 0 and title["y"] + title["height"] <= height


def test_on_a_desk_enter_is_told(recorder):
    assert "press Enter" in recorder.note
    recorder.press("?")
    assert "press Enter" in recorder.page.inner_text("#help")
    recorder.press("Enter")
    assert not recorder.page.locator("#help").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind(new_recorder, scheme):
    """WCAG 2.2 asks for a contrast of at least 4.5 for text and 3 for other parts."""
    recorder = new_recorder(color_scheme=scheme)
    recorder.view("settings")
    colors = recorder.page.evaluate("""() => {
      const names = [
        "page", "card", "paper", "text", "soft", "ink", "accent", "on-accent", "warn", "warn-page",
      ];
      return Object.fromEntries(names.map(name => {
        const probe = document.body.appendChild(document.createElement("i"));
        probe.style.color = `var(--${name})`;
        const color = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
        probe.remove();
        return [name, color];
      }));
    }""")

    def luminance(name):
        values = np.array(colors[name][:3]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    def contrast(front, back):
        low, high = sorted((luminance(front), luminance(back)))
        return (high + 0.05) / (low + 0.05)

    for front, back in (
        ("text", "page"),
        ("text", "card"),
        ("soft", "page"),
        ("soft", "card"),
        ("on-accent", "accent"),
        ("warn", "page"),
        ("warn", "card"),
        ("warn", "warn-page"),
        ("ink", "paper"),
    ):
        assert contrast(front, back) >= 4.5, (front, back)
    assert contrast("accent", "page") >= 3


def test_reduced_motion_is_respected(new_recorder):
    duration = "getComputedStyle(document.getElementById('add')).transitionDuration"
    assert new_recorder(reduced_motion="reduce").page.evaluate(duration) == "0s"
    assert new_recorder(reduced_motion="no-preference").page.evaluate(duration) != "0s"
