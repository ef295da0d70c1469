"""A synthetic hand: the parameters of a handwriting, sampled from one seed, and its letterforms.

The same seed, fonts and version of this file make the same hand. Does not depend on ink.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cursivetransformer.synthesis.glyphs import ControlStroke, Font, Glyph

SURE_JOINS = frozenset("acdehilmntu")  # letters after which a hand hardly ever lifts the pen
WAVES = 3  # of a letterform's elastic deformation, in each direction
FIRST_FORM_PROBABILITY = 0.6  # that a hand takes the first of a letter's forms
LOOP_ABOVE = 1.2  # y above which a letter's ascender loop is scaled
LOOP_BELOW = -0.2  # y below which its descender loop is scaled
HAND_STREAM = 7  # keeps a hand's random numbers apart from others with the same seed


@dataclass
class HandParameters:
    """What distinguishes one hand from another.

    Lengths are in x-heights, unless stated otherwise.

    Attributes:
        x_height: in canvas heights.
        slant: dx for each dy.
        width: factor of the letters' width.
        spacing: between letters.
        ascender: factor of what stands above the x-height.
        descender: factor of what stands below the baseline.
        loop_up: factor of the width of loops above the x-height; 0 gives a plain stem.
        loop_down: the same below the baseline.
        capital: factor of the size of capitals and digits.
        tension: of the curves; 0 is round.
        elastic: standard deviation of the letterforms' deformation.
        lead_in: fraction of words that start with an upstroke.
        delays_strokes: whether dots and crosses come after the word.
        lifts: letters after which the pen is lifted.
        delayed_shift: of dots and crosses to the right.
        interval: time between two recorded points, in the unit of `kinematics.compute_times`.
        rise: of the line, for each x-height along it.
        wobble: standard deviation of a control point from one writing to the next.
        size_drift: standard deviation of the size along a word, as a logarithm.
        slant_drift: the same of the slant.
        base_drift: the same of the baseline.
        spacing_drift: the same of the spacing.
        tremor: standard deviation of a recorded point.
    """

    x_height: float
    slant: float
    width: float
    spacing: float
    ascender: float
    descender: float
    loop_up: float
    loop_down: float
    capital: float
    tension: float
    elastic: float
    lead_in: float
    delays_strokes: bool
    lifts: frozenset[str]
    delayed_shift: float
    interval: float
    rise: float
    wobble: float
    size_drift: float
    slant_drift: float
    base_drift: float
    spacing_drift: float
    tremor: float


class Hand:
    """A hand that no person has.

    Args:
        name: the author's name in banks.
        seed: a whole number, from which everything else follows.
        fonts: fonts by name. The hand takes one, and from the others the characters it lacks.
        marks: when dots and crosses are written: after the "letter", after the "word", or "auto"
            as the hand's parameters say.
    """

    def __init__(
        self, name: str, seed: int, fonts: Mapping[str, Font], marks: str = "auto"
    ) -> None:
        rng = np.random.default_rng([seed, HAND_STREAM])
        self.name = name
        self.seed = seed
        self.marks = marks
        self.font = sorted(fonts)[rng.integers(len(fonts))]
        self.parameters = _sample_parameters(rng)
        if marks != "auto":
            self.parameters.delays_strokes = marks == "word"
        self._form_seed = int(rng.integers(1 << 62))
        self._fonts = fonts
        self._glyphs: dict[str, Glyph | None] = {}

    def glyph(self, char: str) -> Glyph | None:
        """Return the hand's form of a character, always the same one; None where no font has it."""
        if char not in self._glyphs:
            self._glyphs[char] = self._make_glyph(char)
        return self._glyphs[char]

    def fonts_used(self, text: str) -> list[str]:
        """Return the sorted names of the fonts that the letterforms of a text come from."""
        return sorted({name for char in text if (name := self._font_of(char)) is not None})

    def _font_of(self, char: str) -> str | None:
        """Return the font of a character: the hand's own, or else the first that has it."""
        names = (self.font, *sorted(self._fonts))
        return next((name for name in names if char in self._fonts[name]), None)

    def _make_glyph(self, char: str) -> Glyph | None:
        font = self._font_of(char)
        if font is None:
            return None
        rng = np.random.default_rng([self._form_seed, ord(char)])
        forms = self._fonts[font][char]
        return _deform_glyph(forms[_choose_form(rng, len(forms))], char, self.parameters, rng)


