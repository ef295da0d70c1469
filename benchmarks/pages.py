"""Measure the seconds and the memory from a text to files.

    python -m benchmarks.pages [--checkpoint runs/NAME/best.pt] [--words 10000]

Each row is one run of `sample.py` from start to end, three times in turn. The memory is the peak of
the process. Layout and drawing of a page are measured separately, in this process, on words that
are already written.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.sampling import TEXT
from cursivetransformer import Writer
from cursivetransformer.ink.curves import smooth
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import Page, PlacedWord
from cursivetransformer.layout.typesetter import lay_out
from cursivetransformer.pipeline import Document
from cursivetransformer.render.outputs import ENDINGS, save_page
from cursivetransformer.render.plotter import route_length, sort_words, travel_distances
from cursivetransformer.utils.errors import run_script

RUNS = 3
PAGE_WORDS = 300
PARAGRAPH_WORDS = 120
LINE = "The quick brown fox jumps over the lazy dog."
LINE_WORDS = 9
PAGE = ["--page", "A4"]


def run(arguments: Sequence[str]) -> tuple[float, float]:
    """Run `sample.py`. Return its seconds and MiB."""
    start = time.perf_counter()
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "sample.py", *arguments])
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit("sample.py failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def make_text(n_words: int) -> str:
    """Return that many words of English, in paragraphs."""
    words = TEXT.split()
    paragraphs = []
    for start in range(0, n_words, PARAGRAPH_WORDS):
        end = min(start + PARAGRAPH_WORDS, n_words)
        paragraphs.append(" ".join(words[i % len(words)] for i in range(start, end)))
    return "\n\n".join(paragraphs)


def lay_out_again(letter: Document) -> list[Page]:
    """Normalize, smooth and lay out the words of a letter."""
    texts, inks = [word.text for word in letter.words], [word.points for word in letter.words]
    hand = HandStatistics.from_words(inks, texts)
    words = [
        PlacedWord(text, smooth(hand.normalize(points, text))) for text, points in zip(texts, inks)
    ]
    return list(lay_out(words, letter.config, hand.x_height))


def print_seconds(name: str, step: Callable[[], object]) -> None:
    """Run a step and print its time."""
    start = time.perf_counter()
    step()
    print(f"    {name:26} {time.perf_counter() - start:6.2f} s")


def measure_page(checkpoint: str) -> None:
    """Print the time of each step of a page of PAGE_WORDS beside the model, and plotter routes."""
    letter = Writer.load(checkpoint, respell=1, say=lambda note: None).write(
        make_text(PAGE_WORDS), missing="skip", page="A4", x_height=2.3
    )
    page = lay_out_again(letter)[0]
    config = dataclasses.replace(letter.config, pace=60.0)
    print_seconds("evened, smoothed, laid out", partial(lay_out_again, letter))
    with tempfile.TemporaryDirectory() as folder:
        for ending in ENDINGS:
            if ending != ".gif":
                path = Path(folder) / f"a{ending}"
                print_seconds(ending, partial(save_page, page, path, config))
    ink = sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in page.strokes) / 1000
    as_written, as_plotted = (
        route_length(travel_distances(words), list(range(len(words)))) / 1000
        for words in (page.words, sort_words(page.words))
    )
    print(
        f"    a plotter draws {ink:.1f} m of ink; its ways between words: "
        f"{as_written:.1f} m as written, {as_plotted:.1f} m as plotted"
    )


def measure_runs(checkpoint: str, n_words: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds and MiB of each run, by a description of its task."""
    with tempfile.TemporaryDirectory() as folder:

        def arguments(text: str, names: Sequence[str], *options: str) -> list[str]:
            path = Path(folder) / f"{len(text)}.txt"
            path.write_text(text)
            out = ",".join(f"{folder}/{name}" for name in names)
            model = ["--checkpoint", checkpoint, "--missing", "skip"]
            return ["--file", str(path), "--out", out, *model, *options]

        page_text = make_text(PAGE_WORDS)
        page_options = [*PAGE, "--x_height", "2.3"]
        cases = {
            f"{PAGE_WORDS} words, A4, .svg": arguments(page_text, ["a.svg"], *page_options),
            "the same as they come (--respell 1)": arguments(
                page_text, ["b.svg"], *page_options, "--respell", "1"
            ),
            f"a line of {LINE_WORDS} words, .gif": arguments(LINE, ["c.gif"]),
            "1,000 words, .svg and .pdf": arguments(
                make_text(1000), ["d.svg", "d.pdf"], *PAGE, "--respell", "1"
            ),
        }
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(RUNS):  # in turn, so that the load of the machine affects all
            for name, case in cases.items():
                costs[name].append(run(case))
        long_case = arguments(make_text(n_words), ["e.svg", "e.pdf"], *PAGE, "--respell", "1")
        costs[f"{n_words:,} words, .svg and .pdf"] = [run(long_case)]
    return costs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    parser.add_argument("--words", type=int, default=10_000)
    options = parser.parse_args()
    for name, costs in measure_runs(options.checkpoint, options.words).items():
        seconds, memory = zip(*costs)
        print(f"{name:38} {statistics.median(seconds):6.1f} s, at most {max(memory):6.0f} MiB")
    print(f"{PAGE_WORDS} words on a page, beside the model:")
    measure_page(options.checkpoint)


if __name__ == "__main__":
    run_script(main)
