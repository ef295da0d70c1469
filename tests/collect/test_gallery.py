"""The gallery of the recording page."""

import numpy as np

from benchmarks.page import loops
from cursivetransformer.bank.file import load_bank
from cursivetransformer.bank.word import word_to_entry
from tests.collect.common import STARTER, exported, same_strokes


def fill(recorder, n=6):
    for left in np.linspace(0.05, 0.3, n):
        recorder.dispatch([loops(40, left, left + 0.3)])
        recorder.press("Enter")
    recorder.view("words")
    return recorder.texts[::-1]  # newest first


def cards(recorder):
    return [
        text.removeprefix("\u2691 ")
        for text in recorder.page.locator("#cards li span").all_inner_texts()
    ]


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
    assert page.locator("#entry").get_attribute("open") is not None
    assert texts[-1] in page.inner_text("#entry-title")
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
    assert recorder.page.evaluate("store.entries.size") == 4
    assert len(exported(recorder, tmp_path / "bank.json")[1]) == 4


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
    rewritten = "alive().filter(entry => strokesOf(entry)[0].length === 4 * 33).length"
    assert page.evaluate(rewritten) == 1
    deleted = "[...store.entries.values()].filter(entry => entry.deleted).length"
    assert page.evaluate(deleted) == 1, "the old one is in the bin"


# Replays a word for two seconds. Returns [milliseconds, fraction of its ink drawn] of each frame.
REPLAY = """async points => {
  const entry = parseEntry({ metadata: { asciiSequence: "a", aspectRatio: 6 }, points });
  const canvas = document.getElementById("ink"), replay = new Replay();
  const inked = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    .data.filter((value, i) => i % 4 === 3 && value > 128).length;
  drawEntry(canvas, entry);
  const whole = inked(), start = performance.now(), seen = [];
  replay.play(canvas, entry);
  while (performance.now() - start < 2000) {
    await new Promise(requestAnimationFrame);
    seen.push([performance.now() - start, inked() / whole]);
  }
  return seen;
}"""


def test_replay_takes_as_long_as_the_writing(recorder):
    entry = word_to_entry(load_bank(STARTER)[0])
    points = [[*point, 8 * i] for i, point in enumerate(entry["points"])]
    times, drawn = np.array(recorder.page.evaluate(REPLAY, points)).T
    assert drawn[0] < 0.3 and drawn[-1] == 1 and (np.diff(drawn) > -0.01).all()
    writing_time = points[-1][3]  # milliseconds
    assert writing_time < times[np.argmax(drawn == 1)] + 30 < writing_time + 300
    assert 0.2 < np.interp(writing_time / 2, times, drawn) < 0.8
