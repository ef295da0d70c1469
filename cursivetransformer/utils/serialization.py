"""Write files of tensors and plain values atomically, and read them without running their code."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from cursivetransformer import __version__
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path

DEFAULT_KIND = "checkpoint"  # of files without a "kind"

Content = dict[str, Any]
T = TypeVar("T")


def write_content(path: str | Path, content: Content) -> None:
    """Write a dictionary of tensors and plain values to a file atomically."""
    buffer = io.BytesIO()  # torch hides why the system refuses to write a file
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_content(
    path: str | Path,
    kind: str,
    format: int,
    device: str | torch.device,
    cure: str,
    build: Callable[[Content], T],
    upgrade: Callable[[Content], Content] | None = None,
) -> T:
    """Read a file that `write_content` wrote, without running code from it.

    Args:
        path: File to read.
        kind: Expected value of "kind" in the file.
        format: Expected value of "format" in the file.
        device: Device of the tensors.
        cure: What the user should do if there is no such file.
        build: Makes the result from the dictionary in the file.
        upgrade: Converts the dictionary of an earlier format to the present format.

    Raises:
        UserError: The file cannot be used; the message is one sentence.
    """
    path = Path(path)
    content = _load_dictionary(path, kind, device, cure)
    try:
        if upgrade:
            content = upgrade(content)
        _check_kind_and_format(path, content, kind, format, cure)
        return build(content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} does not fit this version ({__version__}; "
            f"it was written by {content.get('version')}): {reason}"
        ) from error


def _load_dictionary(path: Path, kind: str, device: str | torch.device, cure: str) -> Content:
    if not path.is_file():
        raise UserError(f"there is no {kind} {path}; {cure}")
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        # weights_only builds nothing but tensors and plain values.
        content = torch.load(data, map_location=device, weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
    ) as error:
        raise UserError(
            f"{path} is not a {kind} of this program, or it was cut short; use another one"
        ) from error
    if not isinstance(content, dict) or "format" not in content:
        raise UserError(f"{path} is not a {kind} of this program; it may hold weights alone")
    return content


def _check_kind_and_format(path: Path, content: Content, kind: str, format: int, cure: str) -> None:
    stored_kind = content.get("kind", DEFAULT_KIND)
    if stored_kind != kind:
        raise UserError(f"{path} holds a {stored_kind}, not a {kind}; {cure}")
    if content["format"] != format:
        raise UserError(
            f"{path} was written by version {content.get('version')} "
            f"in format {content['format']}, this is version {__version__} "
            f"and reads format {format}; install the version that wrote it"
        )
