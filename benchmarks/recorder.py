"""A look at the recording page with a full bank, in a real browser: frame times and pictures.

    python -m benchmarks.recorder --bank data/starter.json.zip --shots shots

imports the bank, measures the time between frames while a word is written and while the gallery is scrolled, and takes pictures of
every view, large and small, light and dark. Needs Chromium (or CHROMIUM=path) and `pip install playwright`.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from benchmarks.page import Recorder, browser_type, find_chromium, fractions, loops
from cursivetransformer.bank.file import load_bank

SIZES = {
    "desktop": dict(viewport=dict(width=1280, height=720)),
    "phone": dict(viewport=dict(width=740, height=360), device_scale_factor=2, has_touch=True),
}
PAUSE = 3000  # milliseconds between the words of the pictures, for a pace that somebody could have

# Leaves a promise of the milliseconds between frames for a while.
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


def frame_times(recorder, action, milliseconds=2000):
    """Milliseconds between frames of the page while `action()` goes on."""
    recorder.page.evaluate(FRAMES, milliseconds)
    action()
    return np.array(recorder.page.evaluate("framesSeen"))


def write_and_scroll(recorder, milliseconds=2000):
    """Frame times while a word is written, and while the gallery is scrolled from end to end."""

    def write():
        recorder.draw(loops(100))
        recorder.press("Enter")

    def scroll():
        for _ in range(25):
            recorder.page.mouse.wheel(0, 700)

    writing = frame_times(recorder, write, milliseconds)
    recorder.view("words")
    recorder.page.mouse.move(
        *(recorder.page.viewport_size[side] / 2 for side in ("width", "height"))
    )
    scrolling = frame_times(recorder, scroll, milliseconds)
    recorder.view("write")
    return writing, scrolling


def shoot(recorder, folder, name, words):
    """Pictures of every state of the page, in which some words of a bank are written."""
    page = recorder.page
    shot = lambda state: page.screenshot(path=folder / f"{name}-{state}.png")
    recorder.view("settings")
    page.fill("#own", "\n".join(word.text for word in words))
    recorder.set("order", "list")
    write = lambda at: recorder.dispatch(fractions(words[at], np.divide(*recorder.box[2:])))
    for at in range(3):
        write(at)
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
    picture = folder / f"{name}-write.png"
    page.set_input_files("#picture-file", picture)
    page.wait_for_timeout(300)
    shot("tracing")
    page.click("#picture-remove")
    page.wait_for_timeout(300)
    page.evaluate("showTrouble('trouble_full')")
    shot("full")


def main(argv=None):
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", default="data/starter.json.zip", help="bank to import")
    parser.add_argument("--shots", default="", help="folder for the pictures; empty takes none")
    settings = parser.parse_args(argv)
    if not find_chromium():
        sys.exit("needs Chromium: apt install chromium, or CHROMIUM=path")
    words = load_bank(settings.bank)
    with browser_type() as (chromium, options):
        browser = chromium.launch(**options)
        for size, shape in SIZES.items():
            for scheme in ("light", "dark"):
                recorder = Recorder(
                    browser.new_context(color_scheme=scheme, **shape).new_page()
                ).open()
                if settings.shots:
                    folder = Path(settings.shots)
                    folder.mkdir(parents=True, exist_ok=True)
                    recorder.page.screenshot(path=folder / f"{size}-{scheme}-first.png")
                told = recorder.import_files(settings.bank)[0]
                if scheme == "light":
                    print(f"{size}: {told}")
                    for what, gaps in zip(("writing", "scrolling"), write_and_scroll(recorder)):
                        print(
                            f"{size}, {what}: {len(gaps)} frames, median {np.median(gaps):.1f} ms, 95% within {np.percentile(gaps, 95):.1f} ms, longest {gaps.max():.1f} ms"
                        )
                if settings.shots:
                    shoot(
                        recorder,
                        folder,
                        f"{size}-{scheme}",
                        [word for word in words if re.fullmatch("[a-z]{5,8}", word.text)][:5],
                    )
                if recorder.errors:
                    print("errors:", *recorder.errors, sep="\n")
        browser.close()


if __name__ == "__main__":
    main()
