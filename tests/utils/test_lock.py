"""Tests of folders that one process at a time works in."""

import errno
import signal
import subprocess
import sys

import pytest

from cursivetransformer.utils import lock
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.lock import locked_folder

HOLD = """
import sys, time
from pathlib import Path
from cursivetransformer.utils.lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    folder = tmp_path / "runs" / "a"
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "locked\n"
    half = folder / f".last.pt.{owner.pid}.part.pt"
    half.write_bytes(b"half")
    for _ in range(2):
        with pytest.raises(UserError, match=f"process {owner.pid} is training in .*/a already"):
            with locked_folder(folder):
                pass
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with locked_folder(folder):
        assert not half.exists()
        (folder / "last.pt").write_bytes(b"whole")
    assert [path.name for path in folder.iterdir()] == ["last.pt"]


def test_a_folder_that_stays_empty_is_removed(tmp_path):
    with pytest.raises(UserError, match="no bank"), locked_folder(tmp_path / "a"):
        raise UserError("there is no bank")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES])
def test_a_file_system_without_locks_is_noted_and_one_that_refuses_is_an_error(
    tmp_path, monkeypatch, number
):
    class Refused(lock.FileLock):
        def _acquire(self):
            raise OSError(number, "no")

    monkeypatch.setattr(lock, "FileLock", Refused)
    told = []
    if number == errno.EACCES:
        with pytest.raises(UserError, match="a cannot be written: no"):
            with locked_folder(tmp_path / "a", told.append):
                pass
    else:
        with locked_folder(tmp_path / "a", told.append):
            assert len(told) == 1 and "has no locks" in told[0]
