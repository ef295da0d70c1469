"""The recording page as a whole, from the first word to a trained model."""

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
    """Serve the page. Yield its address and the list of requested paths."""
    requested = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requested.append(self.path)

    server = ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=PAGE.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}/{PAGE.name}", requested
    server.shutdown()


def test_nothing_leaves_the_page(new_recorder, server):
    url, requested = server
    requested.clear()
    recorder = new_recorder(url)
    recorder.draw(loops())
    recorder.press("Enter")
    for view in ("words", "letters", "settings", "write"):
        recorder.view(view)
    recorder.import_files(STARTER)
    recorder.settled()
    assert [path for path in recorder.requests if not path.startswith(("blob:", "data:"))] == [url]
    assert requested == [f"/{PAGE.name}"]
    blocked = recorder.page.evaluate("fetch('/anything').then(() => 'went out', () => 'blocked')")
    assert blocked == "blocked"
    recorder.errors.clear()  # the browser reports that it blocked this one


def test_a_bank_of_three_thousand_words_stays_smooth(recorder, tmp_path):
    words = load_bank(STARTER)
    entries = [word_to_entry(word) for word in words]
    for entry in entries[:500]:
        metadata = {**entry["metadata"], "author": "another"}
        entries.append({"metadata": metadata, "points": entry["points"]})
    write_entries(tmp_path / "bank.json", entries)
    recorder.import_files(tmp_path / "bank.json")
    assert len(recorder.texts) == 3000
    recorder.settled().reload()
    for what, gaps in zip(("writing", "scrolling"), write_and_scroll(recorder)):
        median, most = np.median(gaps), np.percentile(gaps, 95)
        print(
            f"{what}: median {median:.1f} ms, 95% within {most:.1f} ms, longest {gaps.max():.1f} ms"
        )
        assert median < 25 and most < 100, "a loaded machine may drop frames, not all of them"
    recorder.view("words")
    recorder.page.mouse.move(600, 400)
    for _ in range(10):
        recorder.page.mouse.wheel(0, 700)
        recorder.page.wait_for_timeout(50)
    assert 10 < recorder.page.locator("#cards li").count() < 120, "only the visible cards exist"


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
    bank = tmp_path / "mine.json.zip"
    recorder.export(bank, "zip")
    recorded = load_bank(bank, strict=True)
    assert [word.text for word in recorded] == [*(word.text for word in written), "two words"]
    assert {word.author for word in recorded} == {"Ada"}
    ratio = recorded[0].metadata["aspectRatio"]
    for word, original in zip(recorded, written):
        for stroke, original_stroke in zip(
            split_strokes(word.points), split_strokes(original.points), strict=True
        ):
            xy = (original_stroke[:, :2] / (width, 1)).round(5)
            # A resting pen adds no point.
            moved = np.append(True, (np.diff(xy, axis=0) != 0).any(1))
            assert np.abs(stroke[:, :2] / (ratio, 1) - xy[moved]).max() < 2e-5
    run = lambda *command: subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    quick = (
        "--max_steps 20 --log_every 10 --test_size 4 --warmup_steps 2 --batch_size 4"
        " --finetune none --device cpu --wandb off"
    ).split()
    folder = ("--run_dir", tmp_path, "--wandb_run_name", "mine")
    trained = run("train.py", "--dataset_name", bank, *folder, *quick)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    model = ("--checkpoint", tmp_path / "mine" / "last.pt", "--author", "Ada", "--missing", "skip")
    drawn = run("sample.py", recorded[0].text, *model, "--out", tmp_path / "mine.svg")
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert "<path" in (tmp_path / "mine.svg").read_text()
