"""Tests of files of tensors and plain values."""

import zipfile

import pytest
import torch
from torch import nn

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.serialization import load_weights, read_content, write_content

CONTENT = {"kind": "bag", "format": 2, "version": "0.0", "items": [1, "two"], "x": torch.eye(2)}


def read(path, build=lambda content: content, upgrade=None):
    return read_content(path, "bag", 2, "make one", build, upgrade)


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


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def containing_itself() -> list:
    value: list = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    "item",
    [
        nested(30),
        nested(200),
        containing_itself(),
        [0] * 1_100_000,
        {1.5: "a"},
        {1, 2},
        float("nan"),
        torch.tensor([1.0, torch.nan]),
        torch.tensor([1.0, -torch.inf]),
        torch.ones(1).expand(10**6),
        torch.ones(2).to_sparse(),
        torch.ones(2, dtype=torch.complex64),
    ],
    ids=lambda item: type(item).__name__,
)
def test_what_no_file_of_ours_holds_is_refused(tmp_path, item):
    path = tmp_path / "a.pt"
    torch.save({**CONTENT, "item": item}, path)
    with pytest.raises(UserError, match="a.pt is not a bag of this program") as caught:
        read(path)
    assert len(str(caught.value)) < 400


def test_a_format_is_never_printed_whole(tmp_path):
    for value in (torch.ones(50, 50), containing_itself(), "5" * 10_000, None, 10**300, -1):
        torch.save({**CONTENT, "format": value}, tmp_path / "a.pt")
        with pytest.raises(UserError) as caught:
            read(tmp_path / "a.pt")
        assert len(str(caught.value)) < 400


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.pt"
    write_content(path, {**CONTENT, "x": torch.full((1000,), 3.0)})
    data = path.read_bytes()
    at = data.index(torch.full((100,), 3.0).numpy().tobytes())
    path.write_bytes(data[:at] + b"\1" + data[at + 1 :])
    with pytest.raises(UserError, match="the checksum of its part .* is wrong"):
        read(path)


def repack(path, compression: int = zipfile.ZIP_STORED, extra: dict[str, bytes] | None = None):
    """Write the members of a zip anew."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in {**members, **(extra or {})}.items():
            archive.writestr(name, data)


def test_a_file_takes_no_more_memory_than_its_size(tmp_path):
    path = tmp_path / "a.pt"
    write_content(path, {**CONTENT, "x": torch.zeros(10**6)})
    repack(path)
    read(path)
    repack(path, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="its parts are packed"):
        read(path)
    write_content(path, CONTENT)
    repack(path, extra={"a/data.pkl": bytes(9 << 20)})
    with pytest.raises(UserError, match="holds too many values"):
        read(path)
    with open(path, "r+b") as file:
        file.truncate(200 << 30)  # takes no room on the disk
    with pytest.raises(UserError, match="a.pt is larger than 2 GiB, which no bag is"):
        read(path)


def test_weights_are_compared_before_they_are_copied():
    module = nn.Linear(3, 2)
    good = {"weight": torch.ones(2, 3), "bias": torch.ones(2, dtype=torch.float16)}
    load_weights(module, good)
    assert module.bias.tolist() == [1, 1]
    for change, sentence in [
        ({"more": torch.ones(1)}, "weights.more is unknown"),
        ({"bias": [1, 2]}, "weights.bias is no tensor"),
        ({"bias": torch.ones(3)}, r"weights.bias has the shape \[3\], not \[2\]"),
        ({"bias": torch.ones(2, dtype=torch.int64)}, "weights.bias holds torch.int64"),
        ({"bias": torch.full((2,), 1e30)}, "weights.bias holds a number that no weight has"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            load_weights(module, {**good, **change})
    with pytest.raises(ValueError, match="weights.bias is missing"):
        load_weights(module, {"weight": torch.ones(2, 3)})
