"""What tests share: made-up ink, and the way to real ink where there is some."""

import hypothesis
import pytest

from cursivetransformer.bank.file import load_bank, write_entries
from cursivetransformer.bank.registry import PUBLISHED, bank_folders, file_digest
from cursivetransformer.bank.word import word_to_entry
from tests import made_up

# A loaded machine is slow, not wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def real_bank():
    """The path of the published bigbank where it lies in a data folder or the cache, else None; never fetches."""
    for folder in bank_folders():
        path = folder / "bigbank.json.zip"
        if path.is_file() and file_digest(path) == PUBLISHED["bigbank"]:
            return path
    return None


@pytest.fixture(scope="session")
def real_words():
    path = real_bank()
    if path is None:
        pytest.skip(
            "needs real ink: bigbank.json.zip in data/, in a folder of CURSIVETRANSFORMER_DATA, or in the cache"
        )
    return load_bank(path)


@pytest.fixture(scope="session")
def made_up_words():
    return made_up.made_up_words()


@pytest.fixture
def made_up_bank(made_up_words, tmp_path):
    """The path of a bank of the made-up words."""
    path = tmp_path / "loops.json"
    write_entries(path, [word_to_entry(word) for word in made_up_words])
    return path


@pytest.fixture(scope="session", params=["made-up", "real"])
def words(request):
    """Words of made-up ink, then of real ink."""
    return request.getfixturevalue("made_up_words" if request.param == "made-up" else "real_words")
