"""What tests share: made-up ink that anyone may have, and the way to real ink where there is some."""

import numpy as np
import pytest

from cursivetransformer.bank import Word, load_bank, word_to_entry, write_entries
from cursivetransformer.bank_sources import PUBLISHED, bank_folders, file_digest
from cursivetransformer.strokes import join_strokes


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
        pytest.skip("needs real ink: bigbank.json.zip in data/, in a folder of CURSIVETRANSFORMER_DATA, or in the cache")
    return load_bank(path)


def made_up_word(text, rng):
    """Ink that looks a little like writing: a loop for each letter, joined, and a dot over every i."""
    loops = []
    for i, char in enumerate(text):
        t = np.linspace(0, 2 * np.pi, 24)
        size = 0.1 + 0.004 * (ord(char) % 13)
        loops.append(np.column_stack([0.22 * i + 0.16 + t * 0.035 - size * np.cos(t), -size - size * np.sin(t)]))
    strokes = [np.concatenate(loops) + rng.normal(0, 0.002, (24 * len(text), 2))]
    strokes += [np.array([[0.22 * i + 0.2, -0.45]]) for i, char in enumerate(text) if char == "i"]
    points = join_strokes(strokes)
    points[:, 0] -= points[:, 0].min()
    return Word(text, "nobody", points, {"aspectRatio": 6})


@pytest.fixture(scope="session")
def made_up_words():
    rng = np.random.default_rng(5)
    letters = np.array(list("abcdehilnorstu"))
    return [made_up_word("".join(rng.choice(letters, rng.integers(2, 7))), rng) for _ in range(60)]


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
