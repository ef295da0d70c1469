"""Pages for plotters."""

import re

import numpy as np
import pytest

from cursivetransformer.ink.curves import flatten
from cursivetransformer.render.outputs import save_page
from cursivetransformer.render.plotter import route_length, sort_words, travel_distances
from cursivetransformer.utils.errors import UserError
from tests.made_up_page import made_up_pages, settings


@pytest.fixture(scope="module")
def page():
    return made_up_pages(60, page="A5")[0]


def gcode(page, path, **changed):
    """Runs the file as a plotter would.

    (strokes in file units, travel feed and feed that were used, lines).
    """
    save_page(page, path, settings(**changed))
    lines = path.read_text().splitlines()
    strokes, at, down, feeds = [], None, False, set()
    for line in lines:
        words = dict(re.findall(r"([GXYZFMS])(-?[\d.]+)", line.split(";")[0]))
        if "Z" in words:
            down = float(words["Z"]) <= 0
            if down:
                strokes.append([at])
        elif "X" in words:
            at = (float(words["X"]), float(words["Y"]))
            assert words["G"] == ("1" if down else "0"), "writing moves are G1, travel is G0"
            if "F" in words:
                feeds.add((down, float(words["F"])))
            if down:
                strokes[-1].append(at)
    assert not down, "the pen ends lifted"
    return [np.array(stroke) for stroke in strokes], feeds, lines


def expected(page, flip=True):
    """Every stroke of the page once, in the order of the words to plot."""
    return [
        flatten(stroke).xy * (1, -1 if flip else 1) + (0, page.height * flip)
        for word in sort_words(page.words)
        for stroke in word.strokes
    ]


def test_gcode_draws_every_stroke_once(page, tmp_path):
    strokes, feeds, lines = gcode(page, tmp_path / "a.gcode", feed=900.0, travel_feed=4000.0)
    for one, other in zip(strokes, expected(page), strict=True):
        np.testing.assert_allclose(one, other, atol=6e-4)
    assert {feed for down, feed in feeds if down} == {900} and {
        feed for down, feed in feeds if not down
    } == {4000}
    assert (
        lines[:2] == ["G21 ; millimetres", "G90 ; absolute places"]
        and lines[-1] == "G0 X0 Y0 F4000"
    )


def test_the_order_of_the_text_may_be_kept(page, tmp_path):
    written, _, _ = gcode(page, tmp_path / "a.gcode", plot_order="written", origin="top-left")
    for one, other in zip(written, page.strokes, strict=True):
        np.testing.assert_allclose(one[[0, -1]], other[[0, -1]], atol=6e-4)


def test_commands_units_and_origin_are_settings(page, tmp_path):
    top, _, _ = gcode(page, tmp_path / "a.gcode", origin="top-left")
    for one, other in zip(top, expected(page, flip=False), strict=True):
        np.testing.assert_allclose(one, other, atol=6e-4)
    inches, _, lines = gcode(
        page,
        tmp_path / "b.gcode",
        origin="top-left",
        gcode_units="inch",
        gcode_start="M17 | G92 E0",
        gcode_end="M84",
        pen_down="M3 S90|G1 Z0",
        pen_up="G0 Z5|M5",
    )
    np.testing.assert_allclose(np.concatenate(inches) * 25.4, np.concatenate(top), atol=0.01)
    assert lines[0] == "G20 ; inches" and lines[2:4] == ["M17", "G92 E0"] and lines[-1] == "M84"
    assert "G0 Z0.2" in gcode(page, tmp_path / "c.gcode", gcode_units="inch")[2], (
        "not by five inches"
    )
    assert lines.count("M3 S90") == lines.count("M5") - 1 == len(page.strokes)


def test_hpgl_draws_every_stroke_once(page, tmp_path):
    save_page(page, tmp_path / "a.hpgl", settings())
    text = (tmp_path / "a.hpgl").read_text()
    assert (
        text.startswith("IN;SP1;")
        and text.endswith("PU0,0;SP0;\n")
        and max(map(len, text.split(";"))) < 800
    )
    strokes = []
    for command, numbers in re.findall(r"(PU|PD)([\d,]+)", text):
        points = np.reshape(list(map(int, numbers.split(","))), (-1, 2)) / 40
        strokes = (
            strokes + [points]
            if command == "PU"
            else strokes[:-1] + [np.concatenate([strokes[-1], points])]
        )
    for one, other in zip(strokes[:-1], expected(page), strict=True):
        np.testing.assert_allclose(one[-1], other[-1], atol=0.013)
        assert len(one) == max(len(other), 2)


@pytest.mark.parametrize("ending", ["gcode", "hpgl"])
def test_ink_beyond_the_bounds_is_refused_and_nothing_is_written(page, tmp_path, ending):
    with pytest.raises(UserError, match="the plotter reaches 100 x 100 mm"):
        save_page(page, tmp_path / f"a.{ending}", settings(bounds="100x100"))
    assert list(tmp_path.iterdir()) == []
    save_page(page, tmp_path / f"a.{ending}", settings(bounds="148x210"))


def test_ways_are_short_and_words_are_whole(page):
    order = sort_words(page.words)
    assert sorted(map(id, order)) == sorted(map(id, page.words)) and order[0] is page.words[0]

    def way(words):
        return route_length(travel_distances(words), list(range(len(words))))

    assert way(order) < 0.85 * way(page.words)
    shuffled = [page.words[i] for i in np.random.default_rng(0).permutation(len(page.words))]
    assert way(sort_words(shuffled)) < 0.4 * way(shuffled)
    assert sort_words(page.words[:2]) == page.words[:2]


@pytest.mark.parametrize("n", range(7))
def test_a_page_of_any_few_words_is_plotted_whole(page, n):
    order = sort_words(page.words[:n])
    assert sorted(map(id, order)) == sorted(map(id, page.words[:n]))
