"""Fonts of letter skeletons: the project's own, the Hershey script, and single-stroke SVG fonts.

A foreign font says where the lines are. It does not say in which order a pen draws them, where it
is lifted, or how a letter joins the next one. This module guesses these from the ends of the lines.
Engravers draw thick strokes as doubled lines, which are not a skeleton. Glyphs with such lines are
left to other fonts.
"""

import re
import string
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from cursivetransformer.synthesis.glyphs import ControlStroke, Font, Glyph
from cursivetransformer.synthesis.letterforms import OWN_FONT
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import read_regular

MAX_FONT_BYTES = 64 << 20
HERSHEY_SCRIPT = "scripts"
HERSHEY_X_HEIGHT = 9
HERSHEY_BASELINE = 9
# Letters that Hershey draws in pieces as no hand would, or like type.
HERSHEY_EXCLUDED = "dijpqtx"
CORNER_ANGLE = np.radians(75)  # turns of a polyline above it are corners
MAX_PEN_GAP = 0.8  # x-heights that a pen goes over ink, or skips, without being lifted
MAX_DOT_SIZE = 0.45  # x-heights
EXIT_HEIGHT = 0.22  # where a low exit is cut, so that the entry of the next letter follows
MIN_HIGH_EXIT = 0.6  # an end above this is a high exit
# The entry to a letter that starts at its upper right.
ENTRY_OVER_TOP = np.array([[0.0, 0.42], [0.38, 0.95]])
STEMMED = "HINMpfh"  # letters whose top is above their bottom where a font is upright
MIN_STEM_HEIGHT = 0.5  # x-heights of a glyph from which the slant can be measured
# Parameters at which a Bezier curve is sampled.
_CURVE_STEPS = np.linspace(0, 1, 7)[1::2, None]

Strokes = list[np.ndarray]  # polylines (n, 2)


def load_fonts(names: str) -> dict[str, Font]:
    """Load fonts by names or paths that are joined by commas.

    Args:
        names: "own" is the project's font, "hershey" the script font of the package Hershey-Fonts;
            anything that ends with .svg is the path of a single-stroke SVG font.

    Raises:
        UserError: if a font is unknown, missing or invalid.
    """
    fonts = {}
    for name in (part.strip() for part in names.split(",")):
        if name == "own":
            fonts[name] = OWN_FONT
        elif name == "hershey":
            fonts[name] = _load_hershey()
        elif name.endswith(".svg"):
            fonts[Path(name).stem] = _load_svg(Path(name))
        else:
            raise UserError(f"--fonts takes own, hershey and paths of .svg fonts, not {name!r}")
    return fonts


def _load_hershey() -> Font:
    try:
        from HersheyFonts import HersheyFonts
    except ImportError as error:
        raise UserError(
            "the font hershey needs the package Hershey-Fonts: pip install 'Hershey-Fonts>=2.1,<3'"
        ) from error
    font = HersheyFonts()
    font.load_default_font(HERSHEY_SCRIPT)
    outlines = {}
    for char in string.ascii_letters:
        if char in HERSHEY_EXCLUDED:
            continue
        strokes = [
            (np.array(list(stroke), float) * (1, -1) + (0, HERSHEY_BASELINE)) / HERSHEY_X_HEIGHT
            for stroke in font.strokes_for_text(char)
        ]
        outlines[char] = [stroke for stroke in strokes if len(stroke) > 1]
    return _make_font(outlines)


def _load_svg(path: Path) -> Font:
    """Load the glyphs of printable ASCII of an SVG font whose outlines are single strokes."""
    try:
        root = ElementTree.fromstring(read_regular(path, MAX_FONT_BYTES))
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not an SVG font that can be read: {error}") from error
    elements: dict[str, list[ElementTree.Element]] = {}
    for element in root.iter():
        elements.setdefault(element.tag.rpartition("}")[2], []).append(element)
    try:
        x_height = float(elements["font-face"][0].attrib["x-height"])
    except (KeyError, ValueError):
        raise UserError(f"{path} is not an SVG font, or says no x-height") from None
    outlines = {}
    for element in elements.get("glyph", []):
        char = element.get("unicode", "")
        drawing = element.get("d")
        if len(char) == 1 and "!" <= char <= "~" and drawing:
            strokes = [stroke / x_height for stroke in _parse_path(drawing, path)]
            strokes = [stroke for stroke in strokes if len(stroke) > 1]
            if strokes:
                outlines[char] = strokes
    if not outlines:
        raise UserError(f"{path} has no glyph of printable ASCII")
    return _make_font(outlines)


def _make_font(outlines: dict[str, Strokes]) -> Font:
    upright = _remove_slant(outlines)
    return {char: [make_glyph(char, strokes)] for char, strokes in upright.items()}


def _remove_slant(outlines: dict[str, Strokes]) -> dict[str, Strokes]:
    """Remove the slant that the font was drawn with; each hand has its own."""
    slants = []
    for char in STEMMED:
        if char not in outlines:
            continue
        x, y = np.concatenate(outlines[char]).T
        height = np.ptp(y)
        if height > MIN_STEM_HEIGHT:
            low = x[y < y.min() + 0.15 * height]
            high = x[y > y.max() - 0.15 * height]
            slants.append((high.mean() - low.mean()) / (0.85 * height))
    shear = np.array([[1.0, 0.0], [-np.median(slants), 1.0]]) if slants else np.eye(2)
    return {char: [stroke @ shear for stroke in strokes] for char, strokes in outlines.items()}


