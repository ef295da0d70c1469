"""Files of tensors and plain values: written whole or not at all, read without running code from them."""

import io
import pickle
from pathlib import Path

import torch

from cursivetransformer import __version__
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path

DEFAULT_KIND = "checkpoint"  # of files that do not say theirs


def write_content(path, content):
    """Write a dictionary of tensors and plain values to a file, whole or not at all."""
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's zip writer on a full disk
            raise OSError(str(error).splitlines()[0]) from error


def read_content(path, kind, format, device, cure, build, upgrade=None):
    """What `build` makes of the dictionary in a file that `write_content` wrote, of a "kind" and a "format".

    cure: what to do where there is no such file; upgrade: turns the content of an earlier format into that of the present one. Runs no code from the file. Raises `UserError` in one sentence.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {kind} {path}; {cure}")
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        # weights_only: nothing but tensors and plain values is built.
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
    if upgrade:
        content = upgrade(content)
    found = content.get("kind", DEFAULT_KIND)
    if found != kind:
        raise UserError(f"{path} holds a {found}, not a {kind}; {cure}")
    if content["format"] != format:
        raise UserError(
            f"{path} was written by version {content.get('version')} in format {content['format']}, "
            f"this is version {__version__} and reads format {format}; install the version that wrote it"
        )
    try:
        return build(content)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} does not fit this version ({__version__}; it was written by {content.get('version')}): {reason}"
        ) from error
