"""Tests of writing files."""

import pytest

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, check_writable, shipped


def test_what_ships_is_found():
    for name in ("base.pt", "starter.json.zip", "collect.html", "words.txt"):
        assert shipped(name).is_file()
    assert not shipped("nothing.txt").exists()


def test_a_file_is_written_whole(tmp_path):
    with atomic_path(tmp_path / "folder" / "a.txt") as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert (tmp_path / "folder" / "a.txt").read_text() == "new"


@pytest.mark.parametrize(
    "error, raised", [(ValueError("a bug"), ValueError), (OSError(28, "disk full"), UserError)]
)
def test_an_error_leaves_the_old_file(tmp_path, error, raised):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(raised), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_path_is_checked_before_work(tmp_path):
    check_writable(tmp_path / "folder" / "a.txt")
    assert not list((tmp_path / "folder").iterdir())
    with pytest.raises(UserError, match="cannot be written: it is a folder"):
        check_writable(tmp_path / "folder")
