"""Write files of tensors and plain values atomically, and read them as files of a stranger.

Reading runs no code from a file, takes memory in proportion to its size, and checks the kind, the
format, the checksums, the types and the sizes of what it holds. Does not depend on what that is.
"""

import dataclasses
import io
import math
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import Field
from torch import nn

from cursivetransformer import __version__
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path
from cursivetransformer.utils.schema import Count, from_plain, join_keys
from cursivetransformer.utils.wording import MAX_QUOTED, quote

HEADER = ("format", "kind", "version")  # names of what every file holds beside its content
DEFAULT_KIND = "checkpoint"  # of files without a "kind"
MAX_FILE_BYTES = 2 << 30  # 170 million weights with the two averages of AdamW
MAX_PICKLE_BYTES = 2 << 20  # of the plain values; each byte may become a list of 64 bytes
# What a pickle of tensors calls. torch allows more, such as a bytearray of any size.
ALLOWED_GLOBALS = re.compile(
    r"torch\._utils _rebuild_tensor_v2|torch \w+Storage|collections OrderedDict"
)
MAX_MEMBERS = 100_000  # of the zip, which has one for each tensor
MAX_MEMBER_OVERHEAD = 1024  # bytes of the zip for each member beside its content
MAX_VALUES, MAX_DEPTH = 1_000_000, 20  # of the plain values
MAX_VIEWS = 4  # tensors that may share the same numbers, on average
# The largest number of half precision, in which models are passed on. Weights are below 100.
MAX_WEIGHT = 65_504.0

Content = dict[str, Any]
T = TypeVar("T")


@dataclasses.dataclass
class _Header:
    """What every file holds beside its content."""

    format: Count
    kind: Annotated[str, Field(max_length=MAX_QUOTED)] = DEFAULT_KIND
    version: Annotated[str, Field(max_length=MAX_QUOTED)] = "an unknown version"


class _Refused(UserError):
    """A file of another kind or format; the sentence says so and needs nothing before it."""


class _Damaged(Exception):
    """A file is not as `write_content` writes it; the message says in what."""


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
    cure: str,
    build: Callable[[Content], T],
    upgrade: Callable[[Content], Content] | None = None,
) -> T:
    """Read a file that `write_content` wrote, without running code from it; tensors on the CPU.

    Args:
        path: File to read.
        kind: Expected value of "kind" in the file.
        format: Expected value of "format" in the file.
        cure: What the user should do if there is no such file.
        build: Makes the result from the dictionary in the file.
        upgrade: Converts the dictionary of an earlier format to the present format.

    Raises:
        UserError: The file cannot be used; the message is one sentence.
    """
    path = Path(path)
    content = _load_dictionary(path, kind, cure)
    with fitting(path):
        header = from_plain(_Header, {n: content[n] for n in HEADER if n in content})
    with fitting(path, header.version):
        if upgrade:
            content = upgrade(content)
        _check_kind_and_format(path, content, kind, format, cure)
        return build(content)


@contextmanager
def fitting(path: Path, version: str = "an unknown version") -> Iterator[None]:
    """Turn errors about what a file holds into a `UserError` that names the file.

    Args:
        path: The file.
        version: That wrote it.
    """
    try:
        yield
    except _Refused:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        UserError,
        ValueError,
    ) as error:
        reason = quote(str(error).partition("\n")[0])
        raise UserError(
            f"{path} does not fit this version ({__version__}; "
            f"it was written by {quote(version)}): {reason}"
        ) from error


def load_weights(module: nn.Module, weights: Mapping[str, Any], name: str = "weights") -> None:
    """Copy the weights of a file to a module.

    Raises:
        ValueError: A weight is missing, unknown, of another shape, or larger than weights are.
    """
    check_weights(module, weights, name)
    module.load_state_dict(dict(weights))


def check_weights(module: nn.Module, weights: Mapping[str, Any], name: str = "weights") -> None:
    """Check that `load_weights` can copy `weights` to `module`. Raises `ValueError`."""
    own = module.state_dict()
    differing = own.keys() ^ weights.keys()
    if differing:
        key = min(differing, key=str)
        problem = "is missing" if key in own else "is unknown"
        raise ValueError(f"{join_keys(name, key)} {problem}")
    for key, weight in own.items():
        stored = weights[key]
        check_tensor(stored, weight, join_keys(name, key))
        if stored.is_floating_point() and stored.numel() and stored.abs().max() > MAX_WEIGHT:
            raise ValueError(f"{join_keys(name, key)} holds a number that no weight has")