def _parse_path(drawing: str, path: Path) -> Strokes:
    """Parse an SVG path of absolute M, L and C commands. `path` is the file, for error messages."""
    strokes: Strokes = []
    # An e may belong to a number, so it is no command here.
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-df-z]*)", drawing):
        try:
            values = [float(number) for number in re.findall(r"[-+]?[\d.]+(?:e[-+]?\d+)?", numbers)]
            xy = np.array(values).reshape(-1, 2)
        except ValueError:
            raise UserError(f"{path} has a path that is cut short: {drawing[:40]!r}") from None
        if command == "M":
            strokes.append(xy)
        elif command == "L" and strokes:
            strokes[-1] = np.concatenate([strokes[-1], xy])
        elif command == "C" and strokes:
            for control_1, control_2, end in xy.reshape(-1, 3, 2):
                curve = _flatten_bezier(strokes[-1][-1], control_1, control_2, end)
                strokes[-1] = np.concatenate([strokes[-1], curve])
        else:
            raise UserError(f"{path} has the path command {command!r}; only M, L and C are known")
    return strokes


def _flatten_bezier(
    start: np.ndarray, control_1: np.ndarray, control_2: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Return points (k, 2) of a cubic Bezier curve after its start."""
    t = _CURVE_STEPS
    return (
        (1 - t) ** 3 * start
        + 3 * (1 - t) ** 2 * t * control_1
        + 3 * (1 - t) * t * t * control_2
        + t**3 * end
    )


def make_glyph(char: str, strokes: Strokes) -> Glyph:
    """Make a glyph of a character's polylines.

    Args:
        char: the character.
        strokes: polylines (n, 2) in x-heights, y up, in the order in which they were drawn. The
            glyph's left edge comes to x = 0.
    """
    left = min(stroke[:, 0].min() for stroke in strokes)
    strokes = [_drop_repeated_points(stroke - (left, 0)) for stroke in strokes]
    if char not in string.ascii_lowercase:
        return Glyph([ControlStroke(stroke, _find_corners(stroke)) for stroke in strokes])
    body, delayed = _join_body(char, strokes)
    body, exit_height = _cut_exit(body)
    body, n_entry = _add_entry(char, body)
    return Glyph(
        [ControlStroke(body, _find_corners(body), n_entry)],
        [ControlStroke(stroke, _find_corners(stroke)) for stroke in delayed],
        exit_height,
    )


def _join_body(char: str, strokes: Strokes) -> tuple[np.ndarray, Strokes]:
    """Join what the pen may draw without lifting; return it and the delayed strokes."""
    body = strokes[0]
    delayed = []
    runs_leftward = body[0, 0] - body[-1, 0] > 0.3 and body[0, 1] < 0.7
    if runs_leftward and char not in "sz":  # drawn from its exit to its entry
        body = body[::-1]
    for stroke in strokes[1:]:
        is_dot = char in "ij" and np.ptp(stroke, axis=0).max() < MAX_DOT_SIZE
        if not is_dot and char != "t" and np.hypot(*(stroke[0] - body[-1])) < MAX_PEN_GAP:
            body = np.concatenate([body, stroke])
        else:
            delayed.append(stroke)
    return body, delayed


def _add_entry(char: str, body: np.ndarray) -> tuple[np.ndarray, int]:
    """Add an entry where the body has none; return the body and its number of entry points."""
    starts_upper_right = body[0, 0] > 0.45 * body[:, 0].max() and body[0, 1] > 0.55
    if starts_upper_right and char in "acdgoq":
        return np.concatenate([ENTRY_OVER_TOP, body]), len(ENTRY_OVER_TOP)
    if body[0, 1] < 0.6 and char not in "sxz":
        return body, 1
    return body, 0


def _cut_exit(body: np.ndarray) -> tuple[np.ndarray, str]:
    """Cut a rising tail at `EXIT_HEIGHT`; return the body and its exit, as in `Glyph.exit`."""
    end = body[-1]
    if end[0] < body[:, 0].max() - 0.35:
        return body, ""
    if end[1] > MIN_HIGH_EXIT:
        return body, "high"
    while (
        len(body) > 3
        and body[-2, 1] > EXIT_HEIGHT
        and body[-1, 1] > body[-2, 1]
        and body[-1, 0] > body[-2, 0]
    ):
        body = body[:-1]
    if body[-1, 1] > EXIT_HEIGHT > body[-2, 1]:
        fraction = (EXIT_HEIGHT - body[-2, 1]) / (body[-1, 1] - body[-2, 1])
        cut = body[-2:-1] + fraction * (body[-1:] - body[-2:-1])
        body = np.concatenate([body[:-1], cut])
    return body, "high" if body[-1, 1] > MIN_HIGH_EXIT else "low"


def _drop_repeated_points(points: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before."""
    keep = np.append(True, np.hypot(*np.diff(points, axis=0).T) > 1e-3)
    return points[keep]


def _find_corners(points: np.ndarray) -> np.ndarray:
    """Return whether a polyline turns sharply at each of its points, (n,)."""
    corners = np.zeros(len(points), bool)
    steps = np.diff(points, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.diff(headings) + np.pi) % (2 * np.pi) - np.pi)
    corners[1:-1] = turns > CORNER_ANGLE
    return corners
