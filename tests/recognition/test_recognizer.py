"""The recognizer, its files, the search for recognizers of a bank, and their training."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.config.train import get_recognizer_args
from cursivetransformer.data.dataset import split_words
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.recognition.error_rate import read_back
from cursivetransformer.recognition.features import FeatureGrid
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    Recognizer,
    RecognizerConfig,
    find_recognizers,
    find_selection_recognizer,
    load_recognizer,
    recognizer_path,
    recognizer_state,
    save_recognizer,
)
from cursivetransformer.training.train_recognizer import (
    batches,
    split_halves,
    train_recognizers,
)
from cursivetransformer.utils.errors import UserError
from tests.shapes import shape_word, shape_words

DOT = np.array([[0.1, -0.1, 0]], np.float32)


def untrained(alphabet=" abcdehilnorstu"):
    torch.manual_seed(0)
    recognizer = Recognizer(
        RecognizerConfig(alphabet, FeatureGrid(0.013, 0.013, -0.3).as_dict(), "digest")
    )
    # Statistics as of a trained network, so that the norms do something.
    for name, buffer in recognizer.net.named_buffers():
        if "running" in name:
            buffer.add_(0.1 * torch.rand(buffer.shape))
    return recognizer


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of two recognizers of plain shapes, and the messages of their training."""
    folder, messages = tmp_path_factory.mktemp("recognizers"), []
    write_entries(folder / "shapes.json", [word_to_entry(word) for word in shape_words()])
    config = get_recognizer_args(
        use_argparse=False,
        dataset_name=str(folder / "shapes.json"),
        device="cpu",
        max_steps=80,
        batch_size=10,
        recognizer_dir=str(folder / "recognizers"),
    )
    return train_recognizers(config, messages.append), messages


def test_two_recognizers_learn_to_read_words_they_have_not_seen(trained):
    folder, messages = trained
    assert folder.name == "shapes" and sorted(path.name for path in folder.iterdir()) == [
        "evaluation.pt",
        "selection.pt",
    ]
    for name in (SELECTION, EVALUATION):
        recognizer = load_recognizer(recognizer_path(folder, name))
        rate = read_back(recognizer, shape_words(60, seed=2), rate=0.3)
        assert rate.cer < 0.1, rate
        assert recognizer.config.half == name and recognizer.config.error < 0.2
    assert len(messages) == 3 and "held out" in messages[0] and "misread" in messages[1]


def test_what_was_finished_before_an_interruption_is_not_done_again(tmp_path):
    write_entries(tmp_path / "shapes.json", [word_to_entry(word) for word in shape_words()])

    def train(**changes):
        settings = {
            "dataset_name": str(tmp_path / "shapes.json"),
            "device": "cpu",
            "max_steps": 1,
            "batch_size": 2,
            "out": str(tmp_path),
            **changes,
        }
        messages = []
        train_recognizers(get_recognizer_args(use_argparse=False, **settings), messages.append)
        return ["stays" in message for message in messages[1:]]

    assert train() == [False, False]
    selection = (tmp_path / "selection.pt").read_bytes()
    # Another recognizer, as of before the interruption.
    (tmp_path / "evaluation.pt").write_bytes(selection)
    assert train() == [True, False] and (tmp_path / "selection.pt").read_bytes() == selection
    assert train() == [True, True]
    assert train(max_steps=2) == [False, False]
    assert train(max_steps=2, seed=7) == [False, False]


def test_readings_do_not_depend_on_the_inks_beside_them(trained):
    recognizer = load_recognizer(trained[0] / "selection.pt")
    inks = [word.points for word in shape_words(30, seed=3)]
    assert recognizer.read(inks) == [recognizer.read([ink])[0] for ink in inks]
    texts = [word.text for word in shape_words(30, seed=3)]
    np.testing.assert_allclose(
        recognizer.nll(inks, texts),
        [recognizer.nll([ink], [text])[0] for ink, text in zip(inks, texts)],
        atol=1e-3,
    )


