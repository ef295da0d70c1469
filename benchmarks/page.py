"""The recording page in a real browser, as its user has it: for tests, and for `benchmarks.recorder`. Needs playwright when it opens one."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cursivetransformer.bank.word import BASELINE
from cursivetransformer.ink.strokes import split_strokes

PAGE = Path(__file__).parent.parent / "collect.html"
# Chromium's own calls to the network are shut off; nothing here is about them.
OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]

# Pointer events as a device sends them, all at once: much faster than one call of the driver for each.
DISPATCH = """([strokes, type, id, pressure]) => {
  const ink = document.getElementById("ink"), box = ink.getBoundingClientRect();
  const event = (name, x, y, more = {}) => new PointerEvent(name, { pointerId: id, pointerType: type, isPrimary: true, bubbles: true, cancelable: true, button: name === "pointermove" ? -1 : 0,
    buttons: name === "pointerup" ? 0 : 1, pressure: name === "pointerup" ? 0 : pressure, clientX: box.left + x * box.width, clientY: box.top + y * box.height, ...more });
  for (const stroke of strokes) {
    ink.dispatchEvent(event("pointerdown", ...stroke[0]));
    if (stroke.length > 1) ink.dispatchEvent(event("pointermove", ...stroke.at(-1), { coalescedEvents: stroke.slice(1).map(([x, y]) => event("pointermove", x, y)) }));
    ink.dispatchEvent(event("pointerup", ...stroke.at(-1)));
  }
}"""


def find_chromium():
    """The path of a Chromium or Chrome on this machine, or None."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"]
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


@contextmanager
def browser_type():
    """Playwright's Chromium, with the options that `launch` and `launch_persistent_context` need."""
    from playwright.sync_api import sync_playwright

    sandbox = (
        [] if not hasattr(os, "geteuid") or os.geteuid() else ["--no-sandbox"]
    )  # which Chromium cannot have as root
    with sync_playwright() as playwright:
        yield playwright.chromium, dict(executable_path=find_chromium(), args=OPTIONS + sandbox)


class Recorder:
    """The page in one tab of a browser, as its user has it."""

    def __init__(self, page, url=PAGE.as_uri()):
        self.page, self.url, self.errors, self.requests = page, url, [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self):
        self.page.goto(self.url)
        return self.ready()

    def ready(self):
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self

    def reload(self):
        self.page.reload()
        return self.ready()

    @property
    def box(self):
        """(left, top, width, height) of the paper in pixels."""
        return np.array(
            self.page.evaluate(
                "(({ left, top, width, height }) => [left, top, width, height])(document.getElementById('ink').getBoundingClientRect())"
            )
        )

    def pixels(self, fractions):
        """Fractions of the paper -> the nearest whole pixels of the window, as a mouse has them."""
        return np.round(np.array(fractions) * self.box[2:] + self.box[:2])

    def fractions(self, pixels):
        return (np.array(pixels) - self.box[:2]) / self.box[2:]

    def draw(self, stroke):
        """Write one stroke, (n, 2) fractions of the paper, with the mouse. Returns where its points truly lay: a mouse that rests gives none."""
        pixels = self.pixels(stroke)
        pixels = pixels[np.append(True, (np.diff(pixels, axis=0) != 0).any(1))]
        self.page.mouse.move(*pixels[0])
        self.page.mouse.down()
        for x, y in pixels[1:]:
            self.page.mouse.move(x, y)
        self.page.mouse.up()
        return self.fractions(pixels)

    def dispatch(self, strokes, device="mouse", pointer=1, pressure=0.5):
        """Write strokes with events made in the page, at the rate and with the pressure of any device."""
        self.page.evaluate(
            DISPATCH,
            [[np.asarray(stroke).tolist() for stroke in strokes], device, pointer, pressure],
        )

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def view(self, name):
        self.page.click(f"[data-view={name}]")

    def set(self, name, value):
        """Change a setting as its user would."""
        self.view("settings")
        control = self.page.locator(f"[data-setting={name}]")
        match control.evaluate(
            "element => element.tagName + (element.type === 'checkbox' ? element.type : '')"
        ):
            case "SELECT":
                control.select_option(str(value))
            case "INPUTcheckbox":
                control.set_checked(value)
            case _:
                control.fill(str(value))
                control.press("Tab")
        self.view("write")

    @property
    def prompt(self):
        return self.page.evaluate("writing.draft.text")

    @property
    def note(self):
        return self.page.inner_text("#note p")

    @property
    def strokes(self):
        """Strokes on the paper, (n, 2) arrays of fractions."""
        return [
            np.array(stroke).reshape(-1, 4)[:, :2]
            for stroke in self.page.evaluate(
                "writing.draft.strokes.map(stroke => Array.from(stroke))"
            )
        ]

    @property
    def texts(self):
        """Texts of the words that are kept, in the order in which they were added."""
        return self.page.evaluate("alive().sort(byAge).map(entry => entry.text)")

    def settled(self):
        """Wait until all is on disk."""
        self.page.evaluate("async () => { while (store.pending) await breath(); }")
        return self

    def export(self, path, kind="json"):
        """Save the bank as the button does."""
        self.view("words")
        with self.page.expect_download() as download:
            self.page.click(f"#export-{kind}")
        download.value.save_as(path)
        self.view("write")
        return download.value.suggested_filename

    def import_files(self, *paths):
        """Import as the button does. Returns the lines that the page tells then."""
        self.page.set_input_files("#import-file", list(paths))
        self.page.wait_for_selector("#message-list li", timeout=120_000)
        lines = self.page.locator("#message-list li").all_inner_texts()
        self.page.click("#message button")
        return lines


def loops(n=30, left=0.05, right=0.4):
    """A stroke like `eeee`, (n, 2) fractions of the paper."""
    angle = np.linspace(0, 10 * np.pi, n)
    return np.stack(
        [np.linspace(left, right, n) - 0.02 * np.sin(angle), 0.58 - 0.085 * np.cos(angle)], 1
    )


def fractions(word, aspect=6.0, left=0.03):
    """The strokes of a `Word` as they lie on paper that is `aspect` times as wide as high."""
    return [stroke[:, :2] / (aspect, 1) + (left, BASELINE) for stroke in split_strokes(word.points)]
