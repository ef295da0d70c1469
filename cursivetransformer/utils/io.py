"""Writing files so that a crash, Ctrl-C or a full disk never leaves half of one."""

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from cursivetransformer.utils.errors import UserError


def shipped(name):
    """The path of a file that comes with the program: a model, recognizers, a bank, word lists, the recording page.

    An installed package holds them in `assets`, a checkout in `data/` and at its root.
    """
    package = Path(__file__).parent.parent
    places = [package / "assets" / name, package.parent / "data" / name, package.parent / name]
    return next((place for place in places if place.exists()), places[0])


@contextmanager
def as_user_error(path):
    """Turn what the system refuses while writing `path` (no space, no permission, no such folder) into a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def atomic_path(path):
    """Give a temporary path beside `path` to write to; it takes the name of `path` only when all went well.

    The ending stays the same, for writers that go by it. Raises `UserError` where the system refuses.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        with as_user_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(path):
    """Raise `UserError` now where `path` could not be written later; makes its folder."""
    path = Path(path)
    with as_user_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass


def _flush(path):
    # Without this a power cut may leave the new name on an empty file.
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
