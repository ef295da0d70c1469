"""Write files so that a crash, Ctrl-C or a full disk never leaves half of one."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cursivetransformer.utils.errors import UserError, reason_of

ORPHAN = re.compile(r"\.([1-9]\d*)\.part(\.[^.]*)?$")  # a name of `atomic_path`; group 1: process


def shipped(name: str) -> Path:
    """Return the path of a file that ships with the program, such as a model or a word list.

    An installed package keeps these files in `assets`, a checkout in `data/` and at its root.
    """
    package = Path(__file__).parent.parent
    paths = [package / "assets" / name, package.parent / "data" / name, package.parent / name]
    return next((path for path in paths if path.exists()), paths[0])


def open_regular(path: str | Path) -> IO[bytes]:
    """Open a file for reading, but no pipe, device, socket or folder, which may have no end.

    Raises:
        OSError: It cannot be opened, or is not a regular file.
    """
    # Otherwise, opening a pipe waits until another program writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file")
    return file


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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        with as_user_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
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
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass


def _flush(path: Path) -> None:
    # Otherwise a power cut may leave the new name on an empty file.
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
