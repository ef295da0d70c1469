"""Sheets of hands."""

import numpy as np
import pytest
from matplotlib.image import imread

from cursivetransformer.render.specimen import Cell, save_cells, save_sheet
from cursivetransformer.utils.errors import UserError

STICK = np.array([[0, 0, 1], [0.1, -0.3, 0]], np.float32)


def test_every_row_has_ink_and_the_bytes_are_the_same_again(tmp_path):
    rows = [
        ("Ada", [STICK, STICK]),
        ("Ben $1", [STICK * (1, 3, 1)]),
        ("nobody", [np.zeros((0, 3), np.float32)]),
    ]
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        save_sheet(tmp_path / name, rows)
    for ending in ("png", "svg"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    dark = imread(tmp_path / "a.png")[..., :3].min(2) < 0.5
    height = dark.shape[0]
    assert dark[: height // 3].any() and dark[height // 3 : 2 * height // 3].any()
    assert not dark[0].any() and not dark[:, -1].any(), "nothing is cut off"


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UserError, match="must be .png or .svg"):
        save_sheet(tmp_path / "a.gif", [("Ada", [STICK])])


def test_every_word_has_its_cell(tmp_path):
    empty = np.zeros((0, 3), np.float32)
    inks = [STICK, empty, STICK * (30, 1, 1), empty, empty, STICK]
    save_cells(tmp_path / "a.png", "six words", [Cell("$5", ink) for ink in inks])
    dark = imread(tmp_path / "a.png")[..., :3].min(2) < 0.35  # without the titles, which are gray
    dark = dark[round(dark.shape[0] * 0.35 / 2.25) :]  # without the heading
    cells = [cell for row in np.array_split(dark, 2) for cell in np.array_split(row, 4, axis=1)]
    assert [bool(cell.any()) for cell in cells[:6]] == [len(ink) > 0 for ink in inks]
