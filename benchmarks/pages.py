"""Pages: from a text to files, in seconds and in memory.

    python -m benchmarks.pages [--checkpoint runs/NAME/best.pt] [--words 10000]

Each row is one run of `sample.py` from its start to its end, three times in turn; the memory is the largest that the process held. What
layout and drawing take of a page is measured apart, in this process, on words that are written already.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.sampling import TEXT
from cursivetransformer import Writer
from cursivetransformer.ink.curves import smooth
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.layout.typesetter import lay_out
from cursivetransformer.render.outputs import ENDINGS, save_page
from cursivetransformer.render.plotter import route_length, sort_words, travel_distances
from cursivetransformer.utils.errors import run_script

RUNS = 3
PAGE_WORDS, LINE = 300, "The quick brown fox jumps over the lazy dog."
PAGE = ["--page", "A4"]


def run(arguments):
    """Seconds and MiB of one run of `sample.py`."""
    start = time.perf_counter()
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "sample.py", *arguments])
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit("sample.py failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def text_of(n_words):
    """That many words of English, in paragraphs."""
    words = TEXT.split()
    return "\n\n".join(
        " ".join(words[i % len(words)] for i in range(start, min(start + 120, n_words)))
        for start in range(0, n_words, 120)
    )


def drawing(checkpoint):
    """Print what a page of PAGE_WORDS costs beside the model."""
    letter = Writer.load(checkpoint, respell=1, say=lambda note: None).write(
        text_of(PAGE_WORDS), missing="skip", page="A4", x_height=2.3
    )
    texts, inks = [one.text for one in letter.words], [one.points for one in letter.words]

    def laid_out():
        hand = HandStatistics.from_words(inks, texts)
        return list(
            lay_out(
                [
                    PlacedWord(text, smooth(hand.normalize(points, text)))
                    for text, points in zip(texts, inks)
                ],
                letter.config,
                hand.x_height,
            )
        )

    with tempfile.TemporaryDirectory() as folder:
        steps = [("evened, smoothed, laid out", laid_out)]
        page = laid_out()[0]
        steps += [
            (
                ending,
                lambda path=Path(folder) / f"a{ending}": save_page(
                    page, path, dataclasses.replace(letter.config, pace=60.0)
                ),
            )
            for ending in ENDINGS
            if ending != ".gif"
        ]
        for name, step in steps:
            start = time.perf_counter()
            step()
            print(f"    {name:26} {time.perf_counter() - start:6.2f} s")
    ink = sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in page.strokes) / 1000
    written, plotted = (
        route_length(travel_distances(words), list(range(len(words)))) / 1000
        for words in (page.words, sort_words(page.words))
    )
    print(
        f"    a plotter draws {ink:.1f} m of ink; its ways between words: {written:.1f} m as written, {plotted:.1f} m as plotted"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="data/base.pt")
    parser.add_argument("--words", type=int, default=10_000)
    options = parser.parse_args()
    model = ["--checkpoint", options.checkpoint, "--missing", "skip"]
    with tempfile.TemporaryDirectory() as folder:

        def case(n_words, out, *more):
            path = Path(folder) / f"{n_words}.txt"
            path.write_text(text_of(n_words) if n_words > 9 else LINE)
            return [
                "--file",
                str(path),
                "--out",
                ",".join(f"{folder}/{name}" for name in out.split(",")),
                *model,
                *more,
            ]

        cases = {
            f"{PAGE_WORDS} words, A4, .svg": case(PAGE_WORDS, "a.svg", *PAGE, "--x_height", "2.3"),
            "the same as they come (--respell 1)": case(
                PAGE_WORDS, "b.svg", *PAGE, "--x_height", "2.3", "--respell", "1"
            ),
            "a line of 9 words, .gif": case(9, "c.gif"),
            "1,000 words, .svg and .pdf": case(1000, "d.svg,d.pdf", *PAGE, "--respell", "1"),
        }
        found = {name: [] for name in cases}
        for _ in range(RUNS):  # in turn, so that all meet the same weather
            for name, arguments in cases.items():
                found[name].append(run(arguments))
        cases[f"{options.words:,} words, .svg and .pdf"] = case(
            options.words, "e.svg,e.pdf", *PAGE, "--respell", "1"
        )
        found[list(cases)[-1]] = [run(list(cases.values())[-1])]
    for name, runs in found.items():
        seconds, memory = zip(*runs)
        print(f"{name:38} {statistics.median(seconds):6.1f} s, at most {max(memory):6.0f} MiB")
    print(f"{PAGE_WORDS} words on a page, beside the model:")
    drawing(options.checkpoint)


if __name__ == "__main__":
    run_script(main)
