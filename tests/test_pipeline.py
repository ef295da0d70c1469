"""Writing a text to files, as `sample.py` and as a library."""

import contextlib
import dataclasses
import io
import json
import os
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cursivetransformer import Writer, pipeline
from cursivetransformer.config.sample import get_sample_args
from cursivetransformer.config.train import get_all_args
from cursivetransformer.layout.page import Sheet
from cursivetransformer.sampling.compose import Composer
from cursivetransformer.training.run import train
from cursivetransformer.utils.errors import UserError
from tests.made_up import made_up_words
from tests.training.test_trainer import SMALL

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A folder with one short run."""
    from cursivetransformer.bank.file import write_entries
    from cursivetransformer.bank.word import word_to_entry

    folder = tmp_path_factory.mktemp("write")
    write_entries(folder / "loops.json", [word_to_entry(word) for word in made_up_words()])
    train(
        get_all_args(
            use_argparse=False,
            **{**SMALL, "log_every": 40},
            max_steps=40,
            dataset_name=str(folder / "loops.json"),
            run_dir=str(folder / "runs"),
            wandb_run_name="a",
        )
    )
    return folder / "runs"


def sample(run_dir, *arguments, typed=""):
    """Run `python sample.py` in this process, which saves the imports."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(run_dir.parent)
        patch.setattr("sys.argv", ["sample.py", "--run_dir", str(run_dir), *arguments])
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        try:
            runpy.run_path(str(ROOT / "sample.py"), run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code
    return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


def test_the_script_runs_by_itself(run_dir, tmp_path):
    command = [
        sys.executable,
        str(ROOT / "sample.py"),
        "hello",
        "--run_dir",
        str(run_dir),
        "--out",
        str(tmp_path / "a.svg"),
    ]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0 and (tmp_path / "a.svg").is_file(), result.stderr


def test_a_text_becomes_a_picture_and_the_same_seed_the_same_bytes(run_dir, tmp_path):
    pages = []
    for i, seed in enumerate("778"):
        out = tmp_path / f"{i}.svg"
        result = sample(
            run_dir, "hello trust\nbad", "--out", str(out), "--seed", seed, "--line-width", "40"
        )
        assert result.returncode == 0 and f"wrote 3 words to {out}" in result.stdout, result.stderr
        pages.append(out.read_bytes())
    assert pages[0] == pages[1] != pages[2]
    assert len(list(ET.fromstring(pages[0]).iter("{http://www.w3.org/2000/svg}path"))) >= 3
    assert sample(run_dir, "ab", "--out", str(tmp_path / "a.png")).returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["hello", "--seed", "3", "my", "world"],
            'put a text of several words in quotes: python sample.py "hello my world" --run',
        ),
        (["hello", "letter.svg"], "did you mean --out letter.svg?"),
        (["hello", "runs/a/mine.pt"], "did you mean --checkpoint runs/a/mine.pt?"),
        ([], "there is no text to write"),
        (["   "], "there is no text to write"),
        (["hi Zoë"], "never seen 'Z', 'ë'"),
        (["hi", "--out", "a.doc"], "must be one of .svg, .animated.svg, .png"),
        (["hi", "--out", "loops.json/a.svg"], "cannot be written"),
        (["hi", "--checkpoint", "none.pt"], "there is no checkpoint none.pt"),
        (["hi", "--checkpoint", "loops.json"], "not a checkpoint of this program"),
        (["hi", "--author", "Adda"], "knows no author 'Adda'"),
        (["h" * 10_000], "a word of more than 1000 letters"),
        (["hi\x07"], "control character, U+0007"),
        (["hi \u05e9\u05dc"], "from right to left"),
        (["hi", "--page", "30x30"], "no room for letters"),
        (["hi", "--page", "A0"], "--page takes A3"),
        (["hi", "--file", "none.txt"], "--file must be left out"),
        (["--file", "none.txt"], "none.txt cannot be read"),
        (["-"], "there is no text to write in standard input"),
        (["hi", "--style_from", "loops.json#99"], "entries 0 to 59"),
        (["hi", "--style_from", "nobody.json#1"], "there is no file nobody.json"),
        (["hi", "--attention", "a.txt"], "--attention a.txt: the ending must be one of"),
        (["hi", "--ink_color", "inky"], "--ink_color takes a name like black"),
        (
            ["hi " * 500, "--fit", "--page", "20x20", "--margin", "2"],
            "--fit: the text is not on one page",
        ),
        (["hi", "--rewrite", "2"], "the text has words 1 to 1"),
        (["hi", "--rewrite", "9" * 5000], "--rewrite takes numbers of words"),
        (["hi", "--style_from", f"loops.json#{'9' * 5000}"], "no words by '9"),
        (["hi", "--margin", "9" * 5000], "--margin takes millimeters"),
        (["hi", "--page", "9" * 5000 + "x5"], "--page takes sides between 5 and 5000"),
        (["hi", "--ink_color", "rgb(999,0,0)"], "--ink_color takes a name like black"),
        (["hi", "--device", "cuda:²"], "--device takes auto, cuda"),
        (["hi", "--page", "A3", "--dpi", "2400", "--out", "a.png"], "a smaller --dpi than 2400"),
        (["hi", "--page", "A3", "--paper", "dotted", "--grid", "0.5"], "--grid takes a number"),
        (["hi", "--page", "900x900", "--paper", "dotted", "--grid", "1"], "has 810,000 dots"),
        (["hi", "--out", "a.gcode", "--bounds", "6x5"], "the plotter reaches 6 x 5 mm"),
        (["hi", "--out", "a.gcode", "--bounds", "big"], "--bounds takes"),
    ],
)
def test_mistakes_are_one_sentence_exit_code_2_and_no_file(run_dir, arguments, sentence):
    before = set(run_dir.parent.iterdir())
    result = sample(run_dir, *arguments)
    assert (
        result.returncode == 2 and result.stderr.count("\n") == 1 and sentence in result.stderr
    ), result.stderr
    assert set(run_dir.parent.iterdir()) == before


