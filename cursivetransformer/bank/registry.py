"""Where a bank comes from: a path, `data/`, the user's folders, the cache, or the network.

Knows names and files, not what is in them.
"""

import difflib
import hashlib
import os
import shutil
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import platformdirs
from tqdm import tqdm

from cursivetransformer.bank.file import load_bank
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, shipped

ENDINGS = (".json", ".json.zip")
PUBLISHED_URL = "https://github.com/greydanus/cursivetransformer/raw/main/data/{name}.json.zip"
PUBLISHED = {  # sha256 of the file
    "bigbank": "b8a96d19ec444fc1a87d124cbc061ba8e91c0574fe0fe95d7f819f07869ba798",
    "bigbank_3500": "4a42598977414303a0bd4d03c805beb3ce6626b57a364a9c07c839f0cd591b1f",
    "biglittlebank": "af3e49555e7776b9410d48510d3d0e0369b5b0a00f0e52a0d37b099f0e7cdfbe",
    "easybank": "f79a959eb3735da439c737dc5eedf6532794320b38e12ee8b136403bd0bd8cbc",
}
STALLED_SECONDS = 30


def load_banks(names, strict=False, warn=print):
    """The words of one bank, or of several joined by commas, and the sha256 of their files together."""
    words, digest = [], hashlib.sha256()
    for name in (part.strip() for part in names.split(",")):
        if not name:
            raise UserError(f"--dataset_name {names!r} names no bank before or after a comma")
        path = find_bank(name, warn)
        words += load_bank(path, strict, warn)
        digest.update(file_digest(path).encode())
    return words, digest.hexdigest()


def bank_name(names):
    """What to call runs and recognizers of these banks: the first one's name, without folder and ending."""
    return Path(names.split(",")[0].strip()).name.split(".")[0]


def find_bank(name, warn=print):
    """The path of a bank: `name` itself, else in `data/`, in the folders of CURSIVETRANSFORMER_DATA, in the cache, or fetched."""
    if name.endswith(ENDINGS) or os.sep in name:
        if Path(name).is_file():
            return Path(name)
        raise UserError(
            f"there is no file {name}; record one with collect.html, or give a bank's name such as bigbank"
        )
    for folder in bank_folders():
        for ending in ENDINGS:
            if (folder / (name + ending)).is_file():
                return folder / (name + ending)
    if name in PUBLISHED:
        return fetch(name, warn)
    there = {
        p.name.removesuffix(".zip").removesuffix(".json")
        for f in bank_folders()
        for p in f.glob("*.json*")
    }
    close = difflib.get_close_matches(name, sorted(there | PUBLISHED.keys()), n=1)
    raise UserError(
        f"there is no bank {name!r} in data/"
        + (
            f"; did you mean {close[0]}?"
            if close
            else f"; give the path of a .json file, or one of {', '.join(PUBLISHED)}"
        )
    )


def bank_folders():
    """The folders that a bank's name is looked for in, in order; those that are not there are left out."""
    own = [Path("data"), shipped("starter.json.zip").parent]
    users = [
        Path(folder)
        for folder in os.environ.get("CURSIVETRANSFORMER_DATA", "").split(os.pathsep)
        if folder
    ]
    return [folder for folder in own + users + [cache_folder()] if folder.is_dir()]


def cache_folder():
    """Where fetched banks are kept: CURSIVETRANSFORMER_CACHE, else the system's folder for caches."""
    return Path(
        os.environ.get("CURSIVETRANSFORMER_CACHE")
        or platformdirs.user_cache_path("cursivetransformer")
    )


def file_digest(path):
    """sha256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(name, warn=print):
    """Fetch a published bank into the cache, check its digest, and return its path. Raises `UserError`."""
    url, path = PUBLISHED_URL.format(name=name), cache_folder() / f"{name}.json.zip"
    by_hand = f"fetch it yourself and put it at {path}, or record your own words with collect.html"
    warn(
        f"fetching {name} from {url}\n"
        "It was recorded and published by Sam Greydanus and his co-authors, without a licence: use it for your own "
        "experiments, do not pass it on."
    )
    with atomic_path(path) as temporary:
        try:
            _download(url, temporary)
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            raise UserError(
                f"{name} could not be fetched from {url} ({error}); {by_hand}"
            ) from error
        if file_digest(temporary) != PUBLISHED[name]:
            raise UserError(
                f"what came from {url} is cut short or is not {name} (its sha256 differs); try again, or {by_hand}"
            )
    return path


def _download(url, path):
    with urllib.request.urlopen(url, timeout=STALLED_SECONDS) as response, open(path, "wb") as file:
        size = int(response.headers.get("Content-Length") or 0)
        with tqdm.wrapattr(
            response,
            "read",
            total=size or None,
            unit="B",
            unit_scale=True,
            desc="bank",
            leave=False,
        ) as source:
            shutil.copyfileobj(source, file)