def test_a_text_that_is_written_is_likelier_than_another_and_a_beam_reads_it_too(trained):
    recognizer = load_recognizer(trained[0] / "evaluation.pt")
    words = [shape_word(text) for text in ("ovi", "iivo", "vovo")]
    inks = [word.points for word in words]
    written, others = [word.text for word in words], ["ivo", "vivo", "vov"]
    assert (recognizer.nll(inks, written) < recognizer.nll(inks, others)).all()
    assert recognizer.read(inks, beam=5) == recognizer.read(inks) == written
    assert recognizer.nll(inks[:1], ["xyz"]) == np.inf


def test_the_halves_share_no_text_and_no_held_out_word(words):
    train, test = split_words(words, 0.1, 1)
    halves = split_halves(words, train, 1)
    texts = [{words[i].text for i in ids} for ids in (*halves, test)]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert sum(map(len, halves)) == len(train) and abs(len(texts[0]) - len(texts[1])) <= 1


def test_batches_are_of_like_width_and_hold_single_words_and_pairs(words):
    drawn = list(itertools.islice(batches(np.random.default_rng(0), words, 10), 8))
    assert all(len(batch) == 10 for batch in drawn)
    widths = [[np.ptp(ink[:, 0]) for ink, _ in batch] for batch in drawn[:4]]
    ordered = sorted(widths)
    assert all(max(a) <= min(b) for a, b in zip(ordered, ordered[1:])) and widths != ordered
    texts = [text for batch in drawn for _, text in batch]
    assert 0.2 < np.mean([" " in text for text in texts]) < 0.6
    parts = {part for text in texts for part in text.split()}
    assert parts <= {word.text for word in words}


def test_what_is_no_writing_reads_as_nothing_and_what_is_no_ink_is_told():
    recognizer = untrained()
    huge = np.array([[0, 0, 1], [1e6, 0, 1], [0, -1e6, 0]], np.float32)
    readings = recognizer.read([np.zeros((0, 3)), [], huge, DOT, shape_word("ovi").points])
    assert readings[:3] == ["", "", ""] and all(isinstance(reading, str) for reading in readings)
    assert recognizer.read([]) == [] and recognizer.nll([huge], ["a"]) == np.inf
    for ink, sentence in (
        (np.zeros((3, 2)), "shape"),
        ([["a", "b", "c"]], "type"),
        (np.full((2, 3), np.nan), "NaN"),
        (np.zeros(3), "shape"),
    ):
        with pytest.raises(UserError, match=sentence):
            recognizer.read([ink])
    with pytest.raises(UserError, match="cannot read 'ß', 'é'"):
        recognizer.encode("aéß")


def test_more_inks_than_fit_at_once_are_all_read(monkeypatch):
    recognizer, inks = untrained(), [word.points for word in shape_words(20)]
    expected = recognizer.read(inks)
    monkeypatch.setattr("cursivetransformer.recognition.recognizer.MAX_BATCH_COLUMNS", 100)
    assert recognizer.read(inks) == expected


def test_a_recognizer_is_saved_small_and_comes_back(tmp_path):
    recognizer = untrained("".join(map(chr, range(32, 127))))
    save_recognizer(tmp_path / "a.pt", recognizer)
    assert (tmp_path / "a.pt").stat().st_size < 1 << 20
    again, inks = load_recognizer(tmp_path / "a.pt"), [word.points for word in shape_words(10)]
    assert again.config == recognizer.config
    np.testing.assert_allclose(
        again.nll(inks, ["a"] * 10), recognizer.nll(inks, ["a"] * 10), rtol=0.01
    )


