"""Letter skeletons from elsewhere: the Hershey script faces, and single-stroke SVG fonts that are given. Makes `glyphs.Glyph`s of them.

What such a face says is where the lines are; in which order a pen takes them, where it may be lifted and how a letter goes
over into the next is guessed here from their ends. Doubled lines, with which engravers draw thick strokes, are no skeleton:
glyphs that have them are left to other faces.
"""

import re
import string
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from cursivetransformer.synthesis.glyphs import Glyph, Run
from cursivetransformer.synthesis.letterforms import OWN_FACE
from cursivetransformer.utils.errors import UserError

HERSHEY_SCRIPT, HERSHEY_X_HEIGHT, HERSHEY_BASELINE = "scripts", 9, 9
HERSHEY_POOR = "dijpqtx"  # drawn in pieces that no hand would write, or like type
SHARP = np.radians(75)  # turns of a polyline that are corners
NEAR = 0.8  # x-heights that a pen goes over ink, or skips, without being lifted
DOT = 0.45  # largest extent of a dot
EXIT_HEIGHT = 0.22  # at which a low exit is cut, so that the next letter may lead in
HIGH = 0.6  # an end above this hands over high
OVER_THE_TOP = np.array(
    [[0.0, 0.42], [0.38, 0.95]]
)  # the way into a letter that starts at its upper right
STEMS = "HINMpfh"  # letters whose top stands over their bottom when a face is upright
_CURVE_STEPS = np.linspace(0, 1, 7)[1:]


def load_faces(names):
    """Names or paths joined by commas -> {name: {char: list of `Glyph`}}. "own" is the project's, "hershey" the Hershey script face
    of the package Hershey-Fonts, anything that ends with .svg a single-stroke SVG font. Raises `UserError`."""
    faces = {}
    for name in (part.strip() for part in names.split(",")):
        if name == "own":
            faces[name] = OWN_FACE
        elif name == "hershey":
            faces[name] = _hershey()
        elif name.endswith(".svg"):
            faces[Path(name).stem] = _svg_font(Path(name))
        else:
            raise UserError(f"--faces knows own, hershey and paths of .svg fonts, not {name!r}")
    return faces


def _hershey():
    try:
        from HersheyFonts import HersheyFonts
    except ImportError as error:
        raise UserError(
            "the face hershey needs the package Hershey-Fonts: pip install 'Hershey-Fonts>=2.1,<3'"
        ) from error
    font = HersheyFonts()
    font.load_default_font(HERSHEY_SCRIPT)
    outlines = {}
    for char in (char for char in string.ascii_letters if char not in HERSHEY_POOR):
        strokes = [
            (np.array(list(stroke), float) * (1, -1) + (0, HERSHEY_BASELINE)) / HERSHEY_X_HEIGHT
            for stroke in font.strokes_for_text(char)
        ]
        outlines[char] = [stroke for stroke in strokes if len(stroke) > 1]
    return _face(outlines)


def _svg_font(path):
    """The glyphs of printable ASCII of an SVG font whose outlines are single strokes."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{path} is not an SVG font that can be read: {error}") from error
    tags = {}
    for element in root.iter():
        tags.setdefault(element.tag.rpartition("}")[2], []).append(element)
    try:
        x_height = float(tags["font-face"][0].get("x-height"))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is not an SVG font, or says no x-height") from None
    outlines = {}
    for element in tags.get("glyph", []):
        char, drawing = element.get("unicode", ""), element.get("d")
        if len(char) == 1 and "!" <= char <= "~" and drawing:
            strokes = [stroke / x_height for stroke in _polylines(drawing, path) if len(stroke) > 1]
            if strokes:
                outlines[char] = strokes
    if not outlines:
        raise UserError(f"{path} has no glyph of printable ASCII")
    return _face(outlines)


def _face(outlines):
    return {char: [as_glyph(char, strokes)] for char, strokes in _upright(outlines).items()}


def _upright(outlines):
    """{char: strokes} without the slant that the face was drawn with, so that a writer's own takes its place."""
    slants = []
    for char in STEMS:
        p = np.concatenate(outlines[char]) if char in outlines else np.zeros((1, 2))
        height = np.ptp(p[:, 1])
        if height > 0.5:
            low, high = (
                p[p[:, 1] < p[:, 1].min() + 0.15 * height],
                p[p[:, 1] > p[:, 1].max() - 0.15 * height],
            )
            slants.append((high[:, 0].mean() - low[:, 0].mean()) / (0.85 * height))
    shear = np.array([[1.0, 0.0], [-np.median(slants), 1.0]]) if slants else np.eye(2)
    return {char: [stroke @ shear for stroke in strokes] for char, strokes in outlines.items()}


