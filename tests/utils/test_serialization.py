"""Tests of files of tensors and plain values."""

import pytest
import torch

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.serialization import read_content, write_content

CONTENT = {"kind": "bag", "format": 2, "version": "0.0", "items": [1, "two"], "x": torch.eye(2)}


def read(path, build=lambda content: content, upgrade=None):
    return read_content(path, "bag", 2, "cpu", "make one", build, upgrade)


def test_what_was_written_comes_back(tmp_path):
    write_content(tmp_path / "new folder" / "a.pt", CONTENT)
    content = read(tmp_path / "new folder" / "a.pt")
    assert torch.equal(content.pop("x"), torch.eye(2))
    assert content == {name: value for name, value in CONTENT.items() if name != "x"}
    assert read(tmp_path / "new folder" / "a.pt", lambda content: content["items"]) == [1, "two"]


def test_an_earlier_format_is_upgraded(tmp_path):
    write_content(tmp_path / "a.pt", {**CONTENT, "format": 1})
    assert read(tmp_path / "a.pt", upgrade=lambda c: {**c, "format": 2})["format"] == 2


@pytest.mark.parametrize(
    "content, sentence",
    [
        ({**CONTENT, "kind": "box"}, "holds a box, not a bag; make one"),
        ({"format": 2}, "holds a checkpoint, not a bag; make one"),
        ({**CONTENT, "format": 1}, "in format 1, .* reads format 2; install the version"),
        ({"x": torch.eye(2)}, "is not a bag of this program; it may hold weights alone"),
        ([1, 2], "is not a bag of this program; it may hold weights alone"),
    ],
)
def test_another_content_is_refused_in_one_sentence(tmp_path, content, sentence):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=sentence) as caught:
        read(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)


def test_a_missing_a_cut_and_an_unfit_file_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.raises(UserError, match="there is no bag .*a.pt; make one"):
        read(path)
    write_content(path, CONTENT)
    with pytest.raises(UserError, match="does not fit this version .*written by 0.0.*'absent'"):
        read(path, lambda content: content["absent"])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="is not a bag of this program, or it was cut short"):
        read(path)


def test_a_file_that_the_system_refuses_stays_as_it_was(tmp_path):
    resource = pytest.importorskip("resource", reason="needs a limit of the size of files")
    write_content(tmp_path / "a.pt", CONTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, before[1]))
    try:
        with pytest.raises(UserError, match="a.pt cannot be written: File too large$"):
            write_content(tmp_path / "a.pt", {"x": torch.ones(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read(tmp_path / "a.pt")["items"] == [1, "two"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]
