"""The README's four steps, done as their user does them, with a picture of each: record, export, adapt, write.

    python -m docs.walk DIR [--words 100]        # needs pip install -e ".[page]" and a Chromium

Somebody whom no model has seen, a writer of the synthetic pen, records words in the recording page in a real browser. DIR gets the bank and
the run, docs/ the pictures.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.page import Recorder, browser_type, fractions
from cursivetransformer.bank.word import Word
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.utils.errors import UserError, run_script

NAME, SEED = "Nora", 4321  # no seed of the writers that the base learnt
SHOWN = 40  # the word that is on the paper when its picture is taken
VIEW = dict(width=1100, height=620)
LETTER = (
    "Dear Ada,\n\nthis is my own hand. I wrote a hundred words into a page of my browser, and some minutes later my laptop wrote the rest. "
    "It never saw me write this sentence.\n\nYours,\nNora"
)
DOCS = Path(__file__).parent
STAGES = 4  # pictures of the sentence as it becomes one's own hand
COLOURS = 16


def record(folder, n):
    """Write `n` words into the recording page, and export them. Returns the bank's path."""
    writer, rng = Hand(NAME, SEED, load_fonts("own,hershey")), np.random.default_rng(SEED)
    bank = folder / "mine.json"
    with browser_type() as (kind, options):
        browser = kind.launch(**options)
        recorder = Recorder(browser.new_page(viewport=VIEW)).open()
        recorder.set("author", NAME)
        for i in range(n):
            word = write_word(writer, recorder.prompt, rng)
            ratio = float(recorder.box[2] / recorder.box[3])
            word = Word(
                word.text, word.author, word.points + np.array([0.3, 0, 0], np.float32)
            )  # not at the very edge
            recorder.dispatch(fractions(word, ratio), "pen")
            if i == min(SHOWN, n - 1):
                recorder.page.screenshot(path=folder / "1-record.png")
            recorder.press("Enter")
        recorder.view("words")
        recorder.page.wait_for_timeout(500)
        recorder.page.screenshot(path=folder / "2-export.png")
        recorder.export(bank)
        browser.close()
    return bank


def run(*command):
    """Run a script of the project as its user would."""
    done = subprocess.run([sys.executable, *map(str, command)], cwd=DOCS.parent)
    if done.returncode:
        raise UserError(f"{' '.join(map(str, command))} failed")


def stages(run_folder):
    """The same sentence at several steps of the run, one under the other."""
    paths = sorted(run_folder.glob("samples-*.png"), key=lambda path: int(path.stem.split("-")[1]))
    chosen = [
        paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, STAGES).round().astype(int))
    ]
    pictures = [Image.open(path).convert("L") for path in chosen]
    pictures = [
        picture.crop((0, 0, picture.width, below_first_line(picture))) for picture in pictures
    ]
    sheet = Image.new("L", (max(p.width for p in pictures), sum(p.height for p in pictures)), 255)
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def below_first_line(picture):
    """The row about the middle of a preview with least ink: its second line holds other words."""
    ink = (255 - np.asarray(picture, float)).sum(1)
    low, high = int(0.4 * picture.height), int(0.6 * picture.height)
    return low + int(ink[low:high].argmin())


def keep(picture, name):
    """Put a picture into docs/, with few colours, which is enough for ink."""
    picture.convert("RGB").quantize(COLOURS).save(DOCS / name, optimize=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=Path)
    parser.add_argument("--words", type=int, default=100)
    options = parser.parse_args()
    folder = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    bank = folder / "mine.json"
    if not bank.exists():
        record(folder, options.words)
    if not (folder / "runs" / "mine" / "mine.pt").exists():
        run(
            "train.py",
            "--dataset_name",
            bank,
            "--finetune",
            "base",
            "--run_dir",
            folder / "runs",
            "--wandb_run_name",
            "mine",
            "--wandb",
            "off",
        )
    run(
        "sample.py",
        LETTER,
        "--checkpoint",
        folder / "runs" / "mine" / "mine.pt",
        "--page",
        "A6",
        "--margin",
        12,
        "--paper",
        "ruled",
        "--dpi",
        130,
        "--out",
        folder / "4-letter.png",
    )
    keep(Image.open(folder / "1-record.png"), "walk-1-record.png")
    keep(Image.open(folder / "2-export.png"), "walk-2-export.png")
    keep(stages(folder / "runs" / "mine"), "walk-3-adapt.png")
    keep(Image.open(folder / "4-letter.png"), "walk-4-letter.png")


if __name__ == "__main__":
    run_script(main)
