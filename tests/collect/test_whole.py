"""The recording page as a whole, from the first word to a trained model.

python -m pytest tests/collect/test_whole.py
"""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks.page import PAGE, fractions, loops
from benchmarks.recorder import write_and_scroll
from cursivetransformer.bank.file import load_bank, write_entries
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.ink.strokes import split_strokes
from tests.collect.common import ROOT, STARTER


@pytest.fixture(scope="module")
def server():
    """The address of the page where it is served; also counts what is asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=PAGE.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/{PAGE.name}", asked
    server.shutdown()


def test_nothing_leaves_the_page(new_recorder, server):
    url, asked = server
    asked.clear()
    recorder = new_recorder(url)
    recorder.draw(loops())
    recorder.press("Enter")
    for view in ("words", "letters", "settings", "write"):
        recorder.view(view)
    recorder.import_files(STARTER)
    recorder.settled()
    assert [path for path in recorder.requests if not path.startswith(("blob:", "data:"))] == [url]
    assert asked == [f"/{PAGE.name}"]
    blocked = recorder.page.evaluate("fetch('/anything').then(() => 'went out', () => 'blocked')")
    assert blocked == "blocked"
    recorder.errors.clear()  # the browser tells that it blocked this one


def test_a_bank_of_three_thousand_words_stays_smooth(recorder, tmp_path):
    words = load_bank(STARTER)
    entries = [word_to_entry(word) for word in words]
    for entry in entries[:500]:
        entries.append(
            {"metadata": {**entry["metadata"], "author": "another"}, "points": entry["points"]}
        )
    write_entries(tmp_path / "bank.json", entries)
    recorder.import_files(tmp_path / "bank.json")
    assert len(recorder.texts) == 3000
    recorder.settled().reload()
    for what, gaps in zip(("writing", "scrolling"), write_and_scroll(recorder)):
        print(
            f"{what}: median {np.median(gaps):.1f} ms, 95% within {np.percentile(gaps, 95):.1f} ms, longest {gaps.max():.1f} ms"
        )
        assert np.median(gaps) < 25 and np.percentile(gaps, 95) < 100, (
            "a loaded machine may drop frames, not all of them"
        )
    recorder.view("words")
    recorder.page.mouse.move(600, 400)
    for _ in range(10):
        recorder.page.mouse.wheel(0, 700)
        recorder.page.wait_for_timeout(50)
    assert 10 < recorder.page.locator("#cards li").count() < 120, "only cards in sight are there"


def test_a_bank_recorded_in_the_browser_trains_a_model_that_draws(recorder, tmp_path):
    recorder.set("author", "Ada")
    recorder.set("source", "free")
    written = load_bank(STARTER)[:40]
    for word in written:
        recorder.page.fill("#free", word.text)
        width = 6.0  # the paper's
        recorder.dispatch(fractions(word, width), "pen", pressure=0.5)
        recorder.press("Enter")
    recorder.page.fill("#free", "two words")
    recorder.dispatch([loops(90, 0.05, 0.2), loops(90, 0.25, 0.4)])
    recorder.press("Enter")
    recorder.export(tmp_path / "mine.json.zip", "zip")
    recorded = load_bank(tmp_path / "mine.json.zip", strict=True)
    assert [word.text for word in recorded] == [*(word.text for word in written), "two words"] and {
        word.author for word in recorded
    } == {"Ada"}
    ratio = recorded[0].metadata["aspectRatio"]
    for one, two in zip(recorded, written):
        for mine, theirs in zip(split_strokes(one.points), split_strokes(two.points), strict=True):
            xy = (theirs[:, :2] / (width, 1)).round(5)
            moved = np.append(
                True, (np.diff(xy, axis=0) != 0).any(1)
            )  # a pen that rests gives no points
            assert np.abs(mine[:, :2] / (ratio, 1) - xy[moved]).max() < 2e-5
    run = lambda *command: subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    trained = run(
        "train.py",
        "--dataset_name",
        tmp_path / "mine.json.zip",
        "--run_dir",
        tmp_path,
        "--wandb_run_name",
        "mine",
        "--max_steps",
        20,
        "--log_every",
        10,
        "--test_size",
        4,
        "--warmup_steps",
        2,
        "--device",
        "cpu",
        "--wandb",
        "off",
        "--batch_size",
        4,
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    drawn = run(
        "sample.py",
        recorded[0].text,
        "--checkpoint",
        tmp_path / "mine" / "last.pt",
        "--author",
        "Ada",
        "--missing",
        "skip",
        "--out",
        tmp_path / "mine.svg",
    )
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert "<path" in (tmp_path / "mine.svg").read_text()
