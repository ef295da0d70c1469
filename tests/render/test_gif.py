"""Animated pages."""

import weakref

import numpy as np
import pytest
from PIL import Image

from cursivetransformer.render import gif
from cursivetransformer.render.outputs import save_page
from tests.made_up_page import made_up_pages, settings


@pytest.fixture(scope="module")
def page():
    return made_up_pages(6)[0]


def frames(path):
    image, found, durations = Image.open(path), [], []
    for i in range(image.n_frames):
        image.seek(i)
        found.append(np.array(image.convert("RGB")).astype(int))
        durations.append(image.info["duration"])
    return found, durations, image


def test_it_writes_from_left_to_right_and_takes_nothing_back(page, tmp_path):
    save_page(page, tmp_path / "a.gif", settings(gif_width=400, pace=20.0, fps=10))
    shown, durations, image = frames(tmp_path / "a.gif")
    letters = sum(len(word.text) for word in page.words)
    assert sum(durations) == pytest.approx(1000 * letters / 20 + 3300, abs=200)
    assert (
        image.info["loop"] == 0
        and image.size[0] == 400
        and image.size[1] == pytest.approx(400 * page.height / page.width, abs=1)
    )
    assert (shown[0] == 255).all()
    ink = [np.count_nonzero(frame.min(axis=2) < 200) for frame in shown]
    assert ink == sorted(ink) and ink[-1] > 100
    assert all((after <= before + 60).all() for before, after in zip(shown, shown[1:])), "ink stays"
    half = np.flatnonzero((shown[len(shown) // 2].min(axis=2) < 200).any(axis=0))
    whole = np.flatnonzero((shown[-1].min(axis=2) < 200).any(axis=0))
    assert half.min() == whole.min() and half.max() < 0.7 * whole.max()


def test_the_last_picture_is_the_page(page, tmp_path):
    save_page(page, tmp_path / "a.gif", settings(gif_width=500, pace=100.0))
    save_page(page, tmp_path / "a.png", settings(dpi=round(500 / page.width * 25.4)))
    last = frames(tmp_path / "a.gif")[0][-1].mean(axis=2)
    png = np.array(Image.open(tmp_path / "a.png").convert("L").resize(last.shape[::-1]))
    assert np.corrcoef(last.ravel(), png.ravel())[0, 1] > 0.9


def test_paper_shows_under_the_ink_and_colours_are_those_asked_for(tmp_path):
    (page,) = made_up_pages(3, paper="squared")
    save_page(page, tmp_path / "a.gif", settings(gif_width=400, pace=100.0, ink_color="#00aa00"))
    shown, _, _ = frames(tmp_path / "a.gif")
    assert 100 < np.count_nonzero(shown[0].min(axis=2) < 250) and (shown[0].min() > 150)
    assert shown[-1].reshape(-1, 3)[shown[-1].sum(axis=2).argmin()].tolist() == [0, 170, 0]


def test_frames_are_not_kept_once_they_are_written(page, tmp_path, monkeypatch):
    frames, kept = [], []
    average = gif._averaged

    def averaged(*arguments):
        image = average(*arguments)
        frames.append(weakref.ref(image))
        kept.append(sum(frame() is not None for frame in frames))
        return image

    monkeypatch.setattr(gif, "_averaged", averaged)
    save_page(page, tmp_path / "a.gif", settings(gif_width=100, pace=5.0))
    assert len(frames) > 50 and max(kept) <= 3


def test_a_page_without_ink_is_one_picture(tmp_path):
    from cursivetransformer.layout.page import Page

    save_page(Page([], 20.0, 10.0), tmp_path / "a.gif", settings())
    assert (frames(tmp_path / "a.gif")[0][0] == 255).all()
