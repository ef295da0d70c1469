"""Words in synthetic hands, and the command that writes banks of them."""

import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cursivetransformer.bank.file import load_bank
from cursivetransformer.ink import measures
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import make_hands, write_word

ROOT = Path(__file__).parent.parent.parent
OWN = load_fonts("own")


def make_hand(seed=1, **parameters):
    hand = Hand("Ada", seed, OWN)
    for name, value in parameters.items():
        setattr(hand.parameters, name, value)
    return hand


def ink(hand, text, seed=0):
    return write_word(hand, text, np.random.default_rng(seed)).points


def test_every_printable_character_is_written_and_stays_near_its_line():
    for seed in range(6):
        hand = make_hand(seed)
        for char in string.ascii_letters + string.digits + string.punctuation:
            points = ink(hand, char, seed)
            assert np.isfinite(points).all() and points[-1, 2] == 0 and points[:, 0].min() == 0, (
                char
            )
            size = hand.parameters.x_height
            assert points[:, 1].min() > -4.5 * size and points[:, 1].max() < 2.5 * size, char


@pytest.mark.parametrize("text", ["minimum", "bovine", "wove", "oaks"])
def test_a_word_of_sure_joins_is_one_stroke_but_for_its_dots(text):
    """o, b, v and w are left high; where a hand lifts nothing, the pen stays down to the end."""
    for seed in range(5):
        hand = make_hand(seed, lifts=frozenset(), delays_strokes=True)
        assert len(split_strokes(ink(hand, text))) == 1 + text.count("i")


def test_a_join_depends_on_both_neighbours():
    """An e after a c begins low. An e after an o begins high, without its entry from the line."""
    hand = make_hand(
        3,
        lifts=frozenset(),
        wobble=0,
        size_drift=0,
        slant_drift=0,
        base_drift=0,
        spacing_drift=0,
        tremor=0,
        slant=0,
        rise=0,
        lead_in=0,
    )
    lows = {}
    for first in "cnowbv":
        end = hand.glyph(first).strokes[-1].points[-1]
        points = ink(hand, first + "e") / hand.parameters.x_height
        x_end = hand.glyph(first).advance - hand.glyph(first).strokes[0].points[:, 0].min()
        near = np.abs(points[:, 0] - x_end) < 0.12
        lows[first] = -points[near, 1].max() if near.any() else end[1]
    assert max(lows["c"], lows["n"]) < 0.3 < min(lows["o"], lows["w"], lows["b"], lows["v"])


@pytest.mark.parametrize("marks, after", [("letter", False), ("word", True)])
def test_dots_and_crosses_come_when_the_setting_says(marks, after):
    for seed in range(4):
        hand = make_hands(OWN, 1, 20 + seed, marks)[0]
        hand.parameters.lifts = frozenset()
        strokes = split_strokes(ink(hand, "tin"))
        lengths = [np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes]
        last_is_mark = lengths[-1] < 0.6 * max(lengths)
        ends = [stroke[:, 0].max() for stroke in strokes]
        assert last_is_mark == after and (np.argmax(ends) == 0) == after


def test_the_same_seed_writes_the_same_and_another_writing_differs():
    one, again = ink(make_hand(1), "quick", 5), ink(make_hand(1), "quick", 5)
    assert np.array_equal(one, again)
    other = ink(make_hand(1), "quick", 6)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_writers_differ_more_than_a_writer_from_day_to_day():
    """Slant and height of the same words differ more between ten hands than within one."""
    texts = ["handle", "taught", "bold", "lilt", "fields", "the", "hill", "until"]
    of_hand = []
    for seed in range(10):
        hand = make_hand(seed)
        inks = [ink(hand, text, seed) for text in texts]
        of_hand.append((measures.slants(inks), measures.heights(inks)))
    for measure in zip(*of_hand):
        values = np.array(measure)  # (hands, texts)
        values = values - values.mean(0)
        assert values.mean(1).std() > 2 * (values - values.mean(1, keepdims=True)).std() / np.sqrt(
            2
        )


