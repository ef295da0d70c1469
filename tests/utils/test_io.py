"""Tests of reading and writing files."""

import os
import subprocess
import sys

import pytest

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import (
    atomic_path,
    check_writable,
    read_regular,
    remove_orphans,
    shipped,
)


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
    "error, raised, sentence",
    [
        (ValueError("a bug"), ValueError, "a bug"),
        (OSError(28, "No space left on device"), UserError, "a.txt cannot be written: its disk is"),
    ],
)
def test_an_error_leaves_the_old_file(tmp_path, error, raised, sentence):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(raised, match=sentence), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_path_is_checked_before_work(tmp_path):
    check_writable(tmp_path / "folder" / "a.txt")
    assert not list((tmp_path / "folder").iterdir())
    with pytest.raises(UserError, match="cannot be written: it is a folder"):
        check_writable(tmp_path / "folder")


def test_what_dead_processes_left_is_removed_and_living_ones_keep_theirs(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [tmp_path / f".{name}.{dead.pid}.part.pt" for name in ("a.pt", "b.pt")]
    alive = tmp_path / f".a.pt.{os.getppid()}.part.pt"
    mine = tmp_path / "a.part.pt"
    for path in (*left, alive, mine):
        path.write_bytes(b"half")
    with atomic_path(tmp_path / "a.pt") as temporary:
        temporary.write_bytes(b"whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.pt", left[1], alive, mine}
    remove_orphans(tmp_path)
    assert set(tmp_path.iterdir()) == {tmp_path / "a.pt", alive, mine}


def test_a_regular_file_of_a_bounded_size_is_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"12345")
    assert read_regular(tmp_path / "a.txt", 5) == b"12345"
    with pytest.raises(UserError, match="larger than 0 MiB"):
        read_regular(tmp_path / "a.txt", 4)


@pytest.mark.parametrize("name", ["pipe", "zero", "folder", "none", "n" * 300])
def test_what_may_never_end_is_neither_read_nor_replaced(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be read|is no regular file"):
        read_regular(tmp_path / name, 1 << 20)
    if name == "none":
        return
    for write in (lambda path: atomic_path(path).__enter__(), check_writable):
        with pytest.raises(UserError, match="cannot be written: (it is |File name too long)"):
            write(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "zero", "folder"}
