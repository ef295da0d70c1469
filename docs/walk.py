"""Do the README's four steps as a user does: record, export, adapt, write. Take an image of each.

    python -m docs.walk DIR [--words 100] [--bank bigbank]

A synthetic writer, unknown to every model, records words in the recording page in a real browser.
The bank, the run and the images go to DIR, the images also to docs/. With `--bank` the ink is that
of a bank of real words, which the page asks for as a list of one's own; then docs/ stays as it is,
because such ink may not be passed on. Needs pip install -e ".[page]" and a Chromium.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.first_words import write_phrase
from benchmarks.page import Recorder, browser_type, fractions
from cursivetransformer.bank.coverage import next_prompts
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import Word
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.utils.errors import UserError, run_script

NAME = "Nora"
SEED = 4321  # not the seed of a writer in the base model's training data
SCREENSHOT_WORD = 40  # index of the word on the paper in the screenshot
VIEW = dict(width=1100, height=620)
LETTER = (
    "Dear Ada,\n\nthis is my own hand. I wrote a hundred words into a page of my browser, "
    "and some minutes later my laptop wrote the rest. I have 8 more pages; I'll be done at 12:30. "
    "It never saw me write this sentence.\n\nYours,\nNora"
)
DOCS = Path(__file__).parent
N_STAGES = 4  # previews shown of the model as it adapts
N_COLORS = 16


def record(folder: Path, n_words: int, bank_name: str) -> Path:
    """Write words into the recording page and export them. Return the path of the bank."""
    real = {word.text: word for word in load_banks(bank_name)[0]} if bank_name else {}
    writer = Hand(NAME, SEED, load_fonts("own,hershey"))
    rng = np.random.default_rng(SEED)
    bank = folder / "mine.json"
    with browser_type() as (kind, options):
        browser = kind.launch(**options)
        recorder = Recorder(browser.new_page(viewport=VIEW)).open()
        recorder.set("author", NAME)
        if real:
            recorder.view("settings")
            recorder.page.fill("#own", "\n".join(next_prompts([], n_words, list(real))))
            recorder.set("source", "own")
        for i in range(n_words):
            word = real.get(recorder.prompt) or write_phrase(writer, recorder.prompt, rng)
            ratio = float(recorder.box[2] / recorder.box[3])
            points = word.points + np.array([0.3, 0, 0], np.float32)  # away from the edge
            word = Word(word.text, word.author, points)
            recorder.dispatch(fractions(word, ratio), "pen")
            if i == min(SCREENSHOT_WORD, n_words - 1):
                recorder.page.screenshot(path=folder / "1-record.png")
            recorder.press("Enter")
        recorder.export(bank)
        recorder.page.screenshot(path=folder / "2-exported.png")
        recorder.view("words")
        recorder.page.wait_for_timeout(500)
        recorder.page.screenshot(path=folder / "2-export.png")
        browser.close()
    return bank


def run(*command: object) -> None:
    """Run a script of the project as a user does."""
    process = subprocess.run([sys.executable, *map(str, command)], cwd=DOCS.parent)
    if process.returncode:
        raise UserError(f"{' '.join(map(str, command))} failed")


def stack_previews(run_folder: Path) -> Image.Image:
    """Stack the first line of previews from several steps of the run, one below the other."""
    paths = sorted(run_folder.glob("samples-*.png"), key=lambda path: int(path.stem.split("-")[1]))
    chosen = np.unique(np.linspace(0, len(paths) - 1, N_STAGES).round().astype(int))
    lines = [crop_to_first_line(Image.open(paths[i]).convert("L")) for i in chosen]
    width, height = max(line.width for line in lines), sum(line.height for line in lines)
    sheet = Image.new("L", (width, height), 255)
    top = 0
    for line in lines:
        sheet.paste(line, (0, top))
        top += line.height
    return sheet


def crop_to_first_line(preview: Image.Image) -> Image.Image:
    """Cut off the second line of a preview, at the row with least ink near the middle."""
    ink = (255 - np.asarray(preview, float)).sum(1)
    low, high = int(0.4 * preview.height), int(0.6 * preview.height)
    bottom = low + int(ink[low:high].argmin())
    return preview.crop((0, 0, preview.width, bottom))


def save_image(image: Image.Image, name: str) -> None:
    """Save an image to docs/ with few colors, which are enough for ink."""
    image.convert("RGB").quantize(N_COLORS).save(DOCS / name, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=Path)
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--bank", default="", help="bank of real words to replay")
    options = parser.parse_args()
    folder = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    bank = folder / "mine.json"
    if not bank.exists():
        record(folder, options.words, options.bank)
    runs = folder / "runs"
    model = runs / "mine" / "mine.pt"
    if not model.exists():
        own_run = ("--run_dir", runs, "--wandb_run_name", "mine", "--wandb", "off")
        run("train.py", "--dataset_name", bank, "--finetune", "base", *own_run)
    stack_previews(runs / "mine").save(folder / "3-adapt.png")
    letter = folder / "4-letter.png"
    page = "--page A6 --margin 12 --paper ruled --dpi 130".split()
    run("sample.py", LETTER, "--checkpoint", model, *page, "--out", letter)
    if not options.bank:
        for step in ("1-record", "2-export", "3-adapt", "4-letter"):
            save_image(Image.open(folder / f"{step}.png"), f"walk-{step}.png")


if __name__ == "__main__":
    run_script(main)
