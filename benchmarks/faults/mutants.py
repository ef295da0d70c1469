"""Files that a user could have: a good one, changed by a seeded fuzzer.

A change is of bytes, of a value in the content, of the numbers of a weight, of the container, or a
pickle that would run code.
"""

import copy
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARKER = "code-was-run"  # a file that a payload would make

Rng = np.random.Generator


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def absurd_values() -> list[Any]:
    """Return values that hardly any key expects."""
    return [
        *(None, True, [], {}, "", " ", "\udc80", "\x1b[31m", "x" * 1_000_000),
        *(-1, 0, 1, 10**6, 2**64, -(10**30), 0.5, 1e308, float("nan"), float("inf")),
        *([5] * 12, {"a": {"b": []}}, nested(100)),
    ]


def absurd_tensors() -> list[Any]:
    """Return values that only a pickle holds."""
    return [
        *(_endless(), torch.zeros(0), torch.zeros(3, 3), torch.ones(2, dtype=torch.int64)),
        *(torch.full((5,), torch.nan), torch.ones(1).expand(10**9), (1, 2), b"bytes"),
    ]


def mutate_bytes(rng: Rng, data: bytes) -> bytes:
    """Flip, clear, cut, insert or repeat a part of a file."""
    at = int(rng.integers(len(data)))
    n = int(min(len(data) - at, 2 ** rng.integers(0, 12)))
    noise = rng.bytes(n)
    changes = [
        lambda: data[:at] + noise + data[at + n :],
        lambda: data[:at] + bytes(n) + data[at + n :],
        lambda: data[:at],
        lambda: data[:at] + data[at + n :],
        lambda: data[:at] + noise + data[at:],
        lambda: data[: at + n] + data[at:],
    ]
    return changes[rng.integers(len(changes))]()


def mutate_value(rng: Rng, content: Any, absurd: list[Any]) -> Any:
    """Replace, remove or repeat one value, anywhere in a nested content."""
    content = copy.deepcopy(content)
    holder, key = content, None
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[rng.integers(len(keys))]
        value = holder[key]
        if not isinstance(value, (dict, list)) or not value or rng.random() < 0.25:
            break
        holder = value
    manner = rng.integers(8)
    if manner == 0:
        del holder[key]
    elif manner == 1:
        holder.update({f"{key}+": value}) if isinstance(holder, dict) else holder.append(value)
    else:
        holder[key] = absurd[rng.integers(len(absurd))]
    return content


def mutate_weights(rng: Rng, content: Any) -> Any:
    """Put numbers that no weight has into one tensor."""
    content = copy.deepcopy(content)
    weights = content["weights"]
    tensor = weights[list(weights)[rng.integers(len(weights))]]
    number = (float("nan"), float("inf"), -1e38, 1e30)[rng.integers(4)]
    if tensor.numel() and tensor.is_floating_point():
        tensor.view(-1)[rng.integers(tensor.numel())] = number
    return content


class _Payload:
    """Runs a function when it is unpickled by a reader that trusts the file."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def payloads(folder: Path) -> list[Any]:
    """Return objects whose unpickling makes `MARKER` in a folder, or takes memory."""
    marker = str(folder / MARKER)
    return [
        _Payload(os.system, f"touch {marker}"),
        _Payload(os.mkdir, marker),
        _Payload(eval, f"open({marker!r}, 'w')"),
        _Payload(exec, f"open({marker!r}, 'w')"),
        _Payload(open, marker, "w"),
        _Payload(bytearray, 10**10),
        _Payload(torch.Tensor, 10**9),
        _Payload(torch.load, marker),
    ]


def tensor_bytes(content: Any) -> bytes:
    """Return a content as torch writes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def tensor_mutant(rng: Rng, good: bytes, content: Any, folder: Path) -> tuple[bytes, bool]:
    """Return a changed file of tensors, and whether it is damaged: its weights must not be used.

    Args:
        rng: chooses the change.
        good: the bytes of a good file.
        content: what it holds.
        folder: where payloads would make `MARKER`.
    """
    manner = rng.random()
    if manner < 0.3:
        return mutate_bytes(rng, good), True
    if manner < 0.75:
        absurd = [*absurd_values(), *absurd_tensors()]
        return tensor_bytes(mutate_value(rng, content, absurd)), False
    if manner < 0.85:
        return tensor_bytes(mutate_weights(rng, content)), True
    harmful = payloads(folder)[rng.integers(len(payloads(folder)))]
    if manner < 0.95:
        return tensor_bytes(mutate_value(rng, content, [harmful])), False
    return pickle.dumps(harmful), False


def bank_mutant(rng: Rng, good: bytes, content: Any) -> bytes:
    """Return a changed bank, or settings; the arguments are those of `tensor_mutant`."""
    manner = rng.random()
    if manner < 0.3:
        return mutate_bytes(rng, good)
    if manner < 0.9:
        return json.dumps(mutate_value(rng, content, absurd_values())).encode()
    text = json.dumps(content)
    deep = "[" * int(rng.integers(500, 200_000))
    return [
        text.replace('"author"', f'"m": {deep}, "author"', 1).encode(),
        text.replace("[0.", "[" + "9" * 5000 + ".", 1).encode(),
        text.encode("utf-16"),
        b"[" + b"0," * 300_000 + b"0]",
        text.replace("[0.", '["' + "1" * 1_000_000 + '", 0.', 1).encode(),
        text.replace('"asciiSequence": "', '"asciiSequence": "' + "é " * 100_000, 1).encode(),
    ][rng.integers(6)]


def zip_container(rng: Rng, name: str, data: bytes) -> bytes:
    """Return a zip of a file, packed by any method, with other members or wrong sizes."""
    buffer = io.BytesIO()
    method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)[rng.integers(3)]
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
        if rng.random() < 0.3:
            archive.writestr(f"{name}2", data)
    packed = buffer.getvalue()
    return mutate_bytes(rng, packed) if rng.random() < 0.5 else packed


def strange_files(folder: Path, ending: str) -> list[Path]:
    """Make files that are none: a pipe, a device, a folder, an empty and a very large one."""
    paths = [folder / f"{name}{ending}" for name in ("pipe", "zero", "empty", "large", "bomb")]
    os.mkfifo(paths[0])
    paths[1].symlink_to("/dev/zero")
    paths[2].touch()
    with open(paths[3], "wb") as file:
        file.truncate(200 << 30)  # takes no room on the disk
    with zipfile.ZipFile(paths[4], "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a/data.pkl", "w", force_zip64=True) as member:
            for _ in range(256):
                member.write(bytes(4 << 20))
    made = folder / f"folder{ending}"
    made.mkdir()
    return [*paths, made, folder / f"absent{ending}"]
