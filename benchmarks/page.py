"""Drive the recording page in a real browser, for tests and for `benchmarks.recorder`.

Opening a browser needs playwright.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cursivetransformer.bank.word import BASELINE, Word
from cursivetransformer.ink.strokes import split_strokes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from playwright.sync_api import BrowserType, ConsoleMessage, Page

PAGE = Path(__file__).parent.parent / "collect.html"
# Turn off Chromium's own network requests, which are not the page's.
OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]

# Dispatch all pointer events of some strokes at once: much faster than a call of the driver for
# each.
DISPATCH = """([strokes, pointerType, pointerId, pressure]) => {
  const ink = document.getElementById("ink"), box = ink.getBoundingClientRect();
  const event = (name, x, y, more = {}) => new PointerEvent(name, {
    pointerId, pointerType, isPrimary: true, bubbles: true, cancelable: true,
    button: name === "pointermove" ? -1 : 0,
    buttons: name === "pointerup" ? 0 : 1,
    pressure: name === "pointerup" ? 0 : pressure,
    clientX: box.left + x * box.width,
    clientY: box.top + y * box.height,
    ...more,
  });
  for (const stroke of strokes) {
    ink.dispatchEvent(event("pointerdown", ...stroke[0]));
    if (stroke.length > 1) {
      const coalescedEvents = stroke.slice(1).map(([x, y]) => event("pointermove", x, y));
      ink.dispatchEvent(event("pointermove", ...stroke.at(-1), { coalescedEvents }));
    }
    ink.dispatchEvent(event("pointerup", ...stroke.at(-1)));
  }
}"""

PAPER_BOX = """(({ left, top, width, height }) => [left, top, width, height])(
  document.getElementById("ink").getBoundingClientRect()
)"""


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, or None."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"]
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


@contextmanager
def browser_type() -> Iterator[tuple[BrowserType, dict[str, Any]]]:
    """Yield Playwright's Chromium and the options for `launch` or `launch_persistent_context`."""
    from playwright.sync_api import sync_playwright

    options = list(OPTIONS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        yield playwright.chromium, dict(executable_path=find_chromium(), args=options)


class Recorder:
    """The recording page in one tab of a browser, driven as a user drives it.

    errors: what the page reported to the console; requests: the addresses that it requested.
    """

    def __init__(self, page: Page, url: str = "") -> None:
        self.page = page
        self.url = url or PAGE.as_uri()
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._keep_error)
        page.on("request", lambda request: self.requests.append(request.url))

    def _keep_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self) -> Recorder:
        self.page.goto(self.url)
        return self.ready()

    def ready(self) -> Recorder:
        """Wait until the page has loaded its words."""
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self

    def reload(self) -> Recorder:
        self.page.reload()
        return self.ready()

    @property
    def box(self) -> np.ndarray:
        """(left, top, width, height) of the paper in pixels."""
        return np.array(self.page.evaluate(PAPER_BOX))

    def pixels(self, fractions: ArrayLike) -> np.ndarray:
        """Convert fractions of the paper to whole pixels of the window, as a mouse has them."""
        return np.round(np.array(fractions) * self.box[2:] + self.box[:2])

    def fractions(self, pixels: ArrayLike) -> np.ndarray:
        """Convert pixels of the window to fractions of the paper."""
        return (np.array(pixels) - self.box[:2]) / self.box[2:]

    def draw(self, stroke: ArrayLike) -> np.ndarray:
        """Write one stroke, (n, 2) fractions of the paper, with the mouse.

        Returns:
            The fractions of its pixels, without repeated ones, since a resting mouse sends nothing.
        """
        pixels = self.pixels(stroke)
        pixels = pixels[np.append(True, (np.diff(pixels, axis=0) != 0).any(1))]
        self.page.mouse.move(*pixels[0])
        self.page.mouse.down()
        for x, y in pixels[1:]:
            self.page.mouse.move(x, y)
        self.page.mouse.up()
        return self.fractions(pixels)

    def dispatch(
        self,
        strokes: Sequence[ArrayLike],
        device: str = "mouse",
        pointer: int = 1,
        pressure: float = 0.5,
    ) -> None:
        """Write strokes, (n, 2) fractions of the paper, by events made in the page."""
        points = [np.asarray(stroke).tolist() for stroke in strokes]
        self.page.evaluate(DISPATCH, [points, device, pointer, pressure])

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def view(self, name: str) -> None:
        """Switch to a view: write, words, letters or settings."""
        self.page.click(f"[data-view={name}]")

    def set(self, name: str, value: object) -> None:
        """Change a setting in the settings view."""
        self.view("settings")
        control = self.page.locator(f"[data-setting={name}]")
        kind = "element => element.tagName + (element.type === 'checkbox' ? element.type : '')"
        match control.evaluate(kind):
            case "SELECT":
                control.select_option(str(value))
            case "INPUTcheckbox":
                control.set_checked(bool(value))
            case _:
                control.fill(str(value))
                control.press("Tab")
        self.view("write")

    @property
    def prompt(self) -> str:
        return self.page.evaluate("writing.draft.text")

    @property
    def note(self) -> str:
        return self.page.inner_text("#note p")

    @property
    def strokes(self) -> list[np.ndarray]:
        """Strokes on the paper, (n, 2) arrays of fractions."""
        strokes = self.page.evaluate(
            "writing.draft.strokes.map(stroke => Array.from(stroke))"  # x, y, time, pressure
        )
        return [np.array(stroke).reshape(-1, 4)[:, :2] for stroke in strokes]

    @property
    def texts(self) -> list[str]:
        """Texts of the recorded words, oldest first."""
        return self.page.evaluate("alive().sort(byAge).map(entry => entry.text)")

    def settled(self) -> Recorder:
        """Wait until all is on disk."""
        self.page.evaluate("async () => { while (store.pending) await breath(); }")
        return self

    def export(self, path: str | Path, kind: str = "json") -> str:
        """Save the bank with the button for "json" or "zip". Return the suggested file name."""
        self.view("words")
        with self.page.expect_download() as download:
            self.page.click(f"#export-{kind}")
        download.value.save_as(path)
        self.view("write")
        return download.value.suggested_filename

    def import_files(self, *paths: str | Path) -> list[str]:
        """Import files with the button. Return the lines of the page's message."""
        self.page.set_input_files("#import-file", list(paths))
        self.page.wait_for_selector("#message-list li", timeout=120_000)
        lines = self.page.locator("#message-list li").all_inner_texts()
        self.page.click("#message button")
        return lines


def loops(n: int = 30, left: float = 0.05, right: float = 0.4) -> np.ndarray:
    """Return a stroke like `eeee`, (n, 2) fractions of the paper."""
    angle = np.linspace(0, 10 * np.pi, n)
    x = np.linspace(left, right, n) - 0.02 * np.sin(angle)
    return np.stack([x, 0.58 - 0.085 * np.cos(angle)], 1)


def fractions(word: Word, aspect: float = 6.0, left: float = 0.03) -> list[np.ndarray]:
    """Place the strokes of a word on paper that is `aspect` times as wide as high.

    Returns:
        (n, 2) arrays of fractions of the paper.
    """
    return [stroke[:, :2] / (aspect, 1) + (left, BASELINE) for stroke in split_strokes(word.points)]
