"""Where a bank comes from: a path, `data/`, the user's folders, the cache, or the network.

Deals in names and files, not in what the files hold.
"""

import difflib
import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import platformdirs
from tqdm import tqdm

from cursivetransformer.bank.file import load_bank
from cursivetransformer.bank.word import Word, split_phrases
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, shipped
from cursivetransformer.utils.wording import quote

ENDINGS = (".json", ".json.zip")
PUBLISHED_URL = "https://github.com/greydanus/cursivetransformer/raw/main/data/{name}.json.zip"
# The sha256 of each published file.
PUBLISHED = {
    "bigbank": "b8a96d19ec444fc1a87d124cbc061ba8e91c0574fe0fe95d7f819f07869ba798",
    "bigbank_3500": "4a42598977414303a0bd4d03c805beb3ce6626b57a364a9c07c839f0cd591b1f",
    "biglittlebank": "af3e49555e7776b9410d48510d3d0e0369b5b0a00f0e52a0d37b099f0e7cdfbe",
    "easybank": "f79a959eb3735da439c737dc5eedf6532794320b38e12ee8b136403bd0bd8cbc",
}
TIMEOUT_SECONDS = 30
MAX_PUBLISHED_BYTES = 64 << 20  # of a published file; the largest has 3 MB


def load_banks(
    names: str, strict: bool = False, warn: Callable[[str], object] = print
) -> tuple[list[Word], str]:
    """Load one bank, or several joined by commas; phrases are split into their words.

    Returns:
        The words, and the sha256 of the files' digests.
    """
    words: list[Word] = []
    digest = hashlib.sha256()
    for name in (part.strip() for part in names.split(",")):
        if not name:
            raise UserError(f"--dataset_name {names!r} names no bank before or after a comma")
        path = find_bank(name, warn)
        words += load_bank(path, strict, warn)
        digest.update(file_digest(path).encode())
    return split_phrases(words), digest.hexdigest()


def bank_name(names: str) -> str:
    """Return the first bank's name without folder and ending, to name runs and recognizers."""
    return Path(names.split(",")[0].strip()).name.split(".")[0]


def find_bank(name: str, warn: Callable[[str], object] = print) -> Path:
    """Return the path of a bank, and fetch it if it is published and in no folder.

    Args:
        name: a path, or a name to look up in `bank_folders`.
        warn: called with a message before a bank is fetched.

    Raises:
        UserError: if there is no such bank.
    """
    if name.endswith(ENDINGS) or os.sep in name:
        if Path(name).is_file():
            return Path(name)
        raise UserError(
            f"there is no file {name}; record one with collect.html, "
            "or give a bank's name such as bigbank"
        )
    for folder in bank_folders():
        for ending in ENDINGS:
            path = folder / (name + ending)
            if path.is_file() and _is_whole(path, name, warn):
                return path
    if name in PUBLISHED:
        return fetch(name, warn)
    close = difflib.get_close_matches(name, sorted(_local_names() | PUBLISHED.keys()), n=1)
    if close:
        cure = f"did you mean {close[0]}?"
    else:
        cure = f"give the path of a .json file, or one of {', '.join(PUBLISHED)}"
    raise UserError(f"there is no bank {name!r} in data/; {cure}")


def _is_whole(path: Path, name: str, warn: Callable[[str], object]) -> bool:
    """Return whether a bank is as it was fetched; one that was not fetched always is."""
    if path.parent != cache_folder() or name not in PUBLISHED:
        return True
    if file_digest(path) == PUBLISHED[name]:
        return True
    warn(f"{path} is not as it was published, so it is fetched again")
    return False


def _local_names() -> set[str]:
    """Return the names of the banks in `bank_folders`."""
    return {
        path.name.removesuffix(".zip").removesuffix(".json")
        for folder in bank_folders()
        for path in folder.glob("*.json*")
    }


def bank_folders() -> list[Path]:
    """Return the existing folders in which a bank's name is looked up, in order."""
    listed = os.environ.get("CURSIVETRANSFORMER_DATA", "").split(os.pathsep)
    folders = [
        Path("data"),
        shipped("starter.json.zip").parent,
        *(Path(folder) for folder in listed if folder),
        cache_folder(),
    ]
    return [folder for folder in folders if folder.is_dir()]


def cache_folder() -> Path:
    """Return the folder of fetched banks: CURSIVETRANSFORMER_CACHE, else in the system's cache."""
    given = os.environ.get("CURSIVETRANSFORMER_CACHE")
    return Path(given or platformdirs.user_cache_path("cursivetransformer"))


def file_digest(path: str | Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(name: str, warn: Callable[[str], object] = print) -> Path:
    """Download a published bank into the cache, check its digest, and return its path.

    Raises:
        UserError: if the download fails or its digest differs.
    """
    url = PUBLISHED_URL.format(name=name)
    path = cache_folder() / f"{name}.json.zip"
    by_hand = f"fetch it yourself and put it at {path}, or record your own words with collect.html"
    warn(
        f"fetching {name} from {url}\n"
        "It was recorded and published by Sam Greydanus and his co-authors, without a license: "
        "use it for your own experiments, do not pass it on."
    )
    with atomic_path(path) as temporary:
        try:
            _download(url, temporary)
        except (
            urllib.error.URLError,
            HTTPException,
            TimeoutError,
            ConnectionError,
            ValueError,
        ) as error:
            raise UserError(
                f"{name} could not be fetched from {url} ({quote(str(error))}); {by_hand}"
            ) from error
        if file_digest(temporary) != PUBLISHED[name]:
            raise UserError(
                f"what came from {url} is cut short or is not {name} (its sha256 differs); "
                f"try again, or {by_hand}"
            )
    return path


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, open(path, "wb") as file:
        size = response.headers.get("Content-Length") or ""
        total = int(size) if size.isdecimal() and len(size) < 20 else None
        progress = dict(total=total, unit="B", unit_scale=True, desc="bank", leave=False)
        with tqdm.wrapattr(response, "read", **progress) as source:
            while block := source.read(1 << 20):
                if file.tell() + len(block) > MAX_PUBLISHED_BYTES:
                    raise ConnectionError("it sends far more than the bank")
                file.write(block)
