"""Adapting a model to a new hand."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cursivetransformer.bank.authors import ME
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.registry import bank_name, load_banks
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.config.sample import get_sample_args
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataloader import DataLoader, mix
from cursivetransformer.data.dataset import own_words
from cursivetransformer.ink import measures
from cursivetransformer.ink.strokes import resize
from cursivetransformer.models.checkpoint import SHIPPED, find_checkpoint, load_checkpoint
from cursivetransformer.pipeline import Writer, draw_authors, write_page
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.training import finetune
from cursivetransformer.training import run as runs
from cursivetransformer.training import train_recognizer as recognizers
from cursivetransformer.training.finetune import (
    base_name,
    choose_scale,
    choose_settings,
    init_author_embeddings,
    load_replay,
)
from cursivetransformer.training.run import init_from, new_run, train
from cursivetransformer.utils.errors import UserError

ROOT = Path(__file__).parent.parent.parent
TEXTS = (
    "reaction installed performing fortunately quick brown jumps over lazy dog five boxing "
    "wizards Maybe Never 305 (see) it's ready. Zoo, "
    "kept vex glib jocks What next hymn quilt fjord wax"
).split()


def new_hand(name="Zoe", seed=977, texts=TEXTS):
    """Words by a writer whom the shipped model has not seen."""
    writer, rng = Hand(name, seed, load_fonts("own")), np.random.default_rng(0)
    return [write_word(writer, text, rng) for text in texts]


@pytest.fixture
def bank(tmp_path):
    """A function that writes words to a bank and returns its path."""

    def write(words, name="mine.json"):
        write_entries(
            tmp_path / name, [word_to_entry(replace(word, metadata={})) for word in words]
        )
        return tmp_path / name

    return write


@pytest.fixture
def quick(monkeypatch):
    """Next to no training, and a small replay."""
    monkeypatch.setattr(finetune, "RECOGNIZER_STEPS", 1)
    monkeypatch.setattr(finetune, "SPLICE_WORDS", 60)
    starter = load_banks("starter")[0][:40]
    monkeypatch.setattr(
        finetune,
        "load_banks",
        lambda name, *rest: (starter, "") if name == "starter" else load_banks(name, *rest),
    )
    monkeypatch.setattr(runs, "draw_samples", lambda model, loader, path: path.write_bytes(b""))


def settings(path, tmp_path, **changes):
    return get_all_args(
        use_argparse=False,
        **{
            **dict(
                dataset_name=str(path),
                init="base",
                device="cpu",
                wandb="off",
                run_dir=str(tmp_path / "runs"),
                wandb_run_name="a",
                max_steps=2,
                log_every=1,
                batch_size=2,
                read_words=2,
            ),
            **changes,
        },
    )


def test_settings_follow_from_the_bank_and_what_is_given_wins(bank, tmp_path):
    words = new_hand()
    config = choose_settings(settings(bank(words), tmp_path, shear_width=0.5), words)
    assert (config.start_from, config.replay, config.max_steps, config.shear_width) == (
        str(SHIPPED),
        "starter",
        2,
        0.5,
    )
    assert (
        0 < config.own_fraction < config.splice_fraction < 1 and 0.05 < config.test_fraction <= 0.2
    )
    few, many = (choose_settings(settings("x", tmp_path), words * n) for n in (1, 50))
    assert (
        few.own_fraction < many.own_fraction
        and finetune.recipe(30)["max_steps"] < finetune.recipe(3000)["max_steps"]
    )


def test_the_more_words_the_less_is_spliced_until_nothing_is(bank, tmp_path, monkeypatch, quick):
    shares = [
        (finetune.recipe(n)["own_fraction"], finetune.recipe(n)["splice_fraction"])
        for n in (20, 25, 60, 100, 300, 800, 1500, 2700, 9000)
    ]
    assert all(0 < own and own + spliced < 1 for own, spliced in shares)
    assert [spliced for _, spliced in shares] == sorted(
        (spliced for _, spliced in shares), reverse=True
    ) and shares[-1][1] == shares[-2][1] == 0 < shares[-3][1]
    monkeypatch.setattr(
        runs,
        "make_spliced_words",
        lambda *_: pytest.fail("words are made that no share is left for"),
    )
    assert (
        new_run(
            settings(bank(new_hand()), tmp_path, splice_fraction=0.0), warn=lambda sentence: None
        ).mixture.spliced
        == []
    )


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_ink_of_any_size_and_rate_is_brought_to_what_the_base_knows(bank, tmp_path, factor):
    words = [replace(word, points=resize(word.points, factor)) for word in new_hand()]
    config = choose_settings(settings("x", tmp_path), words)
    prepared = own_words(words, config)
    assert measures.estimate_x_height(
        [word.points for word in prepared], [word.text for word in prepared]
    ) == pytest.approx(finetune.X_HEIGHT, rel=0.01)
    assert config.ink_scale == pytest.approx(choose_scale(new_hand()) / factor, rel=0.02)
    # However large the ink and however dense its points are, as many are kept.
    denser = [replace(word, points=np.repeat(word.points, 2, axis=0)) for word in words]
    for word in denser:
        word.points[0::2, 2] = 1
        word.points[0:-2:2, :2] = (word.points[0:-2:2, :2] + word.points[1:-1:2, :2]) / 2
    kept = [
        (1 - choose_settings(settings("x", tmp_path), some).downsample_mean)
        * sum(len(word.points) for word in some)
        for some in (new_hand(), words, denser)
    ]
    assert kept[1] == pytest.approx(kept[0], rel=0.05) and kept[2] == pytest.approx(
        kept[0], rel=0.1
    )


def test_too_few_words_are_refused_with_advice(bank, tmp_path):
    path = bank(new_hand()[:7])
    with pytest.raises(
        UserError,
        match="7 words are too few .* record 13 more at least.*cursive bank advise .*mine.json",
    ):
        new_run(settings(path, tmp_path))
    done = subprocess.run(
        [
            sys.executable,
            "train.py",
            "--dataset_name",
            path,
            "--finetune",
            "base",
            "--run_dir",
            tmp_path / "runs",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "runs").exists()
    )


def test_init_and_start_from_contradict_each_other_and_init_must_be_there(bank, tmp_path):
    with pytest.raises(UserError, match="--finetune must be left out"):
        settings("x", tmp_path, start_from="data/base.pt")
    with pytest.raises(UserError, match="there is no checkpoint nowhere.pt"):
        new_run(settings(bank(new_hand()), tmp_path, init="nowhere.pt"), lambda sentence: None)


def test_one_small_file_arrives_that_writes_in_the_new_hand_and_offers_no_other(
    bank, tmp_path, quick
):
    words = new_hand() + [
        replace(word, text=text)
        for word, text in zip(new_hand(texts=["deja", "naive"]), ("déjà", "naïve"))
    ]
    told = []
    path = train(settings(bank(words), tmp_path), told.append)
    assert path == tmp_path / "runs" / "a" / "mine.pt" and path.stat().st_size < 4 << 20
    loaded, base = load_checkpoint(path), load_checkpoint(SHIPPED)
    assert loaded.model.config.authors == ["Zoe", *base.model.config.authors]
    assert set(loaded.tokenizer.alphabet) == set(base.tokenizer.alphabet) | set("éàï")
    assert (
        loaded.origin["base"] == "base.pt"
        and len(loaded.origin["base_digest"]) == 64
        and loaded.origin["words"] == len(words)
    )
    assert (
        loaded.config.dataset_name.endswith("mine.json")
        and loaded.bank_digest == load_banks(loaded.config.dataset_name)[1]
    )
    assert set(loaded.origin["recorded"]["Zoe"]) == set("".join(word.text for word in words))
    # It holds its recognizer, so spelling is checked, and unrecorded letters are named.
    monk = get_sample_args(
        use_argparse=False,
        text="déjà &",
        checkpoint=str(path),
        out=str(tmp_path / "a.svg"),
        recognizer_dir=str(tmp_path),
        respell=2,
    )
    notes = []
    summary = write_page(monk, notes.append)
    assert (
        summary.unrecorded == {"&"} and notes == [] and "<path" in (tmp_path / "a.svg").read_text()
    )
    # The hands that the model began with decay in training, so they are not offered.
    writer = Writer.load(path, run_dir=str(tmp_path), respell=1)
    assert writer.authors == ["Zoe"]
    for asked in ({"author": "cleo"}, {"style_from": "Cleo"}):
        with pytest.raises(UserError, match="mine.pt writes as Zoe; .* --checkpoint base"):
            writer.write("old", **asked)
    assert writer.write("old", author="zoe").origin.author == "Zoe"
    assert draw_authors(replace(monk, text="old", out=str(tmp_path / "b.png"), respell=1)) == [
        "Zoe"
    ]
    assert find_checkpoint("base", tmp_path) == SHIPPED
    assert any("never recorded" in sentence for sentence in told) and any(
        "next-words.txt" in sentence for sentence in told
    )
    assert len((tmp_path / "runs" / "a" / "next-words.txt").read_text().splitlines()) >= 30


def test_what_was_never_recorded_is_borrowed_from_the_nearest_hand_where_it_is_not_legible():
    loaded = load_checkpoint(SHIPPED)
    hand = {"recorded": {"Ada": "abcdefghijklmnop"}, "instead": {"Ada": "Dov"}}
    writer = Writer(loaded.model, loaded.tokenizer, **hand)
    words = writer.write("cab a#7 face", author="Ada").words
    assert [word.text for word in words] == ["cab", "a#7", "face"], "a word stays one word"
    assert [word.borrowed for word in words] == ["", "#7", ""]
    words = Writer(loaded.model, loaded.tokenizer).write("face#", author="Cleo").words
    assert [word.borrowed for word in words] == [""], "nothing is known of what Cleo recorded"


def settings_to_resume(name, tmp_path):
    return get_all_args(
        use_argparse=False, device="cpu", resume=name, run_dir=str(tmp_path / "runs")
    )


def test_a_resumed_run_goes_on_as_if_nothing_had_happened(bank, tmp_path, quick):
    path = bank(new_hand())
    quiet = lambda sentence: None
    train(settings(path, tmp_path, max_steps=4, log_every=2, wandb_run_name="whole"), quiet)
    half = new_run(
        settings(path, tmp_path, max_steps=4, log_every=2, wandb_run_name="parts"), quiet
    )
    for _ in range(3):
        half.train_step()
    half.folder.mkdir(parents=True, exist_ok=True)
    half.save("last.pt")
    train(settings_to_resume("parts", tmp_path), quiet)
    rows = [
        json.loads((tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()[-1])
        for name in ("whole", "parts")
    ]
    assert (
        rows[0]["test_loss"] == rows[1]["test_loss"]
        and rows[0]["reading_error"] == rows[1]["reading_error"]
    )
    again = settings_to_resume("parts", tmp_path)
    exported = tmp_path / "runs" / "parts" / f"{bank_name(str(path))}.pt"
    before = exported.read_bytes()
    with pytest.raises(UserError, match="has been trained for its 4 steps already"):
        train(again, quiet)
    exported.unlink()  # as if the run had been stopped while it wrote this
    assert train(again, quiet) == exported and exported.read_bytes() == before


def same_weights(first, second):
    """Whether two files hold the same model and the same recognizer."""
    a, b = load_checkpoint(first), load_checkpoint(second)
    pairs = [
        (a.model.state_dict(), b.model.state_dict()),
        (a.recognizer["weights"], b.recognizer["weights"]),
    ]
    return all(torch.equal(x[name], y[name]) for x, y in pairs for name in x)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def ended_by(function, on_call, how):
    """The function, with a signal or a crash after one of its calls."""
    calls = []

    def called(*args, **kwargs):
        calls.append(1)
        result = function(*args, **kwargs)
        if len(calls) == on_call:
            how()
        return result

    return called


def crash():
    raise RuntimeError("as sudden as a power cut")


def counted(function):
    """The function, which counts its calls."""

    def called(*args, **kwargs):
        called.calls += 1
        return function(*args, **kwargs)

    called.calls = 0
    return called


def test_stopped_anywhere_it_says_how_to_go_on_and_ends_as_if_never_stopped(
    bank, tmp_path, quick, monkeypatch
):
    monkeypatch.setattr(finetune, "RECOGNIZER_STEPS", 10)
    monkeypatch.setattr(recognizers, "SAVE_SECONDS", -1)
    path, told, run_dir = bank(new_hand()), [], tmp_path / "runs"
    few = dict(read_words=1, splice_words=20)
    resumed = dict(use_argparse=False, device="cpu", run_dir=str(run_dir))
    whole = train(settings(path, tmp_path, wandb_run_name="whole", **few), told.append)
    for where, function, on_call, how, steps_left in (
        (recognizers, "ctc_loss", 3, interrupt, 6),  # stops after the fourth step
        (recognizers, "ctc_loss", 7, crash, 6),
        (runs, "init_author_embeddings", 1, interrupt, 0),
    ):
        name = f"{function}-{on_call}"
        with monkeypatch.context() as patch:
            patch.setattr(where, function, ended_by(getattr(where, function), on_call, how))
            with pytest.raises((SystemExit, RuntimeError)) as ended:
                train(settings(path, tmp_path, wandb_run_name=name, **few), told.append)
        if how == interrupt:
            assert ended.value.code == 128 + signal.SIGINT
            assert told[-1].endswith(f"--resume {run_dir / name}")
        with pytest.raises(UserError, match="--shear_width 0.3 is not what"):
            train(get_all_args(**resumed, resume="last", shear_width=0.3))
        with pytest.raises(UserError, match=f"holds a run already; .* --resume {name}"):
            train(settings(path, tmp_path, wandb_run_name=name))
        with monkeypatch.context() as patch:
            count = counted(recognizers.ctc_loss)
            patch.setattr(recognizers, "ctc_loss", count)
            parts = train(get_all_args(**resumed, resume="last", max_steps=2), told.append)
        assert parts.parent == run_dir / name and count.calls == steps_left
        assert same_weights(whole, parts), name
        assert same_weights(whole.with_name("last.pt"), parts.with_name("last.pt")), name
        assert not (parts.parent / finetune.RECOGNIZER_STATE).exists()


def test_another_bank_is_not_gone_on_with(bank, tmp_path, quick, monkeypatch):
    path = bank(new_hand())
    with monkeypatch.context() as patch:
        patch.setattr(recognizers, "ctc_loss", ended_by(recognizers.ctc_loss, 1, interrupt))
        with pytest.raises(SystemExit):
            train(settings(path, tmp_path), lambda sentence: None)
    bank(new_hand()[1:])
    with pytest.raises(UserError, match="mine.json is not the one that .*settings.json"):
        train(
            get_all_args(
                use_argparse=False, device="cpu", resume="a", run_dir=str(tmp_path / "runs")
            )
        )


def test_a_name_set_in_the_middle_makes_no_second_hand(bank, tmp_path, quick):
    names = ["unknown"] * 5 + ["Zoe "] * 3 + ["zoe"] * 4
    words = new_hand()
    words = [replace(word, author=name) for word, name in zip(words, names + ["Zoe"] * 99)]
    told, path = [], bank(words)
    made = train(settings(path, tmp_path), told.append)
    assert load_checkpoint(made).origin["recorded"].keys() == {"Zoe"}
    assert [sentence for sentence in told if "taken for one hand, Zoe" in sentence] == [
        f"the {len(words)} words are taken for one hand, Zoe, also 5 without a name "
        "and 4 named 'zoe'; --hands named keeps them apart"
    ]
    run_dir = str(tmp_path / "runs")
    train(get_all_args(use_argparse=False, device="cpu", resume="a", run_dir=run_dir, max_steps=3))
    apart = new_run(
        settings(path, tmp_path, hands="named", wandb_run_name="b"), lambda sentence: None
    )
    assert apart.model.config.authors[:3] == ["Zoe", ME, "zoe"]


def test_a_bank_of_two_people_stays_one_of_two(bank, tmp_path, quick):
    words = new_hand() + new_hand("Mia", seed=3)[:20]
    told = []
    new_run(settings(bank(words), tmp_path), told.append)
    assert (
        f"the words are by 2 hands, Zoe ({len(words) - 20} words) and Mia (20 words); "
        "--hands one takes them for one" in told
    )
    one = new_run(settings(bank(words), tmp_path, hands="one", wandb_run_name="b"), told.append)
    assert "Mia" not in one.model.config.authors and set(one.loader.author_indices) == {1}


def test_a_small_bank_is_not_trained_on_from_nothing_unless_it_is_asked_for(bank, tmp_path, quick):
    path = bank(new_hand() * 4)
    n = 4 * len(TEXTS)
    config = get_all_args(use_argparse=False, dataset_name=str(path), device="cpu")
    with pytest.raises(
        UserError,
        match=f"{path} has {n} words.* expect [78]. of 100 letters misread, but 2.[4-7] of 100 "
        f"letters .*--dataset_name {path} --finetune base`; --finetune none",
    ):
        train(config)
    assert not (tmp_path / "runs").exists()
    for given in (["--finetune", "none"], ["--init", "no"], ["--start_from", str(SHIPPED)]):
        argv = ["--dataset_name", str(path), "--device", "cpu", *given]
        config = get_all_args(argv=argv)
        finetune.check_enough_words(config, new_hand())
        assert config.finetune == ""


def test_somebody_called_like_a_hand_of_the_base_is_another_one(bank, tmp_path, quick):
    words = new_hand("Ada")
    config = choose_settings(settings(bank(words), tmp_path), words)
    _, model, _ = init_from(config, words)
    authors = model.config.authors
    assert authors[0] == "Ada" and base_name("Ada") in authors and len(authors) == 13
    base = load_checkpoint(SHIPPED).model
    assert torch.equal(
        model.authors.weight[1 + authors.index(base_name("Ada"))],
        base.authors.weight[1 + base.config.authors.index("Ada")],
    )
    assert {word.author for word in load_replay(config, words, print)} >= {base_name("Ada"), "Ben"}
    nameless = own_words([replace(word, author="unknown") for word in words], config)
    assert {word.author for word in nameless} == {ME}


def test_a_hand_begins_as_the_one_that_is_most_like_it(bank, tmp_path, quick):
    """Somebody who writes just as Edith does begins as Edith."""
    edith = next(word for word in load_banks("starter")[0] if word.author == "Edith")
    words = [replace(word, metadata={}) for word in new_hand_like(edith)]
    config = choose_settings(settings(bank(words), tmp_path), words)
    words = own_words(words, config)
    config, model, tokenizer = init_from(config, words)
    loader = DataLoader(words, tokenizer, config, authors=model.config.authors)
    assert init_author_embeddings(config, model, loader) == {"Zoe": "Edith"}
    assert torch.equal(
        model.authors.weight[1], model.authors.weight[1 + model.config.authors.index("Edith")]
    )


def new_hand_like(word):
    """Words by the writer of a synthetic word, under another name."""
    writer, rng = (
        Hand("Zoe", word.metadata["writerSeed"], load_fonts("own,hershey"), word.metadata["marks"]),
        np.random.default_rng(5),
    )
    return [write_word(writer, text, rng) for text in TEXTS]


def test_a_run_ends_when_nothing_gets_better(bank, tmp_path, quick):
    run = new_run(
        settings(
            bank(new_hand()),
            tmp_path,
            max_steps=500,
            log_every=1,
            patience=2,
            monitor="loss",
            monitor_start=0.0,
            learning_rate=1e-9,
            muon_learning_rate=1e-9,
        ),
        lambda sentence: None,
    )
    run.state.best_loss, run.state.best_step = 0.0, 0
    run.folder.mkdir(parents=True, exist_ok=True)
    run.save("best.pt")
    run.run()
    assert run.step == 2


def test_words_are_drawn_in_their_shares():
    own, spliced, others = np.arange(10), np.arange(10, 40), np.arange(40, 240)
    ids = mix([own, spliced, others], (0.2, 0.5))
    shares = [np.isin(ids, kind).mean() for kind in (own, spliced, others)]
    assert shares == pytest.approx([0.2, 0.5, 0.3], abs=0.01)
    for kind in (own, spliced, others):
        counts = np.bincount(ids, minlength=240)[kind]
        assert counts.max() - counts.min() <= 1
    assert np.isin(mix([own, np.array([], int), others], (0.2, 0.5)), own).mean() == pytest.approx(
        0.4, abs=0.01
    )
    assert list(mix([own, others], (0.0,))) == [*own, *others]
