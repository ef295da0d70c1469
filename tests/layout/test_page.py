"""Sheets of paper and what is printed on them."""

import dataclasses

import pytest

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.page import (
    ASCENT,
    DESCENT,
    LINE_PITCH,
    Ruling,
    Sheet,
    parse_margin,
    parse_size,
)
from cursivetransformer.utils.errors import UserError


def sheet(**settings):
    return Sheet.from_settings(dataclasses.replace(SampleConfig(), **settings))


def test_sizes_and_margins():
    assert parse_size("A4", "--page") == (210, 297) and parse_size("letter", "--page") == (
        215.9,
        279.4,
    )
    assert (
        parse_size(" 100 x 62.5mm", "--page") == (100, 62.5)
        and parse_size("auto", "--page") is None
    )
    assert parse_margin("") == (20,) * 4 and parse_margin("1,2,3,4") == (1, 2, 3, 4)
    for size in ("A9", "100", "1x1", "9999x10", "1..2x30", "x"):
        with pytest.raises(UserError, match="--page"):
            parse_size(size, "--page")
    for margin in ("a", "1,2", "-3", "1,2,3,4,5"):
        with pytest.raises(UserError, match="--margin"):
            parse_margin(margin)


def test_the_size_of_letters_comes_from_x_height_or_line_height():
    assert sheet().x_height == 2.5 and sheet().pitch == pytest.approx(2.5 * LINE_PITCH)
    assert sheet(line_height=16.0).x_height == pytest.approx(16 / LINE_PITCH)
    both = sheet(line_height=16.0, x_height=2.0)
    assert (both.x_height, both.pitch) == (2.0, 16.0)


def test_lines_stay_between_the_margins():
    paper = sheet(page="A5", margin="10,12,14,16")
    lines = next(n for n in range(1000) if not paper.has_line(n))
    assert paper.baseline(0) - ASCENT * 2.5 == pytest.approx(10)
    assert (
        paper.baseline(lines - 1) + DESCENT * 2.5
        <= 210 - 14
        < paper.baseline(lines) + DESCENT * 2.5
    )
    assert paper.text_width == 148 - 12 - 16
    assert sheet(page="A5", line_width=50.0).text_width == pytest.approx(50)
    assert sheet(line_width=300.0).text_width == pytest.approx(300), (
        "a page that suits its text is as wide as it must be"
    )
    assert (
        sheet(page="A5", landscape=True).width,
        sheet(page="210x148", landscape=True).width,
    ) == (210, 210)


@pytest.mark.parametrize("kind", ["ruled", "squared", "dotted"])
def test_baselines_lie_on_the_lines_of_the_paper(kind):
    paper = sheet(page="A5", paper=kind, grid=4.0)
    assert paper.ruling.kind == kind
    ys = sorted(
        {round(line[1], 6) for line in paper.ruling.lines(148, 210)}
        | {round(y, 6) for _, y in paper.ruling.dots(148, 210)}
    )
    for n in range(10):
        assert min(abs(y - paper.baseline(n)) for y in ys) < 1e-6
    assert all(0 <= y < 210 for y in ys)
    assert ys[1] - ys[0] == pytest.approx(paper.pitch if kind == "ruled" else 4.0)


def test_squares_have_columns_and_dots_have_no_lines():
    assert len(Ruling("squared", 5).lines(20, 10)) == 4 + 2
    assert (
        len(Ruling("dotted", 5).dots(20, 10)) == 4 * 2 and Ruling("dotted", 5).lines(20, 10) == []
    )


def test_a_small_page_has_room_for_letters_that_are_fitted():
    assert sheet(page="8x8", margin="1", fit=True).has_line(0)


@pytest.mark.parametrize(
    "settings",
    [
        dict(page="30x30"),
        dict(page="A6", margin="60"),
        dict(page="A6", x_height=60.0),
        dict(page="A4", line_width=300.0),
    ],
)
def test_a_page_too_small_for_a_letter_is_refused(settings):
    with pytest.raises(UserError, match="no room for letters"):
        sheet(**settings)
