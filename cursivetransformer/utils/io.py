"""Read files of any kind and size safely, and write them whole or not at all.

A crash, Ctrl-C or a full disk never leaves half of a file.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cursivetransformer.utils.errors import UserError


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


def read_regular(path: str | Path, max_bytes: int) -> bytes:
    """Read a file that is neither a pipe nor a device, which may never end, nor too large.

    Raises:
        UserError: The file cannot be read, is of another kind, or is larger than `max_bytes`.
    """
    with open_at_once(path) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UserError(f"{path} is no regular file; give one that is")
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
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if the block succeeds.

    Both have the same ending, because some writers choose the format by it.

    Raises:
        UserError: The system refuses to write the file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        with as_user_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_kind(path)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


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