def test_a_missing_character_may_be_skipped_and_quotes_are_folded(run_dir, tmp_path):
    result = sample(run_dir, "hi Zoë’s", "--missing", "skip", "--out", str(tmp_path / "a.svg"))
    assert result.returncode == 0 and "wrote 2 words" in result.stdout
    assert "left out, because the model has never seen it: " in result.stdout
    assert "'Z' once (Zoë’s)" in result.stdout and "'ë' once (Zoë’s)" in result.stdout
    for missing in ("replace,skip", "replace-or-skip"):
        out = str(tmp_path / "b.json")
        result = sample(run_dir, "hi\u2603 bád", "--missing", missing, "--out", out)
        assert result.returncode == 0, result.stderr
        assert "never seen it: '\u2603' once (hi\u2603)\n" in result.stdout
        assert texts_of(out) == ["hi", "bad"]


def texts_of(bank):
    return [entry["metadata"]["asciiSequence"] for entry in json.loads(Path(bank).read_text())]


def test_one_word_is_one_word(run_dir, tmp_path):
    result = sample(run_dir, "hi", "--out", str(tmp_path / "a.svg"))
    assert result.stdout.splitlines()[-1] == f"wrote 1 word to {tmp_path / 'a.svg'}"


def test_a_text_that_names_a_file_is_written_but_told(run_dir, tmp_path):
    (run_dir.parent / "letter").write_text("hello")
    result = sample(run_dir, "letter", "--missing", "skip", "--out", str(tmp_path / "a.json"))
    assert result.returncode == 0 and texts_of(tmp_path / "a.json") == ["letter"]
    assert "note: letter is a file too; --file letter writes what is in it\n" in result.stdout


