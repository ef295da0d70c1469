"""Fonts of letter skeletons."""

import string

import numpy as np
import pytest

from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.synthesis.fonts import load_fonts, make_glyph
from cursivetransformer.synthesis.glyphs import parse_form
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.utils.errors import UserError

FONT = """<svg xmlns="http://www.w3.org/2000/svg"><defs><font id="Sticks" horiz-adv-x="400">
<font-face units-per-em="1000" x-height="300"/><missing-glyph horiz-adv-x="400"/>
<glyph unicode=" " horiz-adv-x="300"/>
<glyph unicode="n" d="M 0 0 L 20 290 M 20 290 C 60 300 140 300 150 250 L 160 0 L 220 40"/>
<glyph unicode="i" d="M 0 150 L 60 300 L 60 0 L 140 60 M 80 420 L 84 424"/>
<glyph unicode="&#x41;" d="M 0 0 L 150 650 L 300 0 M 70 250 L 230 250"/>
<glyph unicode="&#xe9;" d="M 0 0 L 9 9"/>
</font></defs></svg>"""


def test_a_form_says_how_it_is_written():
    """A form with two entry points, a corner, a low exit and a dot."""
    glyph = parse_form("0,.4> .1,.9> .2,1.0! .1,0 .5,.2 _ ~ .2,1.5 .3,1.5")
    assert (
        glyph.exit == "low"
        and len(glyph.strokes) == len(glyph.delayed) == 1
        and glyph.strokes[0].n_entry == 2
    )
    assert (
        glyph.strokes[0].corners.tolist() == [False, False, True, False, False]
        and glyph.advance == 0.5
    )
    two = parse_form("0,2 0,0 | .4,2 .6,0")
    assert two.exit == "" and len(two.strokes) == 2 and two.advance == 0.6


def test_hershey_letters_are_joined_and_the_poor_ones_left_to_others():
    pytest.importorskip("HersheyFonts")
    font = load_fonts("hershey")["hershey"]
    assert set("abceghklmnorsuvwyz") <= set(font) and not set("dijptx0") & set(font)
    ends = {
        char: font[char][0].strokes[-1].points[-1, 1] for char in "ovwacehmnu" if font[char][0].exit
    }
    assert len(ends) == 10 and min(ends[char] for char in "ovw") > 1.2 * max(
        ends[char] for char in "acehmnu"
    )
    for char, (glyph,) in font.items():
        height = np.ptp(np.concatenate([run.points for run in glyph.strokes + glyph.delayed])[:, 1])
        assert 0.7 < height < 4, char


def test_an_svg_font_that_is_given_is_read(tmp_path):
    path = tmp_path / "Sticks.svg"
    path.write_text(FONT)
    fonts = load_fonts(f"own, {path}")
    assert list(fonts) == ["own", "Sticks"] and set(fonts["Sticks"]) == {"n", "i", "A"}
    n, i = fonts["Sticks"]["n"][0], fonts["Sticks"]["i"][0]
    assert n.exit == i.exit == "low" and len(n.strokes) == 1 and len(i.delayed) == 1
    hand = Hand("Ada", 1, {"Sticks": fonts["Sticks"], "own": fonts["own"]})
    hand.font = "Sticks"
    hand.parameters.lifts = frozenset()
    assert hand.fonts_used("nice") == ["Sticks", "own"]
    assert len(split_strokes(write_word(hand, "nini", np.random.default_rng(0)).points)) == 3


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("<svg", "is not an SVG font that can be read"),
        ("<svg/>", "says no x-height"),
        (FONT.replace('unicode="', 'unicode="__'), "no glyph of printable ASCII"),
        (FONT.replace("C 60", "Q 60"), "path command 'Q'"),
        (FONT.replace("L 20 290", "L 20"), "cut short"),
    ],
)
def test_fonts_that_cannot_be_read_are_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "bad.svg"
    path.write_text(content)
    with pytest.raises(UserError, match=sentence):
        load_fonts(str(path))


def test_a_letter_drawn_from_its_end_is_turned_around():
    forward = np.array([[0, 0.1], [0.2, 0.9], [0.4, 0.1], [0.8, 0.2]])
    np.testing.assert_allclose(
        make_glyph("h", [forward[::-1]]).strokes[0].points,
        make_glyph("h", [forward]).strokes[0].points,
    )


def test_own_forms_are_whole():
    own = load_fonts("own")["own"]
    assert set(own) == set(string.ascii_letters + string.digits + string.punctuation)
    assert all(glyph.exit for char in string.ascii_lowercase for glyph in own[char][:1])
    assert {char for char in string.ascii_lowercase if own[char][0].exit == "high"} == set("bovw")
