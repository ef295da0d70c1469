"""Pages as ink for other programs."""

import gzip
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cursivetransformer.bank.file import load_bank, parse_entries, read_entries
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.curves import flatten
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.render.ink_files import InkMetadata
from cursivetransformer.render.outputs import open_outputs
from tests.made_up_page import made_up_pages, settings

INK = "{http://www.w3.org/2003/InkML}"


@pytest.fixture(scope="module")
def pages():
    return made_up_pages(120, page="A6", paper="squared")


def write(pages, path, **changed):
    with open_outputs(str(path), settings(**changed), InkMetadata("Ada", 0.65)) as outputs:
        for page in pages:
            outputs.add(page)
    assert outputs.written == [path]
    return path


@pytest.mark.parametrize("ending", [".json", ".json.zip"])
def test_a_bank_of_generated_words_can_be_learnt_like_a_recorded_one(pages, tmp_path, ending):
    path = write(pages, tmp_path / f"a{ending}")
    words, faults = parse_entries(read_entries(path))
    placed = [word for page in pages for word in page.words]
    assert (
        not faults
        and [word.text for word in words] == [word.text for word in placed]
        and len(pages) > 1
    )
    assert {word.author for word in words} == {"Ada"}
    for word, before in zip(words, placed):
        assert len(split_strokes(word.points)) == len(before.strokes)
        assert (
            np.abs(word.points[:, :2].max(axis=0) - before.points[:, :2].max(axis=0)).max() < 0.03
        )
        # Thinned as in training it is about what the model wrote.
        assert len(downsample(word.points, 0.65)) == pytest.approx(
            len(before.points), rel=0.15, abs=len(before.strokes) + 2
        )
    first = words[0].metadata
    assert (
        first["generated"] is True and first["page"] == 1 and len(first["placeInMillimetres"]) == 2
    )
    assert load_bank(path)


def test_inkml_has_a_group_of_traces_for_each_word_with_times(pages, tmp_path):
    root = ET.parse(write(pages, tmp_path / "a.inkml", pace=8.0)).getroot()
    groups = root.findall(f"{INK}traceGroup")
    assert len(groups) == len(pages)
    last = -1
    for group, page in zip(groups, pages):
        words = group.findall(f"{INK}traceGroup")
        assert [word.find(f"{INK}annotation").text for word in words] == [
            word.text for word in page.words
        ]
        for one, word in zip(words, page.words):
            for trace, stroke in zip(one.findall(f"{INK}trace"), word.strokes, strict=True):
                points = np.array(
                    [list(map(float, point.split())) for point in trace.text.split(",")]
                )
                np.testing.assert_allclose(points[:, :2], flatten(stroke).xy, atol=6e-4)
                assert points[0, 2] > last and (np.diff(points[:, 2]) >= 0).all()
                last = points[-1, 2]
    assert last / 1000 == pytest.approx(
        sum(len(word.text) for page in pages for word in page.words) / 8 + len(pages) - 1, abs=0.1
    )


def test_xournal_files_have_pages_in_points_and_a_width_for_each_piece(pages, tmp_path):
    path = write(pages, tmp_path / "a.xopp", ink_color="red", strokes="auto")
    root = ET.fromstring(gzip.decompress(path.read_bytes()))
    found = root.findall("page")
    assert len(found) == len(pages)
    for one, page in zip(found, pages):
        assert float(one.get("width")) == pytest.approx(page.width / 25.4 * 72, abs=0.01)
        paper, layer = one.findall("layer")
        assert (paper.get("name"), layer.get("name")) == ("paper", "ink") and len(paper) == len(
            page.ruling.lines(page.width, page.height)
        )
        for stroke, ink in zip(layer.iter("stroke"), page.strokes, strict=True):
            points, widths = (
                np.reshape(list(map(float, stroke.text.split())), (-1, 2)),
                stroke.get("width").split(),
            )
            assert (
                len(widths) == (len(points) if len(ink) > 1 else 1)
                and len(points) >= 2
                and stroke.get("color") == "#ff0000ff"
            )
            np.testing.assert_allclose(points[0] / 72 * 25.4, ink[0], atol=0.01)
    even = ET.fromstring(
        gzip.decompress(
            write(pages, tmp_path / "b.xopp", strokes="line", pen_width=0.45).read_bytes()
        )
    )
    assert {
        width
        for layer in even.iter("layer")
        if layer.get("name") == "ink"
        for stroke in layer
        for width in stroke.get("width").split()
    } <= {"1.28"}
    assert path.read_bytes() == write(pages, tmp_path / "c.xopp", ink_color="red").read_bytes()