def test_files_that_are_no_recognizers_are_refused_in_one_sentence(tmp_path):
    save_recognizer(tmp_path / "a.pt", untrained())
    cut = tmp_path / "cut.pt"
    cut.write_bytes((tmp_path / "a.pt").read_bytes()[:5000])
    for path, sentence in ((cut, "cut short"), (tmp_path / "none.pt", "there is no recognizer")):
        with pytest.raises(UserError, match=sentence):
            load_recognizer(path)
    with pytest.raises(UserError, match="holds a recognizer, not a checkpoint"):
        load_checkpoint(tmp_path / "a.pt")


def test_recognizers_are_found_by_the_bank_they_learnt(trained, tmp_path):
    folder, messages = trained[0], []
    digest = load_recognizer(folder / "selection.pt").config.bank_digest
    assert find_recognizers(folder.parent, digest) == folder
    assert find_recognizers(folder.parent, "another") is None
    assert find_recognizers(tmp_path, digest) is None
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "selection.pt").write_bytes(b"nothing")
    assert find_selection_recognizer(str(tmp_path), digest, say=messages.append) is None
    assert "train_recognizer.py" in messages[0]


def test_a_selection_recognizer_is_found_taken_from_a_checkpoint_or_missed(trained, tmp_path):
    folder, messages = trained[0], []
    recognizer = load_recognizer(folder / "selection.pt")
    digest = recognizer.config.bank_digest
    found = find_selection_recognizer(folder.parent, digest, say=messages.append)
    assert found.config == recognizer.config
    state = recognizer_state(untrained())
    fallback = find_selection_recognizer(
        tmp_path, digest, say=messages.append, fallback=state, needed_by="--respell 4"
    )
    assert fallback.config == untrained().config
    scaled = find_selection_recognizer(folder.parent, digest, say=messages.append, ink_scale=2.0)
    assert scaled is None and len(messages) == 1
    with pytest.raises(UserError, match="--respell 4 needs a recognizer of this hand"):
        find_selection_recognizer(tmp_path, digest, say=messages.append, needed_by="--respell 4")


def test_recognizers_of_earlier_versions_are_found_by_their_earlier_names(
    trained, tmp_path, monkeypatch
):
    """Their files, their folder, and the names in their files."""
    monkeypatch.chdir(tmp_path)
    recognizer = load_recognizer(trained[0] / "selection.pt")
    digest = recognizer.config.bank_digest
    folder = tmp_path / "readers" / "shapes"
    folder.mkdir(parents=True)
    for name, earlier in (("selection", "choosing"), ("evaluation", "grading")):
        content = torch.load(trained[0] / f"{name}.pt", weights_only=True)
        config = content["config"]
        config["half"] = earlier
        config["test_share"] = config.pop("test_fraction")
        config["recipe"]["pen_words"] = config["recipe"].pop("synthetic_words")
        torch.save({**content, "kind": "reader"}, folder / f"{earlier}.pt")
        assert recognizer_path(folder, name) == folder / f"{earlier}.pt"
    assert find_recognizers("recognizers", digest) == Path("readers/shapes")
    assert find_recognizers("readers", digest) == Path("readers/shapes")
    assert find_recognizers("others", digest) is None
    found = find_selection_recognizer("recognizers", digest, say=print)
    assert found.config == recognizer.config
    # Beside a file with the present name the earlier one does not count.
    save_recognizer(folder / "selection.pt", recognizer)
    assert recognizer_path(folder, SELECTION) == folder / "selection.pt"
    # A run of that time names the earlier folder, where new recognizers are not.
    (tmp_path / "readers").rename(tmp_path / "recognizers")
    assert find_recognizers("readers", digest) == Path("recognizers/shapes")


