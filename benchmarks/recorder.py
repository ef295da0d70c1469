"""Measure frame times of the recording page with a full bank in a real browser; take screenshots.

    python -m benchmarks.recorder --bank data/starter.json.zip --shots shots

Imports the bank, measures the time between frames while a word is written and while the gallery
scrolls, and takes screenshots of every view, large and small, light and dark. Needs Chromium (or
CHROMIUM=path) and `pip install playwright`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from benchmarks.page import Recorder, browser_type, find_chromium, fractions, loops
from cursivetransformer.bank.file import load_bank
from cursivetransformer.bank.word import Word

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Scheme: TypeAlias = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES: dict[str, dict[str, Any]] = {
    "desktop": dict(viewport=dict(width=1280, height=720)),
    "phone": dict(viewport=dict(width=740, height=360), device_scale_factor=2, has_touch=True),
}
PAUSE = 3000  # milliseconds between the words of the screenshots, a realistic pace
N_SHOWN = 5  # words written for the screenshots

# Stores a promise of the milliseconds between frames, for a given time.
FRAMES = """milliseconds => {
  globalThis.framesSeen = new Promise(done => {
    const gaps = [], start = performance.now();
    let last = start;
    const frame = now => {
      gaps.push(now - last);
      last = now;
      now - start < milliseconds ? requestAnimationFrame(frame) : done(gaps.slice(1));
    };
    requestAnimationFrame(frame);
  });
}"""


def frame_times(
    recorder: Recorder, action: Callable[[], None], milliseconds: int = 2000
) -> np.ndarray:
    """Return the milliseconds between frames of the page while `action()` runs."""
    recorder.page.evaluate(FRAMES, milliseconds)
    action()
    return np.array(recorder.page.evaluate("framesSeen"))


def write_and_scroll(recorder: Recorder, milliseconds: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return the frame times while a word is written, and while the whole gallery scrolls."""

    def write() -> None:
        recorder.draw(loops(100))
        recorder.press("Enter")

    def scroll() -> None:
        for _ in range(25):
            recorder.page.mouse.wheel(0, 700)

    writing = frame_times(recorder, write, milliseconds)
    recorder.view("words")
    size = recorder.page.viewport_size
    assert size is not None
    recorder.page.mouse.move(size["width"] / 2, size["height"] / 2)
    scrolling = frame_times(recorder, scroll, milliseconds)
    recorder.view("write")
    return writing, scrolling


def take_screenshots(recorder: Recorder, folder: Path, name: str, words: Sequence[Word]) -> None:
    """Take a screenshot of every state of the page while `words` are written."""
    page = recorder.page

    def shot(state: str) -> None:
        page.screenshot(path=folder / f"{name}-{state}.png")

    def write(index: int) -> None:
        recorder.dispatch(fractions(words[index], np.divide(*recorder.box[2:])))

    recorder.view("settings")
    page.fill("#own", "\n".join(word.text for word in words))
    recorder.set("order", "list")
    for index in range(3):
        write(index)
        page.wait_for_timeout(PAUSE)
        recorder.press("Enter")
    write(3)
    shot("write")
    recorder.press("Enter")
    shot("added")
    recorder.press("?")
    shot("help")
    recorder.press("Escape")
    for view in ("words", "letters", "settings"):
        recorder.view(view)
        shot(view)

    recorder.view("words")
    page.locator("#cards button").nth(1).click()
    shot("word")
    page.click("#entry-play")
    page.wait_for_timeout(400)
    shot("replay")
    recorder.press("Delete")
    shot("deleted")

    recorder.set("source", "free")
    page.fill("#free", words[4].text)
    write(4)
    shot("free")
    recorder.set("source", "built-in")

    page.set_input_files("#picture-file", folder / f"{name}-write.png")
    page.wait_for_timeout(300)
    shot("tracing")
    page.click("#picture-remove")
    page.wait_for_timeout(300)
    page.evaluate("showTrouble('trouble_full')")
    shot("full")


def print_frame_times(size: str, recorder: Recorder) -> None:
    for activity, gaps in zip(("writing", "scrolling"), write_and_scroll(recorder)):
        print(
            f"{size}, {activity}: {len(gaps)} frames, median {np.median(gaps):.1f} ms, "
            f"95% within {np.percentile(gaps, 95):.1f} ms, longest {gaps.max():.1f} ms"
        )


def visit(browser: Browser, size: str, scheme: Scheme, bank: str, shots: Path | None) -> None:
    """Open the page in one size and color scheme; measure it if it is light.

    shots: the folder for screenshots, or None.
    """
    context = browser.new_context(color_scheme=scheme, **SIZES[size])
    recorder = Recorder(context.new_page()).open()
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        recorder.page.screenshot(path=shots / f"{size}-{scheme}-first.png")
    recorder.page.click("#ask-skip")
    message = recorder.import_files(bank)[0]
    if scheme == "light":
        print(f"{size}: {message}")
        print_frame_times(size, recorder)
    if shots:
        words = [word for word in load_bank(bank) if re.fullmatch("[a-z]{5,8}", word.text)]
        take_screenshots(recorder, shots, f"{size}-{scheme}", words[:N_SHOWN])
    if recorder.errors:
        print("errors:", *recorder.errors, sep="\n")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", default="data/starter.json.zip", help="bank to import")
    parser.add_argument("--shots", default="", help="folder for screenshots; empty takes none")
    settings = parser.parse_args(argv)
    if not find_chromium():
        sys.exit("needs Chromium: apt install chromium, or CHROMIUM=path")
    shots = Path(settings.shots) if settings.shots else None
    with browser_type() as (chromium, options):
        browser = chromium.launch(**options)
        for size in SIZES:
            for scheme in SCHEMES:
                visit(browser, size, scheme, settings.bank, shots)
        browser.close()


if __name__ == "__main__":
    main()
