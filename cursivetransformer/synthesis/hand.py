"""A writer that does not exist: habits of a hand, all drawn from one seed, and the letterforms that they give. Knows no ink.

The same seed, faces and version of this file make the same writer.
"""

import string
from dataclasses import dataclass

import numpy as np

from cursivetransformer.synthesis.glyphs import Glyph, Run

SURE_JOINS = frozenset("acdehilmntu")  # letters after which hardly a hand lifts the pen
WAVES = 3  # of a letterform's elastic deformation, in each direction
LIKELY_FIRST = 0.6  # that a hand takes the first of a letter's forms


@dataclass
class HandParameters:
    """What sets a hand apart. Lengths in x-heights, except x_height itself, in canvas heights; slant in dx for each dy.

    ascender, descender: factors of what stands above the x-height and below the baseline; loop_up, loop_down: factors of the
    loops' width there, 0 for a plain stem; tension: of curves, 0 is round; elastic: how far letterforms are bent, its standard
    deviation; lead_in: share of words that start with an upstroke; late_marks: dots and crosses come after the word; lifts:
    letters after which the pen is lifted; mark_shift: of dots and crosses to the right; capital: factor of the size of capitals and
    digits; rise: of the line, for each x-height; interval: time between two recorded points, as `motion.times` counts it; wobble: of
    control points, each time; the drifts: of size, slant, baseline and spacing along a word; tremor: of recorded points.
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
    late_marks: bool
    lifts: frozenset
    mark_shift: float
    interval: float
    rise: float
    wobble: float
    size_drift: float
    slant_drift: float
    base_drift: float
    spacing_drift: float
    tremor: float


class Hand:
    """A hand. name: what banks call it; seed: a whole number; faces: {name: {char: list of `Glyph`}}, of which it takes one, and from
    the others what that lacks; marks: dots and crosses after the "letter" or the "word", "auto" as its habit is."""

    def __init__(self, name, seed, faces, marks="auto"):
        rng = np.random.default_rng([seed, 7])
        self.name, self.seed, self.marks = name, seed, marks
        self.face = sorted(faces)[rng.integers(len(faces))]
        self.habits = _draw_habits(rng)
        if marks != "auto":
            self.habits.late_marks = marks == "word"
        self._forms, self._faces, self._glyphs = rng.integers(1 << 62), faces, {}

    def glyph(self, char):
        """How this writer means to write a character, always the same `Glyph`, upright; None where no face has it."""
        if char not in self._glyphs:
            rng = np.random.default_rng([self._forms, ord(char)])
            face = self._face_of(char)
            forms = self._faces[face][char] if face else None
            self._glyphs[char] = forms and self._own(forms[_choose(rng, len(forms))], char, rng)
        return self._glyphs[char]

    def faces_used(self, text):
        """The names of the faces that the letterforms of a text come from, sorted."""
        return sorted({self._face_of(char) for char in text})

    def _face_of(self, char):
        """The name of the face that a character is taken from: this writer's, or the first that has it; None where none has."""
        return next(
            (name for name in (self.face, *sorted(self._faces)) if char in self._faces[name]), None
        )

    def _own(self, glyph, char, rng):
        """A face's glyph, bent into this hand."""
        h = self.habits
        waves = (
            rng.normal(0, h.elastic / np.sqrt(WAVES), (WAVES, 2)),
            rng.normal(0, 1.6, (WAVES, 2)),
            rng.uniform(0, 2 * np.pi, WAVES),
        )
        wider = h.width * np.exp(rng.normal(0, 0.05))
        taller = h.capital if char in string.ascii_uppercase or char in string.digits else 1.0
        stems = _stems(glyph)

        def bend(run):
            p = run.points.copy()
            if char in string.ascii_lowercase:
                for region, stem, loop in zip(
                    (p[:, 1] > 1.2, p[:, 1] < -0.2), stems, (h.loop_up, h.loop_down)
                ):
                    p[region, 0] = stem + (p[region, 0] - stem) * loop
            p += np.sin(p @ waves[1].T + waves[2]) @ waves[0]
            y = p[:, 1]
            p[:, 1] = (
                np.where(y > 1, 1 + (y - 1) * h.ascender, np.where(y < 0, y * h.descender, y))
                * taller
            )
            p[:, 0] *= wider * (taller + 1) / 2
            return Run(p, run.corner, run.way_in)

        return Glyph(
            [bend(run) for run in glyph.runs], [bend(run) for run in glyph.late], glyph.exit
        )


def _choose(rng, n):
    """0 most often, else one of the other n - 1."""
    return 0 if n == 1 or rng.random() < LIKELY_FIRST else int(rng.integers(1, n))


def _stems(glyph):
    """x about which a glyph's loops above the x-height and below the baseline grow and shrink."""
    p = np.concatenate([run.points for run in glyph.runs])
    return [
        p[region, 0].mean() if region.any() else 0.0 for region in (p[:, 1] > 1.2, p[:, 1] < -0.2)
    ]


def _draw_habits(rng):
    between, lognormal = (
        rng.uniform,
        lambda mean, spread: float(mean * np.exp(rng.normal(0, spread))),
    )
    restless = between(0.5, 1.3)  # an untidy hand is untidy in everything
    lifting = between(0, 0.45) if rng.random() < 0.6 else 0.0
    return HandParameters(
        x_height=lognormal(0.14, 0.13),
        slant=between(-0.12, 0.75),
        width=lognormal(1.08, 0.14),
        spacing=between(0.08, 0.42),
        ascender=lognormal(0.92, 0.22),
        descender=lognormal(0.92, 0.2),
        loop_up=between(0.15, 1.3),
        loop_down=between(0.3, 1.3),
        capital=between(0.88, 1.1),
        tension=between(0.0, 0.55),
        elastic=between(0.03, 0.1),
        lead_in=rng.choice([0.0, 0.3, 0.95]),
        late_marks=bool(rng.random() < 0.75),
        lifts=frozenset(
            c for c in string.ascii_lowercase if c not in SURE_JOINS and rng.random() < lifting
        ),
        mark_shift=between(-0.05, 0.2),
        interval=lognormal(0.182, 0.08),
        rise=rng.normal(0, 0.012),
        wobble=0.022 * restless,
        size_drift=0.035 * restless,
        slant_drift=0.035 * restless,
        base_drift=0.03 * restless,
        spacing_drift=0.05 * restless,
        tremor=0.006 * restless,
    )
