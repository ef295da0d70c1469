"""Which files are written, and that they are whole."""

import pytest

from cursivetransformer.render import outputs
from cursivetransformer.render.outputs import (
    BOUND,
    ENDINGS,
    open_outputs,
    parse_out,
    save_page,
)
from cursivetransformer.utils.errors import UserError
from tests.made_up_page import made_up_pages, settings

FAST = dict(pace=200.0, gif_width=100)


@pytest.fixture(scope="module")
def pages():
    return made_up_pages(120, page="A6")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_page_gives_the_same_bytes(pages, tmp_path, ending):
    for name in "ab":
        (tmp_path / name).mkdir()
        save_page(pages[0], tmp_path / name / f"x{ending}", settings(**FAST))
    assert (tmp_path / "a" / f"x{ending}").read_bytes() == (
        tmp_path / "b" / f"x{ending}"
    ).read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_pages_are_numbered_where_a_file_has_one(pages, tmp_path, ending):
    with open_outputs(str(tmp_path / f"x{ending}"), settings(**FAST)) as outputs:
        for page in pages:
            outputs.add(page)
    expected = (
        [tmp_path / f"x{ending}"]
        if ending in BOUND
        else [tmp_path / f"x-{i:03}{ending}" for i in range(1, len(pages) + 1)]
    )
    assert outputs.written == expected and sorted(tmp_path.iterdir()) == expected


def test_several_files_at_once(pages, tmp_path):
    out = ", ".join(str(tmp_path / name) for name in ("a.svg", "b.json", "c.animated.svg"))
    with open_outputs(out, settings()) as outputs:
        outputs.add(pages[0])
    assert (
        sorted(path.name for path in outputs.written)
        == sorted(path.name for path in tmp_path.iterdir())
        == ["a.svg", "b.json", "c.animated.svg"]
    )
    assert (
        "animate" in (tmp_path / "c.animated.svg").read_text()
        and "animate" not in (tmp_path / "a.svg").read_text()
    )


def test_what_cannot_be_written_is_refused_before_any_work(pages, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.svg").mkdir()
    for out, sentence in (
        ("a.doc", "must be one of .svg, .animated.svg"),
        ("a", "must be one of"),
        (".svg", "must be one of"),
        ("a.svg,a.svg", "names a file twice"),
        (", ", "names no file"),
        (tmp_path / "file" / "a.svg", "cannot be written"),
        (tmp_path / "folder.svg", "it is a folder"),
    ):
        with pytest.raises(UserError, match=sentence), open_outputs(str(out), settings()):
            raise AssertionError("too late")
    with (
        pytest.raises(UserError, match="--ink_color takes a name like black"),
        open_outputs(str(tmp_path / "a.svg"), settings(ink_color="inky")),
    ):
        raise AssertionError("too late")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.svg"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_end_in_the_middle_leaves_whole_files_only(pages, tmp_path, error):
    (tmp_path / "a.pdf").write_text("an older one")
    with (
        pytest.raises(error),
        open_outputs(f"{tmp_path}/a.pdf,{tmp_path}/a.svg,{tmp_path}/a.json", settings()) as outputs,
    ):
        outputs.add(pages[0])
        outputs.add(pages[1])
        raise error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-001.svg", "a-002.svg", "a.pdf"]
    assert (tmp_path / "a.pdf").read_text() == "an older one" and (
        tmp_path / "a-001.svg"
    ).read_text().endswith("</svg>")


def test_a_renderer_that_fails_leaves_nothing(pages, tmp_path, monkeypatch):
    def full(page, path, config):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(outputs.SINGLE, ".svg", full)
    with pytest.raises(UserError, match="a.svg cannot be written: its disk is full"):
        save_page(pages[0], tmp_path / "a.svg", settings())
    assert list(tmp_path.iterdir()) == []


def test_endings_are_found_in_any_case():
    assert [ending for _, ending in parse_out("A.SVG,b.Json.Zip,c.x.animated.svg")] == [
        ".svg",
        ".json.zip",
        ".animated.svg",
    ]