def _deform_glyph(
    glyph: Glyph, char: str, parameters: HandParameters, rng: np.random.Generator
) -> Glyph:
    """Deform a font's glyph into a hand's own form of a character."""
    # Displacements of the waves (WAVES, 2), their wave vectors (WAVES, 2) and phases (WAVES,).
    displacements = rng.normal(0, parameters.elastic / np.sqrt(WAVES), (WAVES, 2))
    wave_vectors = rng.normal(0, 1.6, (WAVES, 2))
    phases = rng.uniform(0, 2 * np.pi, WAVES)
    width = parameters.width * np.exp(rng.normal(0, 0.05))
    is_tall = char in string.ascii_uppercase or char in string.digits
    height = parameters.capital if is_tall else 1.0
    stem_up, stem_down = _find_stems(glyph)

    def deform(stroke: ControlStroke) -> ControlStroke:
        points = stroke.points.copy()
        if char in string.ascii_lowercase:
            above = points[:, 1] > LOOP_ABOVE
            below = points[:, 1] < LOOP_BELOW
            points[above, 0] = stem_up + (points[above, 0] - stem_up) * parameters.loop_up
            points[below, 0] = stem_down + (points[below, 0] - stem_down) * parameters.loop_down
        points += np.sin(points @ wave_vectors.T + phases) @ displacements
        points[:, 1] = _scale_extenders(points[:, 1], parameters) * height
        points[:, 0] *= width * (height + 1) / 2
        return ControlStroke(points, stroke.corners, stroke.n_entry)

    strokes = [deform(stroke) for stroke in glyph.strokes]
    return Glyph(strokes, [deform(stroke) for stroke in glyph.delayed], glyph.exit)


def _scale_extenders(y: np.ndarray, parameters: HandParameters) -> np.ndarray:
    """Scale what stands above the x-height and what stands below the baseline."""
    below_x_height = np.where(y < 0, y * parameters.descender, y)
    return np.where(y > 1, 1 + (y - 1) * parameters.ascender, below_x_height)


def _choose_form(rng: np.random.Generator, n: int) -> int:
    """Choose one of n forms, the first one most often."""
    if n == 1 or rng.random() < FIRST_FORM_PROBABILITY:
        return 0
    return int(rng.integers(1, n))


def _find_stems(glyph: Glyph) -> tuple[float, float]:
    """Return the x around which a glyph's loops above and below are scaled."""
    points = np.concatenate([stroke.points for stroke in glyph.strokes])
    x, y = points.T
    above = y > LOOP_ABOVE
    below = y < LOOP_BELOW
    stem_up = x[above].mean() if above.any() else 0.0
    stem_down = x[below].mean() if below.any() else 0.0
    return stem_up, stem_down


def _sample_parameters(rng: np.random.Generator) -> HandParameters:
    """Sample the parameters of a hand. The order of the calls decides which hand a seed gives."""
    uniform = rng.uniform

    def lognormal(median: float, std: float) -> float:
        return float(median * np.exp(rng.normal(0, std)))

    untidiness = uniform(0.5, 1.3)  # an untidy hand is untidy in everything
    lift_probability = uniform(0, 0.45) if rng.random() < 0.6 else 0.0
    return HandParameters(
        x_height=lognormal(0.14, 0.13),
        slant=uniform(-0.12, 0.75),
        width=lognormal(1.08, 0.14),
        spacing=uniform(0.08, 0.42),
        ascender=lognormal(0.92, 0.22),
        descender=lognormal(0.92, 0.2),
        loop_up=uniform(0.15, 1.3),
        loop_down=uniform(0.3, 1.3),
        capital=uniform(0.88, 1.1),
        tension=uniform(0.0, 0.55),
        elastic=uniform(0.03, 0.1),
        lead_in=rng.choice([0.0, 0.3, 0.95]),
        delays_strokes=bool(rng.random() < 0.75),
        lifts=frozenset(
            char
            for char in string.ascii_lowercase
            if char not in SURE_JOINS and rng.random() < lift_probability
        ),
        delayed_shift=uniform(-0.05, 0.2),
        interval=lognormal(0.182, 0.08),
        rise=rng.normal(0, 0.012),
        wobble=0.022 * untidiness,
        size_drift=0.035 * untidiness,
        slant_drift=0.035 * untidiness,
        base_drift=0.03 * untidiness,
        spacing_drift=0.05 * untidiness,
        tremor=0.006 * untidiness,
    )
