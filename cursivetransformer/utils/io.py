"""Read files of any kind and size safely, and write them whole or not at all.

A crash, Ctrl-C or a full disk never leaves half of a file.
"""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cursivetransformer.utils.errors import UserError, reason_of

ORPHAN = re.compile(r"\.([1-9]\d*)\.part(\.[^.]*)?$")  # a name of `atomic_path`; group 1: process


def shipped(name: str) -> Path:
    """Return the path of a file that ships with the program, such as a model or a word list.

    An installed package keeps these files in `assets`, a checkout in `data/` and at its root.
    """
    package = Path(__file__).parent.parent
    paths = [package / "assets" / name, package.parent / "data" / name, package.parent / name]
    return next((path for path in paths if path.exists()), paths[0])


def open_at_once(path: str | Path) -> BinaryIO:
    """Open a file to read, without waiting for what writes to a pipe. Raises `UserError`."""
    try:
        return open(path, "rb", opener=_without_waiting)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read that is neither a pipe nor a device, which may never end.

    Raises:
        UserError: The file cannot be read, or is of another kind.
    """
    file = open_at_once(path)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UserError(f"{path} cannot be read: it is no regular file")
    return file


def read_regular(path: str | Path, max_bytes: int) -> bytes:
    """Read a file that `open_regular` opens.

    Raises:
        UserError: The file cannot be read, is of another kind, or is larger than `max_bytes`.
    """
    with open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UserError(f"{path} is larger than {max_bytes >> 20} MiB; give a smaller file")
    return data


@contextmanager
def as_user_error(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` while writing `path` (disk full, no permission) into a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {reason_of(error)}") from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if the block succeeds.

    Both have the same ending, because some writers choose the format by it.

    Raises:
        UserError: The system refuses to write the file.
    """
    path = Path(path)
    # Not `with_name`, which fails for "/" and "".
    temporary = path.parent / f".{path.name}.{os.getpid()}.part{path.suffix}"
    try:
        with as_user_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_kind(path)
            remove_orphans(path.parent, path.name)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_orphans(folder: Path, name: str = "") -> None:
    """Remove what `atomic_path` could not, since its process was killed.

    Args:
        folder: where it is.
        name: of the file that was to be written, or "" for all files.
    """
    start = f".{name}." if name else "."
    with suppress(OSError):
        for path in folder.iterdir():
            found = ORPHAN.search(path.name) if path.name.startswith(start) else None
            if found and not _is_alive(int(found[1])):
                path.unlink()


def _is_alive(pid: int) -> bool:
    """Return whether there is such a process; true where the system does not tell."""
    if os.name == "nt":  # where this would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to someone else
        pass
    return True


def check_writable(path: str | Path) -> None:
    """Check that `path` can be written later, and make its folder. Raises `UserError`."""
    path = Path(path)
    with as_user_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_kind(path)
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass


def _check_kind(path: Path) -> None:
    """Raise `OSError` for a folder, a pipe or a device, none of which a file should replace."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")


def _flush(path: Path) -> None:
    # Otherwise a power cut may leave the new name on an empty file.
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
