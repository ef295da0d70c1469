"""A folder that one process at a time works in."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import as_user_error, remove_orphans

LOCK, OWNER = ".lock", ".lock.pid"  # the lock, and beside it the number of the process that has it
# What file systems without locks say, as some network drives are.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked_folder(folder: Path, say: Callable[[str], object] = print) -> Iterator[None]:
    """Make a folder, and keep other trainings out of it until the block ends.

    The system frees the lock when its process ends, however that happens. What dead processes left
    half written in the folder is removed. A folder that is empty afterwards is removed too, and
    its parent likewise.

    Args:
        folder: the folder.
        say: takes a note if its file system has no locks.

    Raises:
        UserError: another process has the lock, or the folder cannot be written to.
    """
    with ExitStack() as stack, as_user_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _lock(folder, say, stack)
        remove_orphans(folder)
        unlocked = stack.pop_all()
    with unlocked:
        yield


def _lock(folder: Path, say: Callable[[str], object], stack: ExitStack) -> None:
    """Lock a folder until `stack` is left."""
    lock, owner = folder / LOCK, folder / OWNER
    try:
        stack.enter_context(FileLock(lock, timeout=0))
    except Timeout:
        raise UserError(
            f"{_name_owner(owner)} is training in {folder} already; "
            "wait until it ends or stop it, or train in another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        say(
            f"note: the file system of {folder} has no locks, so a second training there "
            "would go unnoticed"
        )
    stack.callback(_remove, folder)
    with suppress(OSError):  # the number is only for the sentence
        owner.write_text(str(os.getpid()), encoding="ascii")


def _name_owner(path: Path) -> str:
    try:
        return f"process {int(path.read_bytes()[:20])}"
    except (OSError, ValueError):
        return "another process"


def _remove(folder: Path) -> None:
    """Remove the lock, and the folder and its parent if nothing else is in them."""
    for name in (OWNER, LOCK):
        with suppress(OSError):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