@pytest.fixture
def misreads(monkeypatch):
    """Let the recognizer misread the words with these texts."""
    texts: set[str] = set()
    generate = pipeline.Writer._generate

    def misread(self, *arguments, **options):
        return [
            dataclasses.replace(word, reading=word.text + "x" * (word.text in texts), finished=True)
            for word in generate(self, *arguments, **options)
        ]

    monkeypatch.setattr(pipeline.Writer, "_generate", misread)
    return texts


def test_a_doubtful_word_is_told_with_the_next_version_to_try(run_dir, tmp_path, misreads):
    misreads.update({"bad", "stone"})
    for given, advised in (("", "2,4"), ("2", "2:2,4"), ("1:3,4:5", "1:3,2,4:6")):
        rewrite = ["--rewrite", given] if given else []
        result = sample(run_dir, "hi bad hi stone", "--out", str(tmp_path / "a.svg"), *rewrite)
        told = result.stdout.splitlines()
        notes = [line for line in told if line.startswith(("note: word", "note: --rewrite"))]
        assert notes == [
            "note: word 2, 'bad', reads like 'badx' in its only version",
            "note: word 4, 'stone', reads like 'stonex' in its only version",
            f"note: --rewrite {advised} writes these words anew",
        ]
    assert not list(tmp_path.glob("*doubtful*"))


def test_many_doubtful_words_are_shown_in_a_picture(run_dir, tmp_path, misreads):
    misreads.add("bad")
    out = tmp_path / "letter.animated.svg"
    result = sample(run_dir, "hi bad " * 21, "--out", str(out), "--rewrite", "1,4:2")
    picture = tmp_path / "letter-doubtful.png"
    assert result.stdout.splitlines()[-2:] == [
        f"note: 21 of 42 words may be misspelt; {picture} shows them with their numbers, "
        "and --rewrite 1,2,4:3 would write the first two anew",
        f"wrote 42 words to {out}",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_pieces_of_a_word_are_one_word_for_the_writer(run_dir, writer, tmp_path, misreads):
    text = f"hi {'h' * 30} bad"
    misreads.update({"h" * n for n in range(2, 30)})
    out = tmp_path / "a.json"
    result = sample(run_dir, text, "--out", str(out), "--line_width", "40")
    assert len(texts_of(out)) > 3, "the word is longer than a line"
    notes = [line for line in result.stdout.splitlines() if line.startswith("note: word")]
    assert len(notes) == 1 and f"note: word 2, {'h' * 30!r}" in notes[0]
    assert f"wrote 3 words to {out}" in result.stdout
    plain, anew = (writer.write(text, line_width=40, rewrite=value) for value in ("", "2"))
    kept = [np.array_equal(one.points, other.points) for one, other in zip(plain.words, anew.words)]
    assert kept == [True, *[False] * (len(kept) - 2), True]
    assert repr(plain).startswith("<Letter: 3 words on 1 page")
    with pytest.raises(UserError, match="the text has words 1 to 3"):
        writer.write(text, line_width=40, rewrite="4")


def test_a_line_alone_on_the_second_page_is_told(run_dir, tmp_path):
    sheet = Sheet.from_settings(get_sample_args(use_argparse=False, page="A6"))
    n = next(line for line in range(100) if not sheet.has_line(line))
    for text, told in (
        ("hi\n" * n, ""),
        ("hi\n" * (n + 1), "page 2 has only 1 line; --fit writes slightly smaller"),
        ("hi\n" * (n + 2), "page 2 has only 2 lines; --fit"),
        ("hi\n" * (n + 3), ""),
        ("hi\fhi", ""),  # the text asks for a second page
        ("hi\n" * (2 * n + 1), ""),  # a third page
    ):
        result = sample(run_dir, text, "--out", str(tmp_path / "a.pdf"), "--page", "A6")
        assert result.returncode == 0 and ("--fit" in result.stdout) == bool(told)
        assert told in result.stdout


def test_an_author_writes_in_one_hand_and_all_hands_are_shown(run_dir, tmp_path):
    """The made-up bank has one author, whom a model takes unless told otherwise."""
    pages = []
    for i, author in enumerate(["", "nobody", "unknown"]):
        out = tmp_path / f"{i}.svg"
        assert (
            sample(
                run_dir, "hello", "--out", str(out), *(["--author", author] if author else [])
            ).returncode
            == 0
        )
        pages.append(out.read_bytes())
    assert pages[0] == pages[1] != pages[2]
    result = sample(run_dir, "hello bad", "--list-authors", "--out", str(tmp_path / "hands.png"))
    assert (
        result.returncode == 0
        and result.stdout.splitlines()[-3:-1] == ["nobody", "unknown"]
        and "drew 2 hands" in result.stdout
    ), result.stderr
    assert (tmp_path / "hands.png").read_bytes().startswith(b"\x89PNG")


def test_a_text_may_come_from_a_file_or_from_standard_input(run_dir, tmp_path):
    text = "hello trust\n\n  bad stone"
    (tmp_path / "a.txt").write_text(text)
    results = [
        sample(run_dir, *how, "--out", str(tmp_path / f"{i}.svg"), typed=typed)
        for i, (how, typed) in enumerate(
            [([text], ""), (["--file", str(tmp_path / "a.txt")], ""), (["-"], text)]
        )
    ]
    assert [result.returncode for result in results] == [0, 0, 0], results
    pages = [(tmp_path / f"{i}.svg").read_bytes() for i in range(3)]
    assert pages[0] == pages[1] == pages[2] and b'data-text="stone"' in pages[0]


def test_many_kinds_of_files_at_once_and_attention(run_dir, tmp_path):
    names = [
        "a.svg",
        "b.pdf",
        "c.json",
        "d.gcode",
        "e.hpgl",
        "f.inkml",
        "g.xopp",
        "h.animated.svg",
        "i.gif",
    ]
    out = ",".join(str(tmp_path / name) for name in names)
    result = sample(
        run_dir,
        "hello stone",
        "--out",
        out,
        "--page",
        "A6",
        "--paper",
        "ruled",
        "--attention",
        str(tmp_path / "looks.png"),
    )
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        *names,
        "looks.png",
    } and "looks.png" in result.stdout.splitlines()[-1]


