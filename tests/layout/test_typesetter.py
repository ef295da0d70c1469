"""Lines and pages."""

import dataclasses
import subprocess
import sys
from itertools import count, islice

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from cursivetransformer.config.sample import ALIGNMENTS, PAPERS, SampleConfig
from cursivetransformer.ink.measures import CANVAS_X_HEIGHT as X_HEIGHT
from cursivetransformer.layout.page import DEFAULT_X_HEIGHT, LINE_PITCH, MAX_X_HEIGHT, PlacedWord
from cursivetransformer.layout.text import Break
from cursivetransformer.layout.typesetter import (
    DRIFT_IN_MARGIN,
    DRIFT_IN_PITCH,
    GUIDED,
    MAX_DRIFT,
    fit_sheet,
    lay_out,
)
from cursivetransformer.utils.errors import UserError

STILL = dict(
    word_space=1.0,
    word_space_jitter=0.0,
    slope_jitter=0.0,
    margin_jitter=0.0,
    line_jitter=0.0,
    x_height=4.0,
)
UNIT = 4 / X_HEIGHT  # millimeters per canvas height


def bar(width, height=0.2, text="l", glued=False):
    """Return a word that is a gate: up, across, and down, so that its edges are upright."""
    up = np.linspace(0, -height, 20)
    points = np.concatenate([np.stack([0 * up, up], 1), np.stack([0 * up + width, up[::-1]], 1)])
    return PlacedWord(text, np.column_stack([points, np.arange(40) < 39]).astype(np.float32), glued)


def pages(parts, **settings):
    return list(
        lay_out(parts, dataclasses.replace(SampleConfig(), **{**STILL, **settings}), X_HEIGHT)
    )


def starts(page):
    return np.array([(word.x, word.y) for word in page.words])


def rows(page, pitch=LINE_PITCH * 4):
    """The number of each word's line, from 0."""
    y = starts(page)[:, 1]
    return np.round((y - y[0]) / pitch, 6).tolist()


def test_words_stand_side_by_side_on_one_baseline():
    (page,) = pages([bar(1), bar(2), bar(1)], page="A3", word_space=2.0)
    x, y = starts(page).T
    assert np.ptp(y) < 1e-9
    ends = x + np.array([1, 2, 1]) * UNIT
    np.testing.assert_allclose(x[1:] - ends[:-1], 2 * 4, rtol=1e-5)


def test_a_sentence_is_followed_by_a_wider_space():
    (page,) = pages([bar(1, text=text) for text in ("a", "b.", "c", 'd!"', "e", "f")], page="A3")
    np.testing.assert_allclose(np.diff(starts(page)[:, 0]) - UNIT, [4, 5.2, 4, 5.2, 4], rtol=1e-5)


def test_parts_of_a_word_stand_close_together():
    (page,) = pages(
        [bar(1), dataclasses.replace(bar(1), glued=True, joined=True), bar(1)], page="A3"
    )
    np.testing.assert_allclose(np.diff(starts(page)[:, 0]) - UNIT, [0.4, 4], rtol=1e-5)


DASH = np.array([[0, -0.1, 1], [0.2, -0.1, 0]], np.float32)


def broken_word(*widths, hyphen=DASH):
    """Return the pieces of a word, between which a line may end."""
    pieces = [bar(width, text=str(i)) for i, width in enumerate(widths)]
    rest = [dataclasses.replace(piece, joined=True, hyphen=hyphen) for piece in pieces[1:]]
    return [*pieces[:1], *rest]


def read_lines(page):
    """Return the text of each line; parts of a word have no space between them."""
    lines = [""] * (int(max(rows(page))) + 1)
    for row, word in zip(rows(page), page.words):
        lines[int(row)] += word.text if word.joined else f" {word.text}"
    return [line.strip() for line in lines]