def test_recognizers_may_begin_with_the_weights_of_others(trained, tmp_path):
    """After one more step at a tiny rate they read as before, and belong to the new bank."""
    old = load_recognizer(trained[0] / "selection.pt")
    inks = [word.points for word in shape_words(12)]
    write_entries(tmp_path / "b.json", [word_to_entry(word) for word in shape_words(70, seed=5)])
    settings = dict(
        use_argparse=False,
        dataset_name=str(tmp_path / "b.json"),
        max_steps=1,
        batch_size=2,
        learning_rate=1e-6,
        recognizer_dir=str(tmp_path),
        device="cpu",
        start_from=str(trained[0]),
    )
    new = load_recognizer(
        train_recognizers(get_recognizer_args(**settings), lambda sentence: None) / "selection.pt"
    )
    assert new.config.frame == old.config.frame and new.config.bank_digest != old.config.bank_digest
    assert new.read(inks) == old.read(inks)
    # The alphabet holds the characters of both banks, and what was read is read as before.
    write_entries(
        tmp_path / "b.json",
        [
            word_to_entry(replace(shape_word(text), text=text.replace("o", "ö")))
            for text in ("oo", "oi", "ii", "io", "ooi")
        ],
    )
    more = load_recognizer(
        train_recognizers(get_recognizer_args(**settings), lambda sentence: None) / "selection.pt"
    )
    assert set(more.config.alphabet) == set(old.config.alphabet) | {"ö"}
    assert [text.replace("ö", "o") for text in more.read(inks)] == old.read(inks)


def test_recognizers_learn_fresh_words_of_the_synthetic_pen_too(tmp_path):
    from cursivetransformer.synthesis.fonts import load_fonts
    from cursivetransformer.synthesis.synthesizer import make_hands, write_bank

    words = list(
        write_bank(["ada", "be", "cab", "deed", "fig", "had"], make_hands(load_fonts("own"), 2), 0)
    )
    write_entries(tmp_path / "a.json", [word_to_entry(word) for word in words])
    messages = []
    config = get_recognizer_args(
        use_argparse=False,
        dataset_name=str(tmp_path / "a.json"),
        max_steps=1,
        batch_size=2,
        recognizer_dir=str(tmp_path),
        device="cpu",
        synthetic_words=60,
        synthetic_fonts="own",
    )
    recognizer = load_recognizer(train_recognizers(config, messages.append) / "selection.pt")
    assert recognizer.config.n_words > 20 and len(recognizer.config.alphabet) > 30
    assert "training words" in messages[0]


def test_a_bank_too_small_for_two_recognizers_is_told(tmp_path):
    write_entries(tmp_path / "two.json", [word_to_entry(shape_word(text)) for text in ("o", "v")])
    with pytest.raises(UserError, match="two different texts"):
        train_recognizers(
            get_recognizer_args(use_argparse=False, dataset_name=str(tmp_path / "two.json")), print
        )


def test_a_bank_of_dots_or_with_one_enormous_word_takes_no_more_memory_than_another(tmp_path):
    """Pixels have a least size, though their size comes from the ink."""
    messages = []
    dots = [Word(text, "nobody", DOT, {"aspectRatio": 6}) for text in ".,'-"]
    wide_ink = np.array([[0, 0, 1], [95, 0, 0]], np.float32)
    wide = Word("vivoviviovo", "nobody", wide_ink, {"aspectRatio": 6})
    for name, words in (("dots", dots), ("wide", [*shape_words(300), wide])):
        write_entries(tmp_path / f"{name}.json", [word_to_entry(word) for word in words])
        train_recognizers(
            get_recognizer_args(
                use_argparse=False,
                dataset_name=str(tmp_path / f"{name}.json"),
                max_steps=2,
                batch_size=4,
                recognizer_dir=str(tmp_path),
                device="cpu",
            ),
            messages.append,
        )
    assert sum("left out" in message for message in messages) == 1


@pytest.mark.slow
def test_real_ink_is_read(real_words, tmp_path):
    write_entries(tmp_path / "real.json", [word_to_entry(word) for word in real_words])
    config = get_recognizer_args(
        use_argparse=False,
        dataset_name=str(tmp_path / "real.json"),
        out=str(tmp_path / "recognizers"),
        max_steps=350,
    )
    folder = train_recognizers(config, print)
    assert max(load_recognizer(path).config.error for path in folder.iterdir()) < 0.03
