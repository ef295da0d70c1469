"""Evaluating a model, its report, and the scripts that read ink."""

import json
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.config.sample import get_evaluation_args
from cursivetransformer.config.train import get_all_args, get_recognizer_args
from cursivetransformer.evaluation import evaluator
from cursivetransformer.evaluation.evaluator import HELD_OUT, evaluate
from cursivetransformer.evaluation.report import markdown, save_report
from cursivetransformer.recognition.recognizer import Reading
from cursivetransformer.training.run import train
from cursivetransformer.training.train_recognizer import train_recognizers
from cursivetransformer.utils.errors import UserError
from tests.shapes import shape_words
from tests.training.test_trainer import SMALL

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a bank, two recognizers and a model of it, all of them hardly trained."""
    home = tmp_path_factory.mktemp("evaluation")
    bank = home / "shapes.json"
    write_entries(bank, [word_to_entry(word) for word in shape_words()])
    train_recognizers(
        get_recognizer_args(
            use_argparse=False,
            dataset_name=str(bank),
            max_steps=2,
            batch_size=2,
            recognizer_dir=str(home / "recognizers"),
            device="cpu",
        ),
        lambda sentence: None,
    )
    train(
        get_all_args(
            use_argparse=False,
            **SMALL,
            max_steps=8,
            dataset_name=str(bank),
            run_dir=str(home / "runs"),
            wandb_run_name="a",
            recognizer_dir=str(home / "recognizers"),
            read_words=4,
            monitor="reading",
        )
    )
    return home


@pytest.fixture(autouse=True)
def few_texts(monkeypatch):
    """Texts that three letters can spell."""
    monkeypatch.setattr("cursivetransformer.data.eval_texts.ENGLISH", "vivo ovo violin oi")
    monkeypatch.setattr("cursivetransformer.data.eval_texts.RANDOM_WORDS", 5)


def settings(home, **changes):
    return get_evaluation_args(
        use_argparse=False,
        **{
            "run_dir": str(home / "runs"),
            "recognizer_dir": str(home / "recognizers"),
            "device": "cpu",
            "best_of": "1,3",
            "max_words": 6,
            **changes,
        },
    )


def without_times(report):
    return {
        **report,
        "generated": {
            n: {key: value for key, value in part.items() if "second" not in key}
            for n, part in report["generated"].items()
        },
    }


def test_a_report_is_whole_and_the_same_for_the_same_seed(home, tmp_path):
    (report, written), (again, _), (other, _) = (
        evaluate(settings(home, seed=seed), lambda sentence: None) for seed in (1, 1, 2)
    )
    assert without_times(report) == without_times(again) != without_times(other)
    loss = report["loss"]
    assert loss["bits_per_offset"] == pytest.approx(loss["nats_per_offset"] / math.log(2))
    assert 0 < loss["nats_per_token"] < loss["nats_per_offset"]
    one, three = (report["generated"][n] for n in ("1", "3"))
    assert set(one["sets"]) == set(three["sets"]) >= {"random", HELD_OUT}
    assert one["tokens_per_second"] > 0
    n_words = sum(counts["words"] for counts in one["sets"].values())
    assert one["all"]["words"] == n_words == len(written) <= 24
    assert sum(c["misread"] for c in one["all"]["by_character"].values()) == one["all"]["edits"]
    assert written[0].versions[1].edits > 0  # hardly trained
    assert written[0].first is written[0].versions[1]
    assert report["real"]["recorded"]["words"] == 6
    assert set(report["style"]) == {"generated", "other real words"}
    paths = save_report(report, written, tmp_path / "report")
    assert json.loads(Path(paths[0]).read_text())["loss"] == loss
    table = Path(paths[1]).read_text()
    assert table == markdown(report) and "| generated: random |" in table and "`v`" in table
    assert Path(paths[2]).read_bytes().startswith(b"\x89PNG")


def test_only_the_recognizer_that_did_not_select_evaluates(home, monkeypatch):
    calls = []
    load = evaluator.load_recognizer

    def watched(path, device):
        recognizer = load(path, device)

        def examine(inks, texts):
            calls.append((path.stem, len(inks)))
            return [Reading()] * len(inks)

        recognizer.examine = examine
        recognizer.read = lambda inks: [reading.text for reading in examine(inks, [])]
        return recognizer

    monkeypatch.setattr(evaluator, "load_recognizer", watched)
    report, written = evaluate(settings(home), lambda sentence: None)
    evaluated = [n for name, n in calls if name == "evaluation"]
    # The recorded ink twice, then the words with each number of versions.
    assert evaluated == [6, 6, len(written), len(written)]
    # Every word is read as "", so it is drawn again, and only the other recognizer reads all
    # versions.
    assert sum(n for name, n in calls if name == "selection") == 6 + 3 * len(written)
    assert report["generated"]["3"]["doubtful"] == len(written)


def test_other_banks_and_missing_recognizers_are_told(home, tmp_path):
    other = tmp_path / "other.json"
    write_entries(other, [word_to_entry(word) for word in shape_words(40, seed=9)])
    messages = []
    evaluate(
        settings(
            home,
            dataset_name=str(other),
            recognizers=str(home / "recognizers" / "shapes"),
            best_of="1",
        ),
        messages.append,
    )
    # The model's bank, and each recognizer's.
    assert sum("note:" in message for message in messages) == 3
    with pytest.raises(UserError, match="has no recognizers of this bank; train them with"):
        evaluate(settings(home, recognizer_dir=str(tmp_path)), messages.append)
    with pytest.raises(UserError, match="there is no recognizer"):
        evaluate(settings(home, recognizers=str(tmp_path)), messages.append)
    for best_of in ("0", "1,x", ""):
        with pytest.raises(UserError, match="--best_of takes whole numbers"):
            settings(home, best_of=best_of)


@pytest.fixture
def run(home, monkeypatch, capsys):
    """Run a script as a command would, but in this process, where torch is loaded.

    Returns the exit code, the output and the errors.
    """
    monkeypatch.chdir(home)

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        code = 0
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as exit:
            code = exit.code
        return code, *capsys.readouterr()

    return run


def test_the_scripts_do_what_they_say(home, run):
    code, output, _ = run(
        "evaluate.py", "--best_of", "1,2", "--max_words", "3", "--out", "reports/a"
    )
    assert code == 0 and "## Legibility" in output
    assert sorted(path.name for path in (home / "reports").iterdir()) == ["a.json", "a.md", "a.png"]
    code, output, _ = run("sample.py", "ovi vio", "--out", "a.svg", "--respell", "2")
    assert code == 0 and "in its best of 2 versions" in output and "--rewrite 1" in output
    code, output, _ = run(
        "train_recognizer.py",
        "--dataset_name",
        "shapes.json",
        "--max_steps",
        "1",
        "--batch_size",
        "1",
        "--out",
        "other",
    )
    assert code == 0 and "recognizers written to other/" in output
    assert (home / "other" / "evaluation.pt").is_file()


@pytest.mark.parametrize(
    "script, arguments, sentence",
    [
        (
            "sample.py",
            ["ovi", "--respell", "4", "--recognizer_dir", "nowhere"],
            "needs a recognizer of this hand",
        ),
        ("sample.py", ["ovi", "--respell", "0"], "--respell takes a whole number between 1"),
        ("sample.py", ["ovi", "--rewrite", "2"], "the text has words 1 to 1"),
        (
            "train_recognizer.py",
            ["--dataset_name", "shapes.json", "--max_steps", "0"],
            "--max_steps takes a whole number between 1",
        ),
        ("train_recognizer.py", ["--dataset_name", "none.json"], "there is no file none.json"),
        (
            "evaluate.py",
            ["--checkpoint", "recognizers/shapes/selection.pt"],
            "holds a recognizer, not a checkpoint",
        ),
        ("evaluate.py", ["--recognizers", "runs"], "there is no recognizer"),
        ("evaluate.py", ["--out", "shapes.json/report"], "cannot be written"),
        (
            "train_recognizer.py",
            ["--dataset_name", "shapes.json", "--out", "shapes.json/recognizers"],
            "cannot be written",
        ),
        (
            "train.py",
            [
                "--dataset_name",
                "shapes.json",
                "--finetune",
                "none",
                "--monitor",
                "reading",
                "--recognizer_dir",
                "nowhere",
                "--device",
                "cpu",
            ],
            "--monitor reading needs a recognizer",
        ),
        ("train.py", ["--monitor", "reading", "--read_words", "0"], "--monitor must be 'loss'"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(run, script, arguments, sentence):
    code, _, errors = run(script, *arguments)
    assert code == 2 and sentence in errors and errors.count("\n") == 1, errors


def test_training_tells_how_its_ink_is_read_and_keeps_the_best_by_it(home):
    from cursivetransformer.models.checkpoint import load_checkpoint

    lines = (home / "runs" / "a" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    errors = [row["reading_error"] for row in rows]
    assert len(errors) == 2 and all(np.isfinite(errors))
    best, last = (
        load_checkpoint(home / "runs" / "a" / f"{name}.pt").training for name in ("best", "last")
    )
    assert last["best_error"] == min(errors)
    assert rows[best["step"] // 4 - 1]["reading_error"] == min(errors)


def test_rules_of_respelling_are_compared_on_the_same_versions(home, monkeypatch, capsys):
    from benchmarks import respelling

    folders = ["--run_dir", str(home / "runs"), "--recognizer_dir", str(home / "recognizers")]
    monkeypatch.setattr(sys, "argv", ["respelling", *folders, "--best_of", "4"])
    respelling.main()
    rows = [
        line.split("|")[1:-1]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| ") and "---" not in line
    ][1:]
    versions = [float(row[-1]) for row in rows]
    assert rows[0][0].strip() == "never" and versions[0] == 1
    assert versions[-1] == versions[-2] == 4
    # The surer a word must be, the more versions are drawn.
    assert versions[1:-2] == sorted(versions[1:-2])
