"""The benchmarks that train."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace as Fake

import numpy as np
import pytest

from benchmarks import personal
from benchmarks.ablations import VARIANTS
from benchmarks.time_to_loss import Recipe

ROOT = Path(__file__).parent.parent
SMALL = (
    "--device cpu --n_embd 32 --n_embd_context 32 --n_head 2 --n_ctx_head 2 --n_layer 2"
    " --batch_size 4"
).split()


def run(*words):
    result = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_two_recipes_race_and_leave_their_figures_pictures_and_checkpoints(made_up_bank, tmp_path):
    out = ("--out", tmp_path / "race", "--run_dir", tmp_path / "runs")
    bank = ("--dataset_name", made_up_bank, "--finetune", "none")
    printed = run("benchmarks.time_to_loss", "--minutes", "0.06", *out, *bank, *SMALL)
    assert "nats per offset" in printed and "of the positions real" in printed
    fast, slow = json.loads((tmp_path / "race.json").read_text())["recipes"]
    assert (fast["preset"], slow["preset"]) == ("cpu", "paper")
    assert fast["real_share"] == 1 > slow["real_share"]
    for recipe in (fast, slow):
        seconds, steps, losses = zip(*recipe["curve"])
        assert list(seconds) == sorted(seconds) and 3.6 <= seconds[-1] < 10
        assert losses[-1] < losses[0]
    written = {path.name for path in tmp_path.glob("race*")}
    assert written == {"race.json", "race.png", "race-fast.png", "race-slow.png"}
    assert len(list((tmp_path / "runs").glob("*/last.pt"))) == 2


def test_the_seconds_to_a_loss_are_never_flattered():
    recipe = Recipe.__new__(Recipe)
    recipe.curve = [[2.0, 1, 9.0], [4.0, 2, 7.0], [8.0, 3, 7.5], [16.0, 4, 5.0]]
    seconds = [recipe.seconds_to(loss) for loss in (9.5, 9.0, 8.0, 6.0, 5.0, 4.0)]
    assert seconds == [2.0, 2.0, 4.0, 16.0, 16.0, None]


@pytest.mark.slow
def test_every_ablation_trains(made_up_bank, tmp_path):
    quick = "--steps 2 --threads 1 --batch_size 4 --test_size 4".split()
    bank = ("--dataset_name", made_up_bank, "--run_dir", tmp_path)
    printed = run("benchmarks.ablations", "all", *quick, *bank)
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines] == list(VARIANTS)
    losses = {line.split("|")[1].strip(): float(line.split("|")[4]) for line in lines}
    assert all(0 < loss < 12 for loss in losses.values())
    assert len(set(losses.values())) > len(losses) / 2, (
        "a variant that changes nothing measures nothing"
    )


def test_results_of_few_words_become_tables_and_a_plot(tmp_path):
    measured = lambda error: {
        versions: {"english": error, "held_out": 2 * error, "style": 0.1, "measures": {}}
        for versions in ("1", "8")
    }
    rows = [
        {
            "way": way,
            "n": n,
            "seed": seed,
            "words": n,
            "core_seconds": 60.4,
            "steps": 5,
            "threads": 1,
            "found": measured(error + 0.01 * seed),
        }
        for way, n, seed, error in (
            ("adapted", 25, 0, 0.04),
            ("adapted", 25, 1, 0.04),
            ("scratch", 25, 0, 0.5),
            ("author", 100, 0, 0.2),
        )
    ]
    rows.append({"way": "unlearnt", "n": 0, "seed": 0, "found": {"its hand": measured(0.3)}})
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    printed = run("benchmarks.personal", "table", tmp_path, tmp_path / "plot.png")
    assert "| 25 | adapted | 2 | 4.5% (4.0-5.0) |" in printed
    assert "| 5 | 60 |" in printed
    assert "| 25 | from scratch | 1 | 50.0% |" in printed
    assert "| its hand | 30.0% | 60.0% | 0.100 |" in printed
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_a_model_leaves_out_the_characters_that_it_never_saw_and_each_is_an_error(monkeypatch):
    ink = np.array([[0, 0, 1], [0, -0.1, 1], [0.1, 0, 0]], np.float32)
    written = []

    def generate(model, tokenizer, texts, *_, **__):
        written.extend(texts)
        return [Fake(points=ink) for _ in texts]

    judge = personal.Judge.__new__(personal.Judge)
    judge.english, judge.held_out = ["ab", "b"], [Fake(text="a", points=ink)]
    judge.evaluation_recognizer = Fake(read=lambda inks: ["a" if len(one) else "" for one in inks])
    monkeypatch.setattr(personal, "as_written", lambda points, *_: points)
    monkeypatch.setattr(personal, "generate_best_of_n", generate)
    measured = judge.measure(Fake(eval=lambda: None), Fake(alphabet=" a"), 0, 1.0, 0.5)["1"]
    assert written == ["a", "a"]
    assert measured["english"] == 2 / 3 and measured["held_out"] == 0


@pytest.mark.slow
def test_every_stage_of_a_card_s_figures_works(made_up_bank, tmp_path):
    """On a CPU, as no card is needed to see that a stage is not broken."""
    few = "--max_steps 6 --log_every 3 --print_every 1 --test_size 6 --read_words 0 --threads 1"
    settings = ["--dataset_name", made_up_bank, "--finetune", "none", *SMALL[2:], *few.split()]
    for name in ("card", "run", "stop"):
        extra = settings if name != "card" else []
        figures = json.loads(run("benchmarks.gpu", "--stage", name, "cpu", *extra).splitlines()[-1])
        assert figures and not any("failed" in str(value) for value in figures.values())