def test_a_hyphen_is_drawn_only_where_a_line_ends_inside_a_word():
    # A piece of 1 is 12 mm wide, and a hyphen 2.4 mm.
    for width, lines in (
        (80, ["l 012 l"]),
        (55, ["l 012", "l"]),
        (40, ["l", "012", "l"]),  # the word has room on a line of its own
        (33, ["l 0-", "12", "l"]),
        (25.5, ["l", "0-", "12", "l"]),  # 0 and 1 would fit, but not with a hyphen
        (15.5, ["l", "0-", "1-", "2", "l"]),
    ):
        (page,) = pages([bar(1), *broken_word(1, 1, 1), bar(1)], page="A4", line_width=width)
        assert read_lines(page) == lines, width
        ink = np.concatenate(page.strokes)[:, 0]
        assert ink.min() > 20 - 1e-6 and ink.max() < 20 + width + 1e-3
        assert sum(len(word.strokes) for word in page.words) == 5 + str(lines).count("-")


def test_a_word_with_its_own_hyphen_or_slash_gets_no_other():
    parts = broken_word(1, 1, hyphen=None)
    (page,) = pages(parts, page="A4", line_width=15.5)
    assert read_lines(page) == ["0", "1"] and len(page.strokes) == 2


def test_a_mark_stays_with_the_last_piece_of_a_broken_word():
    (page,) = pages([*broken_word(1, 1), bar(0.2, text="!", glued=True)], page="A4", line_width=24)
    assert read_lines(page) == ["0-", "1 !"]


def test_parts_that_no_line_may_part_are_scaled_down():
    parts = [bar(1), dataclasses.replace(bar(1), glued=True, joined=True)]
    (page,) = pages(parts, page="A4", line_width=16.0)
    assert rows(page) == [0, 0] and page.words[0].scale < UNIT
    ink = np.concatenate(page.strokes)[:, 0]
    assert np.ptp(ink) < 16 + 1e-3


def test_lines_with_words_are_counted():
    for parts, n in (
        ([], 0),
        ([bar(1)], 1),
        ([bar(1), bar(1)], 1),
        ([bar(1), Break(), bar(1)], 2),
        ([bar(1), bar(1), bar(1), bar(1), Break(3), bar(1)], 3),
    ):
        found = pages(parts, page="A4", line_width=30.0)
        assert sum(page.count_lines() for page in found) == n


def test_a_tail_makes_no_hole_between_words():
    """The tail of the second word hangs far under the first one, so they move together."""
    flat = PlacedWord("o", np.array([[0, 0, 1], [1, -0.01, 0]], np.float32))
    tailed = PlacedWord("j", np.array([[0.5, 0, 1], [0.5, 0.3, 1], [0, 0.31, 0]], np.float32))
    near, far = (pages([flat, word], page="A3")[0] for word in (tailed, dataclasses.replace(flat)))
    assert 4 * 0.2 < starts(far)[1, 0] - starts(near)[1, 0] <= 4 * 0.5 + 1e-6


def test_lines_wrap_and_given_line_breaks_are_kept():
    (page,) = pages(
        [bar(1), bar(1), bar(1), Break(2), bar(1)], page="A4", line_width=30.0
    )  # a bar is 12 mm wide
    assert rows(page) == [0, 0, 1, 3]
    (page,) = pages([bar(1), Break(3), bar(1)], page="A4", paragraph_space=0.5)
    assert rows(page) == [0, 2]


def test_pages_are_full_and_follow_each_other():
    many = pages([bar(3) for _ in range(60)], page="A6", margin="10")
    assert len(many) > 2 and sum(len(page.words) for page in many) == 60
    for page in many:
        assert (page.width, page.height) == (105, 148)
        ink = np.concatenate(page.strokes)
        assert (ink >= 10 - 1e-6).all() and (ink <= (95, 138)).all()
    assert len({len(page.words) for page in many[:-1]}) == 1
    first, second = pages([bar(1), Break(0, 0, True), bar(1)], page="A6")
    assert starts(first)[0].tolist() == starts(second)[0].tolist()


def test_pages_come_as_they_are_full():
    """No more of an endless text is read than the pages need."""
    taken = count()

    def endless():
        while True:
            next(taken)
            yield bar(3)

    config = dataclasses.replace(SampleConfig(), page="A6", **STILL)
    assert len(list(islice(lay_out(endless(), config, X_HEIGHT), 3))) == 3
    assert next(taken) < 200


