"""Fixtures that tests share: synthetic ink, and real ink and a browser where they are at hand."""

import os
from pathlib import Path

# Before torch starts its threads. One a process, for several tests run at once, and results must
# be equal to the last digit. Commands that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest

from benchmarks.page import browser_type, find_chromium
from cursivetransformer.bank.file import load_bank, write_entries
from cursivetransformer.bank.registry import PUBLISHED, bank_folders, file_digest
from cursivetransformer.bank.word import Word, word_to_entry
from tests import made_up

# A slow example is no failure: the machine may be loaded.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def real_bank() -> Path | None:
    """Return the path of the published bigbank in a data folder or the cache; never fetch it."""
    for folder in bank_folders():
        path = folder / "bigbank.json.zip"
        if path.is_file() and file_digest(path) == PUBLISHED["bigbank"]:
            return path
    return None


@pytest.fixture(scope="session")
def real_words() -> list[Word]:
    path = real_bank()
    if path is None:
        pytest.skip(
            "needs real ink: bigbank.json.zip in data/, "
            "in a folder of CURSIVETRANSFORMER_DATA, or in the cache"
        )
    return load_bank(path)


@pytest.fixture(scope="session")
def made_up_words() -> list[Word]:
    return made_up.made_up_words()


@pytest.fixture
def made_up_bank(made_up_words: list[Word], tmp_path: Path) -> Path:
    """Return the path of a bank of the made-up words."""
    path = tmp_path / "loops.json"
    write_entries(path, [word_to_entry(word) for word in made_up_words])
    return path


@pytest.fixture(scope="session", params=["made-up", "real"])
def words(request: pytest.FixtureRequest) -> list[Word]:
    """Return words of made-up ink, then of real ink."""
    return request.getfixturevalue("made_up_words" if request.param == "made-up" else "real_words")


@pytest.fixture(scope="session")
def chromium():
    pytest.importorskip("playwright", reason="needs `pip install playwright`")
    if not find_chromium():
        pytest.skip("needs Chromium: apt install chromium, or CHROMIUM=path")
    with browser_type() as (kind, options):
        yield kind, options


@pytest.fixture(scope="session")
def browser(chromium):
    kind, options = chromium
    browser = kind.launch(**options)
    yield browser
    browser.close()