def test_a_word_longer_than_the_model_reads_is_broken(run_dir, tmp_path):
    result = sample(run_dir, "h" * 100, "--out", str(tmp_path / "a.json"))
    assert result.returncode == 0, result.stderr
    words = [
        entry["metadata"]["asciiSequence"]
        for entry in json.loads((tmp_path / "a.json").read_text())
    ]
    assert len(words) > 1 and "".join(words) == "h" * 100, "this alphabet has no hyphen"


@pytest.fixture(scope="module")
def writer(run_dir):
    return Writer.load(run_dir=str(run_dir), respell=1)


def test_the_library_writes_as_the_command_does(run_dir, writer, tmp_path):
    assert writer.authors == ["nobody"]
    letter = writer.write("hello trust\nbad", seed=7, line_width=40.0)
    assert letter.save(tmp_path / "a.svg", tmp_path / "a.json") == [
        tmp_path / "a.svg",
        tmp_path / "a.json",
    ]
    assert (
        sample(
            run_dir,
            "hello trust\nbad",
            "--out",
            str(tmp_path / "b.svg"),
            "--seed",
            "7",
            "--line-width",
            "40",
        ).returncode
        == 0
    )
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert [word.text for word in letter.words] == ["hello", "trust", "bad"] and len(
        letter.pages
    ) == 1
    assert repr(letter) == "<Letter: 3 words on 1 page>" and repr(letter.words[0]).startswith(
        "<'hello', "
    )
    assert letter._repr_html_().startswith("<svg") and letter.words[0]._repr_svg_().startswith(
        "<svg"
    )
    assert letter.save(tmp_path / "a, b.png", swell=0, dpi=50) == [tmp_path / "a, b.png"]
    for wrong in ({"swel": 1}, {"swell": 2}, {"dpi": "many"}):
        with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
            letter.save(tmp_path / "c.png", **wrong)
    with pytest.raises(UserError, match="there is no setting --sed; did you mean --seed"):
        writer.write("hello", sed=7)