def test_a_page_is_as_small_as_its_text_unless_told():
    (page,) = pages([bar(1), bar(1)])
    ink = np.concatenate(page.strokes)
    np.testing.assert_allclose(ink.min(axis=0), 8, rtol=1e-5)  # two x-heights
    np.testing.assert_allclose((page.width, page.height) - ink.max(axis=0), 8, rtol=1e-5)
    many = pages([bar(3) for _ in range(200)])
    assert len(many) > 1 and {(page.width, page.height) for page in many} == {(210, 297)}


@pytest.mark.parametrize("widths", [[1], [40], [40, 1, 40]])
def test_all_ink_is_on_the_page_even_where_a_word_is_wider_than_a_line(widths):
    for page in pages([bar(width, 3) for width in widths], page="A6", margin="30"):
        ink = np.concatenate(page.strokes)
        assert (ink >= 0).all() and (ink <= (page.width, page.height)).all()
        assert ink[:, 0].max() <= 75 + 1e-6
    assert sum(
        len(page.words)
        for page in pages([bar(width, 3) for width in widths], page="A6", margin="30")
    ) == len(widths)


def test_a_glued_mark_stays_with_its_word():
    free, glued = ([bar(1), bar(1), bar(0.6, text=".", glued=sticks)] for sticks in (False, True))
    assert rows(pages(free, page="A4", line_width=30.0)[0]) == [0, 0, 1]
    assert rows(pages(glued, page="A4", line_width=30.0)[0]) == [0, 1, 1]


def test_what_is_glued_is_parted_where_a_line_cannot_hold_it():
    (page,) = pages([bar(1, glued=i > 0) for i in range(20)], page="A4", line_width=50.0)
    assert {word.scale for word in page.words} == {UNIT} and rows(page)[:4] == [0, 0, 0, 1]


@pytest.mark.parametrize("align", ["left", "right", "center", "justified"])
def test_alignment(align):
    (page,) = pages(
        [bar(1) for _ in range(5)] + [Break(), bar(1), bar(1)],
        page="A4",
        margin="20",
        line_width=50.0,
        align=align,
    )
    by_line = {}
    for word, row in zip(page.words, rows(page)):
        by_line.setdefault(row, []).append((word.x, word.x + 12))
    edges = [(line[0][0], line[-1][1]) for line in by_line.values()]
    assert len(edges) == 3
    for left, right in edges:
        assert {
            "left": left == pytest.approx(20),
            "right": right == pytest.approx(70),
            "center": left + right == pytest.approx(90),
            "justified": left == pytest.approx(20),
        }[align]
    if align == "justified":
        assert [right == pytest.approx(70) for _, right in edges] == [True, False, False], (
            "not the last line of a paragraph"
        )


PARTS = strategies.lists(
    strategies.one_of(
        strategies.builds(
            bar,
            strategies.floats(0.05, 30),
            strategies.floats(0.01, 0.4),
            strategies.text("ab.,", max_size=3),
            strategies.booleans(),
        ),
        strategies.builds(
            Break, strategies.integers(0, 40), strategies.integers(0, 60), strategies.booleans()
        ),
    ),
    max_size=30,
)


@hypothesis.given(
    PARTS,
    strategies.sampled_from(PAPERS),
    strategies.sampled_from(ALIGNMENTS),
    strategies.sampled_from(["auto", "A6", "60x40"]),
    strategies.booleans(),
    strategies.integers(0, 3),
)
def test_every_word_is_on_a_page_once_and_between_the_margins(parts, paper, align, page, fit, seed):
    words = [part for part in parts if isinstance(part, PlacedWord)]
    config = dataclasses.replace(
        SampleConfig(),
        paper=paper,
        align=align,
        page=page,
        margin="6",
        indent=3.0,
        seed=seed,
        slope_jitter=0.0,
    )
    if align == "justified":
        reach = 0.0
    else:  # lines may begin this far off
        reach = MAX_DRIFT * config.margin_jitter * (MAX_X_HEIGHT if fit else DEFAULT_X_HEIGHT)
        reach = min(reach, DRIFT_IN_MARGIN * 6)
    if fit and words:
        try:
            sheet, parts = fit_sheet(parts, config, X_HEIGHT)
        except UserError:  # page breaks, or a very small page
            return
        found = list(lay_out(parts, config, X_HEIGHT, sheet))
        assert len(found) == 1
    else:
        found = list(lay_out(parts, config, X_HEIGHT))
    assert [
        placed.points is word.points
        for placed, word in zip(
            (placed for one in found for placed in one.words), words, strict=True
        )
    ] == [True] * len(words)
    for one in found:
        x = np.concatenate([stroke[:, 0] for stroke in one.strokes])
        assert x.min() >= 6 - reach - 1e-3 and x.max() <= one.width - 6 + reach + 1e-3
        assert all(0 < placed.y < one.height for placed in one.words)