def test_no_letter_is_written_twice_alike():
    hand = make_hand(2, lead_in=0)
    inks = [ink(hand, "a", seed) / hand.parameters.x_height for seed in range(8)]
    for i, one in enumerate(inks):
        for other in inks[:i]:
            n = np.linspace(0, 1, 50)
            at = [
                np.stack([np.interp(n, np.linspace(0, 1, len(p)), p[:, axis]) for axis in (0, 1)])
                for p in (one, other)
            ]
            assert 0.005 < np.abs(at[0] - at[1]).mean() < 0.25


def test_what_no_face_has_is_refused():
    with pytest.raises(ValueError, match="é"):
        ink(make_hand(), "é")


def run(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "cursivetransformer", "synth", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_command_writes_a_bank_and_a_sheet_and_the_same_bytes_again(tmp_path):
    (tmp_path / "prompts.txt").write_text("Dear\nAda,\n\nit's\n(12.5%)\n")
    for name in ("one", "two"):
        result = run(
            "--prompts",
            "prompts.txt",
            "--faces",
            "own",
            "--writers",
            "3",
            "--words",
            "7",
            "--out",
            f"{name}.json.zip",
            "--sheet",
            f"{name}.png",
            cwd=tmp_path,
        )
        assert result.returncode == 0, result.stderr
    words = load_bank(tmp_path / "one.json.zip")
    assert [word.text for word in words] == [
        "Dear",
        "Ada,",
        "it's",
        "(12.5%)",
        "Dear",
        "Ada,",
        "it's",
    ]
    assert [word.author for word in words] == ["Ada", "Ben", "Cleo", "Ada", "Ben", "Cleo", "Ada"]
    assert all(
        word.metadata["synthetic"] is True and word.metadata["faces"] == ["own"] for word in words
    )
    # A zip holds the name of its file, so the banks' contents are compared.
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    again = load_bank(tmp_path / "two.json.zip")
    assert all(np.array_equal(a.points, b.points) for a, b in zip(words, again))


@pytest.mark.parametrize(
    "words, sentence",
    [
        ([], "nothing to write"),
        (["--out", "a.txt"], "--out must be a .json or .json.zip file"),
        (["--out", "a.json", "--faces", "gothic"], "--fonts takes own, hershey and paths"),
        (["--out", "a.json", "--prompts", "none.txt"], "none.txt cannot be read"),
        (["--out", "a.json", "--prompts", "umlaut.txt", "--faces", "own"], "no font of own has ü"),
        (["--out", "a.json", "--writers", "0"], "--writers takes a whole number between 1"),
        (["--sheet", "a.doc", "--faces", "own"], "must be .png or .svg"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path, words, sentence):
    (tmp_path / "umlaut.txt").write_text("für\n", encoding="utf-8")
    result = run(*words, cwd=tmp_path)
    assert (
        result.returncode == 2 and sentence in result.stderr and "Traceback" not in result.stderr
    ), result.stderr


def test_the_starter_bank_is_what_its_command_makes(tmp_path):
    """Compare its first words, by all twelve hands."""
    pytest.importorskip("HersheyFonts")
    shipped = load_bank(ROOT / "data" / "starter.json.zip")
    result = run("--words", "36", "--marks", "letter", "--out", "again.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for word, again in zip(shipped, load_bank(tmp_path / "again.json")):
        assert (word.text, word.author, word.metadata) == (again.text, again.author, again.metadata)
        assert np.abs(word.points - again.points).max() < 0.005


def test_the_starter_bank_keeps_its_promises():
    path = ROOT / "data" / "starter.json.zip"
    assert path.stat().st_size <= 2 * 2**20
    words = load_bank(path, strict=True)
    assert 2400 <= len(words) <= 2600 and len({word.author for word in words}) >= 8
    assert all(
        word.metadata["synthetic"] is True and set(word.metadata["faces"]) <= {"own", "hershey"}
        for word in words
    )