def test_a_text_of_several_batches_is_the_same_ink_and_memory_holds_one(writer, monkeypatch):
    text = "hello bad stone " * 5
    whole = writer.write(text, rewrite="7,8:2", page="A6", x_height=4.0)
    monkeypatch.setattr(pipeline, "WORDS_AT_ONCE", 4)
    asked = []
    write = Composer.write
    monkeypatch.setattr(
        Composer,
        "write",
        lambda self, texts, *rest: asked.append(len(texts)) or write(self, texts, *rest),
    )
    parted = writer.write(text, rewrite="7,8:2", page="A6", x_height=4.0)
    assert asked == [4, 4, 4, 3]
    for one, other in zip(whole.words, parted.words, strict=True):
        # Sums are rounded differently among other rows, so tokens may differ where two are as good.
        assert one.text == other.text
    same = [
        len(one.points) == len(other.points) and np.allclose(one.points, other.points, atol=1e-4)
        for one, other in zip(whole.words, parted.words)
    ]
    assert sum(same) >= len(same) - 1
    plain = writer.write(text, page="A6", x_height=4.0)
    changed = [
        i
        for i, (one, other) in enumerate(zip(plain.words, parted.words))
        if not np.array_equal(one.points[:5], other.points[:5])
    ]
    assert {6, 7} <= set(changed) and len(changed) <= 3


def test_a_word_written_anew_leaves_all_other_ink_as_it_is(writer):
    text = "hello bad trust stone " * 4
    plain, anew = (
        writer.write(text, rewrite=rewrite, normalize_slant=1.0, normalize_size=1.0, page="A6")
        for rewrite in ("", "2,7:3")
    )
    placed = [[word for page in letter.pages for word in page.words] for letter in (plain, anew)]
    same = [
        np.array_equal(one.points, other.points) and one.scale == other.scale
        for one, other in zip(*placed, strict=True)
    ]
    assert [i for i, kept in enumerate(same) if not kept] == [1, 6]


def test_a_style_is_followed_and_an_author_is_named(run_dir, writer, tmp_path):
    plain = writer.write("hello bad")
    like = writer.write("hello bad", like=f"{run_dir.parent / 'loops.json'}#3")
    other = writer.write("hello bad", like=f"{run_dir.parent / 'loops.json'}#4")
    inks = [[word.points.tobytes() for word in letter.words] for letter in (plain, like, other)]
    assert inks[0] != inks[1] != inks[2]
    assert writer.write("hello bad", like="Nobody").words[0].points.tobytes() == inks[0][0], (
        "an author that the model knows"
    )
    assert plain.origin.author == "nobody" and like.origin.author == "nobody"


def test_bias_makes_words_alike(writer):
    def variety(bias):
        lengths = [
            len(writer.write("hello", seed=seed, bias=bias).words[0].points) for seed in range(12)
        ]
        return len(set(lengths))

    assert variety(0.0) > variety(100.0) == 1


def test_words_are_evened_by_the_settings(writer):
    text = "hello bad trust stone " * 4
    uneven, even = (
        writer.write(text, normalize_slant=amount, normalize_size=amount, smooth=amount)
        for amount in (0.0, 1.0)
    )
    placed = [
        [word.points for page in letter.pages for word in page.words] for letter in (uneven, even)
    ]
    assert all(np.array_equal(points, word.points) for points, word in zip(placed[0], uneven.words))
    assert not all(
        np.array_equal(points, word.points) for points, word in zip(placed[1], even.words)
    )