def check_tensor(stored: object, own: torch.Tensor, name: str) -> None:
    """Check that a value of a file is a tensor of the shape and kind of `own`.

    Raises:
        ValueError: It is not; the message has `name`.
    """
    if not isinstance(stored, torch.Tensor):
        raise ValueError(f"{name} is no tensor")
    if stored.shape != own.shape:
        raise ValueError(f"{name} has the shape {list(stored.shape)}, not {list(own.shape)}")
    if stored.is_floating_point() != own.is_floating_point():
        raise ValueError(f"{name} holds {stored.dtype}, not {own.dtype}")


def _load_dictionary(path: Path, kind: str, cure: str) -> Content:
    if not path.is_file():
        raise UserError(f"there is no {kind} {path}; {cure}")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(f"{path} is larger than {MAX_FILE_BYTES >> 30} GiB, which no {kind} is")
        _check_archive(path, size)
        # weights_only builds nothing but tensors and plain values.
        content = torch.load(path, map_location="cpu", weights_only=True)
        _check_values(content, size)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    # The readers of zip files and pickles raise whatever a malformed file leads them to.
    except Exception as error:
        reason = f" ({quote(str(error))})" if isinstance(error, _Damaged) else ""
        raise UserError(
            f"{path} is not a {kind} of this program, or it was cut short{reason}; use another one"
        ) from error
    if not isinstance(content, dict) or "format" not in content:
        raise UserError(f"{path} is not a {kind} of this program; it may hold weights alone")
    return content


def _check_archive(path: Path, size: int) -> None:
    """Check the zip that torch reads, before it is read: its sizes, and the checksums.

    torch unpacks what is packed, and looks at no checksum.

    Raises:
        _Damaged: The zip is not one of `torch.save`.
        Exception: Whatever else `zipfile` raises.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise _Damaged("it has too many parts")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise _Damaged("its parts are packed")
        if len({member.filename for member in members}) < len(members):
            raise _Damaged("two of its parts have the same name")
        overhead = size - sum(member.file_size for member in members)
        if not 0 <= overhead <= MAX_MEMBER_OVERHEAD * (len(members) + 1):
            raise _Damaged("its parts have other sizes than it says")
        for member in members:
            if member.filename.endswith("data.pkl"):
                if member.file_size > MAX_PICKLE_BYTES:
                    raise _Damaged("it holds too many values")
                _check_pickle(archive.read(member))
        damaged = archive.testzip()
    if damaged:
        raise _Damaged(f"the checksum of its part {damaged} is wrong")


def _check_pickle(data: bytes) -> None:
    """Check what a pickle calls, without reading it. Raises `_Damaged`."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("INST", "STACK_GLOBAL") or "EXT" in opcode.name:
            raise _Damaged("it calls functions in a way that torch does not")
        if opcode.name == "GLOBAL" and not ALLOWED_GLOBALS.fullmatch(str(argument)):
            raise _Damaged(f"it calls {argument}")


def _check_values(content: object, max_bytes: int) -> None:
    """Check that tensors and plain values are what a file of `max_bytes` can hold.

    Raises:
        _Damaged: They are nested too deep, too many, not numbers, or of another type.
    """
    n_values = n_bytes = 0
    waiting: list[tuple[object, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        n_values += 1
        if depth > MAX_DEPTH or n_values > MAX_VALUES:
            raise _Damaged("its values are nested too deep or too many")
        if isinstance(value, dict):
            if not all(isinstance(key, (str, int)) for key in value):
                raise _Damaged("a key is neither a text nor a number")
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend((item, depth + 1) for item in value)
        elif type(value) is torch.Tensor:
            n_bytes += value.numel() * value.element_size()
            if n_bytes > MAX_VIEWS * max_bytes:
                raise _Damaged("its tensors are larger than it is")
            _check_numbers(value)
        elif isinstance(value, float) and math.isnan(value):
            raise _Damaged("a value is not a number")
        elif not isinstance(value, (str, int, float, type(None))):
            raise _Damaged(f"it holds a {type(value).__name__}")


def _check_numbers(tensor: torch.Tensor) -> None:
    """Check that a tensor has finite numbers, each in a place of its own. Raises `_Damaged`."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        raise _Damaged("it holds a tensor of a strange kind")
    # A tensor may repeat one number a billion times.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise _Damaged("a tensor is larger than its numbers")
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise _Damaged("a tensor holds NaN or infinity")


def _check_kind_and_format(path: Path, content: Content, kind: str, format: int, cure: str) -> None:
    stored_kind = content.get("kind", DEFAULT_KIND)
    if stored_kind != kind:
        raise _Refused(f"{path} holds a {quote(stored_kind)}, not a {kind}; {cure}")
    if content["format"] != format:
        raise _Refused(
            f"{path} was written by version {quote(str(content.get('version')))} "
            f"in format {content['format']}, this is version {__version__} "
            f"and reads format {format}; install the version that wrote it"
        )