def _polylines(drawing, path):
    """An SVG path of absolute M, L and C commands -> arrays (n, 2)."""
    strokes = []
    for command, numbers in re.findall(
        r"([A-Za-z])([^A-Za-df-z]*)", drawing
    ):  # an e may belong to a number
        try:
            xy = np.array(
                [float(number) for number in re.findall(r"[-+]?[\d.]+(?:e[-+]?\d+)?", numbers)]
            ).reshape(-1, 2)
        except ValueError:
            raise UserError(f"{path} has a path that is cut short: {drawing[:40]!r}") from None
        if command == "M":
            strokes.append(xy)
        elif command == "L" and strokes:
            strokes[-1] = np.concatenate([strokes[-1], xy])
        elif command == "C" and strokes:
            for a, b, c in xy.reshape(-1, 3, 2):
                t = _CURVE_STEPS[::2, None]
                curve = (
                    (1 - t) ** 3 * strokes[-1][-1]
                    + 3 * (1 - t) ** 2 * t * a
                    + 3 * (1 - t) * t * t * b
                    + t**3 * c
                )
                strokes[-1] = np.concatenate([strokes[-1], curve])
        else:
            raise UserError(f"{path} has the path command {command!r}; only M, L and C are known")
    return strokes


def as_glyph(char, strokes):
    """Polylines (n, 2) in x-heights, y up, in the order in which they were drawn -> `Glyph`; its left edge comes to x = 0."""
    left = min(stroke[:, 0].min() for stroke in strokes)
    strokes = [_thinned(stroke - (left, 0)) for stroke in strokes]
    if char not in string.ascii_lowercase:
        return Glyph([Run(stroke, _corners(stroke)) for stroke in strokes])
    body, late = strokes[0], []
    if (
        body[0, 0] - body[-1, 0] > 0.3 and body[0, 1] < 0.7 and char not in "sz"
    ):  # drawn from its exit to its entry
        body = body[::-1]
    for stroke in strokes[1:]:
        if np.ptp(stroke, axis=0).max() < DOT and char in "ij":
            late.append(stroke)
        elif np.hypot(*(stroke[0] - body[-1])) < NEAR and char != "t":
            body = np.concatenate([body, stroke])
        else:
            late.append(stroke)
    body, exit = _exit(body)
    way_in = 0
    if body[0, 0] > 0.45 * body[:, 0].max() and body[0, 1] > 0.55 and char in "acdgoq":
        body, way_in = np.concatenate([OVER_THE_TOP, body]), len(OVER_THE_TOP)
    elif body[0, 1] < 0.6 and char not in "sxz":
        way_in = 1
    return Glyph(
        [Run(body, _corners(body), way_in)],
        [Run(stroke, _corners(stroke)) for stroke in late],
        exit,
    )


def _exit(body):
    """The body with a rising tail cut, and how it hands over."""
    end = body[-1]
    if end[0] < body[:, 0].max() - 0.35:
        return body, ""
    if end[1] > HIGH:
        return body, "high"
    while (
        len(body) > 3
        and body[-2, 1] > EXIT_HEIGHT
        and body[-1, 1] > body[-2, 1]
        and body[-1, 0] > body[-2, 0]
    ):
        body = body[:-1]
    if body[-1, 1] > EXIT_HEIGHT > body[-2, 1]:
        share = (EXIT_HEIGHT - body[-2, 1]) / (body[-1, 1] - body[-2, 1])
        body = np.concatenate([body[:-1], body[-2:-1] + share * (body[-1:] - body[-2:-1])])
    return body, "high" if body[-1, 1] > HIGH else "low"


def _thinned(points):
    """Without points that repeat the one before."""
    keep = np.append(True, np.hypot(*np.diff(points, axis=0).T) > 1e-3)
    return points[keep]


def _corners(points):
    """(n,) whether a polyline turns sharply at each of its points."""
    corner = np.zeros(len(points), bool)
    steps = np.diff(points, axis=0)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    turn = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
    corner[1:-1] = turn > SHARP
    return corner