def test_indents():
    (page,) = pages(
        [Break(0, 2), bar(1), Break(2), bar(1), Break(), bar(1)], page="A4", margin="20", indent=5.0
    )
    assert (starts(page)[:, 0] - 20).tolist() == pytest.approx([2 * 1.5 * 4 + 5, 5, 0])


def test_spaces_and_slopes_vary_by_seed_and_within_bounds():
    words = [bar(1) for _ in range(100)]
    one, again, other = (
        pages(words, page="A4", word_space_jitter=0.2, slope_jitter=1.0, seed=seed)[0]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(starts(one), starts(again)) and not np.array_equal(
        starts(one), starts(other)
    )
    gaps = np.diff(starts(one)[:, 0])
    gaps = gaps[gaps > 0] - 12
    assert gaps.std() > 0.3 and gaps.min() >= 2 - 1e-6 and gaps.max() <= 8 + 1e-6
    assert (
        0 < np.std([word.slope for word in one.words])
        and max(abs(word.slope) for word in one.words) <= np.radians(2) + 1e-9
    )
    still = pages(words, page="A4")[0]
    assert {word.slope for word in still.words} == {0.0} and np.ptp(
        np.round(np.diff(starts(still)[:, 0])[:5], 9)
    ) == 0


DRIFTING = dict(margin_jitter=0.4, line_jitter=0.12)


def first_words(page):
    """The place (n, 2) of the first word of each line."""
    places = starts(page)
    return places[np.append(True, np.diff(places[:, 0]) < 0)]


def drifts(n_pages=40, **settings):
    """(n, 2) x-heights by which the lines of full pages lie off their place, by page."""
    words = [bar(3) for _ in range(25 * 30)]
    found = []
    for seed in range(n_pages):
        drifting, still = (
            first_words(pages(words, page="A4", seed=seed, **settings, **jitter)[0])
            for jitter in (DRIFTING, {})
        )
        found.append((drifting - still) / 4)
    return found


def test_lines_drift_as_a_hand_does_and_within_bounds():
    by_page = drifts()
    off = np.concatenate(by_page)
    assert (np.abs(off) <= MAX_DRIFT * np.array([0.4, 0.12]) + 1e-6).all()
    np.testing.assert_allclose(off.std(axis=0), [0.4, 0.12], rtol=0.2)
    assert (np.abs(off.mean(axis=0)) < [0.1, 0.03]).all(), "around the margin and the grid"
    for axis in (0, 1):
        before, after = (
            np.concatenate([page[part, axis] for page in by_page])
            for part in (slice(-1), slice(1, None))
        )
        correlation = np.corrcoef(before, after)[0, 1]
        assert 0.5 < correlation < 0.85, "slowly, but not in one direction"


def test_a_drift_changes_neither_words_nor_spaces():
    words = [bar(1 + i % 3) for i in range(100)]
    varied = dict(page="A5", word_space_jitter=0.2, slope_jitter=1.0)
    drifting, still = (pages(words, **varied, **jitter)[0] for jitter in (DRIFTING, {}))
    assert rows(still) != rows(drifting), "no two lines are at the same height"
    assert all(
        (one.points is two.points, one.scale, one.slope) == (True, two.scale, two.slope)
        for one, two in zip(drifting.words, still.words, strict=True)
    )
    moved = starts(drifting) - starts(still)
    line = np.cumsum(np.append(True, np.diff(starts(still)[:, 0]) < 0))
    for number in range(1, line.max() + 1):
        assert np.ptp(moved[line == number], axis=0).max() < 1e-9, "a line moves as one"
    again, other = (pages(words, seed=seed, **varied, **DRIFTING)[0] for seed in (0, 1))
    assert np.array_equal(starts(drifting), starts(again))
    assert not np.array_equal(starts(drifting), starts(other))


@pytest.mark.parametrize("paper", ["ruled", "squared", "dotted"])
def test_writing_on_lines_leaves_them_by_little_and_the_margin_as_on_plain_paper(paper):
    off = np.concatenate(drifts(10, paper=paper))
    assert off[:, 0].std() == pytest.approx(0.4, rel=0.3)
    assert 0 < np.abs(off[:, 1]).max() <= GUIDED * MAX_DRIFT * 0.12 + 1e-6
    slopes = [
        np.std([word.slope for word in page[0].words])
        for page in (
            pages([bar(3) for _ in range(100)], page="A4", slope_jitter=1.0, paper=kind)
            for kind in (paper, "plain")
        )
    ]
    assert slopes[0] == pytest.approx(GUIDED * slopes[1], rel=0.3)


@pytest.mark.parametrize("margin", ["0", "2", "0,30,0,30"])
def test_a_large_drift_neither_leaves_the_page_nor_runs_lines_together(margin):
    words = [bar(3, height=0.4) for _ in range(400)]
    for page in pages(words, page="A5", margin=margin, margin_jitter=5.0, line_jitter=5.0):
        ink = np.concatenate(page.strokes)
        assert (ink >= -1e-6).all() and (ink <= np.add((148, 210), 1e-6)).all()
        heights = first_words(page)[:, 1]
        pitch = LINE_PITCH * 4
        assert (np.abs(np.diff(heights) - pitch) <= 2 * DRIFT_IN_PITCH * pitch + 1e-6).all()


@pytest.mark.parametrize("align", ["left", "right", "center", "justified"])
def test_alignment_keeps_its_meaning_where_lines_drift(align):
    words, settings = [bar(1 + i % 3) for i in range(60)], dict(page="A4", align=align, margin="20")
    drifting, still = (pages(words, **settings, **jitter)[0] for jitter in (DRIFTING, {}))
    off = (starts(drifting) - starts(still))[:, 0]
    if align == "justified":
        assert not off.any(), "both edges stay straight"
    else:
        assert 0 < np.abs(off).max() <= MAX_DRIFT * 0.4 * 4 + 1e-6


@pytest.mark.parametrize("paper", ["ruled", "squared", "dotted"])
def test_writing_stands_on_the_lines_of_the_paper(paper):
    (page,) = pages(
        [bar(2) for _ in range(20)] + [Break(3), bar(1)],
        page="A5",
        paper=paper,
        paragraph_space=0.4,
    )
    ys = {round(line[1], 4) for line in page.ruling.lines(148, 210)} | {
        round(y, 4) for _, y in page.ruling.dots(148, 210)
    }
    assert {round(word.y, 4) for word in page.words} <= ys
    (cropped,) = pages([bar(1)], paper=paper)
    lines = cropped.ruling.lines(cropped.width, cropped.height) or [
        (0, y, 0, y) for _, y in cropped.ruling.dots(cropped.width, cropped.height)
    ]
    assert min(abs(line[1] - cropped.words[0].y) for line in lines) < 1e-4, (
        "also where the page is cropped"
    )


def test_fitting_takes_the_largest_letters_that_fit():
    words, config = (
        [bar(1) for _ in range(100)],
        dataclasses.replace(
            SampleConfig(), page="A6", fit=True, x_height=None, word_space_jitter=0.0
        ),
    )
    sheet, kept = fit_sheet(iter(words), config, X_HEIGHT)
    assert kept == words and len(list(lay_out(kept, config, X_HEIGHT, sheet))) == 1
    larger = sheet.with_x_height(sheet.x_height * 1.03, config)
    assert len(list(lay_out(kept, config, X_HEIGHT, larger))) == 2
    with pytest.raises(UserError, match="not on one page"):
        fit_sheet(iter(words * 100), config, X_HEIGHT)


def test_a_word_without_ink_takes_no_room():
    (page,) = pages([PlacedWord("", np.zeros((0, 3), np.float32)), bar(1)], page="A4")
    assert len(page.strokes) == 1


def test_layout_and_renderers_run_without_torch():
    code = (
        "import sys; import cursivetransformer.layout.typesetter, "
        "cursivetransformer.render.outputs, cursivetransformer.layout.normalize; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
