"""A synthetic pen: writes words as a hand would, joined letter to letter. `cursive synth` makes a bank of them.

A word is laid as control points, each letter's after the letter before, with what leads in left out where that one ends high;
one curve goes through all that is written without lifting, and `motion` moves a pen along it.
"""

import string

import numpy as np
from tqdm import tqdm

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import PROMPTS, read_lines
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.render.specimen import save_sheet
from cursivetransformer.synthesis import kinematics as motion
from cursivetransformer.synthesis.fonts import load_faces
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.utils.errors import UserError

NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dov",
    "Edith",
    "Finn",
    "Greta",
    "Hugo",
    "Iris",
    "Jonas",
    "Kaya",
    "Leo",
)
METADATA = {
    "synthetic": True,
    "source": "cursivetransformer.synth: written by a program, in the hand of no person",
}
# The canvas of the synthetic recorder: its pixels are round decimal fractions of it, which keeps banks small.
RECORDER_STEP = 1 / 500  # canvas heights, a pixel
ASPECT = 5  # width by height, or a multiple of that for a long word
RECORDER_BASELINE = 0.666
JOINED = frozenset(string.ascii_lowercase)  # what a letter goes over into
DIGITS = 4  # of a point's fractions of the canvas: all that its pixels have
APART = 0.14  # between letters that are not joined, beside the hand's spacing
LEAD_IN = (-0.22, -0.3)  # of an upstroke's start from the first point of a letter's way in


def write_word(writer, text, rng):
    """The ink of `text` in a writer's hand, as a `bank_entry.Word`; another writing of it with every call. Raises ValueError for a
    character that no face has."""
    h = writer.habits
    runs, finished = _lay_out(writer, text, rng), []
    knots = max(
        3, int(max(points[:, 0].max() for points, _ in runs)) + 2
    )  # one for each x-height of the word
    slant = h.slant + motion.drift(rng, knots, h.slant_drift)
    base = h.rise * np.arange(knots) + motion.drift(rng, knots, h.base_drift)
    size = h.x_height * np.exp(motion.drift(rng, knots, h.size_drift) + rng.normal(0, h.size_drift))
    for points, corner in runs:
        path = motion.curve(points, corner, h.tension)
        at = motion.sample(path, motion.times(path), h.interval)
        x, y = at.T
        where = np.arange(knots)
        y = y * (np.interp(x, where, size) / h.x_height) + np.interp(x, where, base)
        x = x + y * np.interp(x, where, slant)
        finished.append(np.stack([x, -y], 1) + _tremor(rng, len(at), h.tremor))
    xy = np.concatenate(finished) * h.x_height
    xy[:, 0] -= xy[:, 0].min()
    xy = np.round(xy / RECORDER_STEP) * RECORDER_STEP
    pen = np.ones(len(xy))
    pen[np.cumsum([len(part) for part in finished]) - 1] = 0
    return Word(text, writer.name, np.column_stack([xy, pen]).astype(np.float32))


class _Pen:
    """The runs of one word so far, and the one that the pen is in: control points with their corners."""

    def __init__(self):
        self.runs, self.pieces = [], []

    @property
    def down(self):
        return bool(self.pieces)

    def draw(self, points, corner):
        self.pieces.append((points, corner))

    def lift(self):
        if self.pieces:
            self.runs.append(tuple(np.concatenate(part) for part in zip(*self.pieces)))
        self.pieces = []


def _lay_out(writer, text, rng):
    """Control points and corners of every run of the pen, in the order in which they are written; x-heights, y up, upright."""
    h, pen, waiting = writer.habits, _Pen(), []
    x, before = 0.0, ""  # where the last letter ended, and how
    gaps = h.spacing + motion.drift(rng, len(text) + 1, h.spacing_drift)
    for i, char in enumerate(text):
        glyph, joined = writer.glyph(char), pen.down
        if glyph is None:
            raise ValueError(f"no face has the character {char!r}")
        origin = x + (gaps[i] + (0 if joined else APART) if i else 0)
        scale = np.exp(rng.normal(0, 1.2 * h.wobble, 2))
        for number, run in enumerate(glyph.runs):
            points, corner = _placed(run, origin, scale, h, rng), run.corner
            if number == 0:
                points, corner = _led_in(points, corner, run.way_in, joined, before, h, rng)
            else:
                pen.lift()
            pen.draw(points, corner)
        marks = [
            (_placed(run, origin, scale, h, rng) + (h.mark_shift, 0), run.corner)
            for run in glyph.late
        ]
        goes_on = glyph.exit and char not in h.lifts and text[i + 1 : i + 2] in JOINED
        if not goes_on or (marks and not h.late_marks):
            pen.lift()
        if h.late_marks:
            waiting += marks
        elif marks:
            pen.runs += marks
            if goes_on:  # from where the letter ended
                pen.draw(points[-1:], np.array([False]))
        before = glyph.exit
        x = origin + glyph.advance * scale[0]
    return pen.runs + waiting


def _placed(run, origin, scale, h, rng):
    """The points of a run where they stand in the word, a little otherwise each time."""
    return run.points * scale + (origin, 0) + rng.normal(0, h.wobble, run.points.shape)


def _led_in(points, corner, way_in, joined, before, h, rng):
    """A letter's first run with its way in, or without it after a high end, or at the start of a word, where a hand may add an upstroke."""
    if not way_in or (joined and before != "high"):
        return points, corner
    if joined or rng.random() >= h.lead_in:
        return points[way_in:], corner[way_in:]
    return np.concatenate([points[:1] + LEAD_IN, points]), np.append(False, corner)


def _tremor(rng, n, amount):
    """(n, 2) small shaking, smooth over a few points."""
    noise = rng.normal(0, amount, (n + 4, 2))
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(noise, 0)])
    return (total[5:] - total[:-5]) / np.sqrt(5)


def write_bank(prompts, writers, seed):
    """Words of `prompts`, dealt out among `writers` in turn; each depends only on its place, its writer and the seed."""
    for i, text in enumerate(prompts):
        writer = writers[i % len(writers)]
        word = write_word(writer, text, np.random.default_rng([seed, i]))
        aspect = ASPECT * int(np.ceil((word.points[:, 0].max() + 0.1) / ASPECT))
        word.metadata.update(
            METADATA,
            faces=writer.faces_used(text),
            writerSeed=writer.seed,
            marks=writer.marks,
            aspectRatio=aspect,
            baseline=RECORDER_BASELINE,
        )
        yield word


def make_writers(faces, n, first_seed=1, marks="auto"):
    """`n` writers with the seeds from `first_seed` on, named after people as far as there are names. marks: as the setting."""
    return [
        Hand(NAMES[seed - 1] if 1 <= seed <= len(NAMES) else f"writer {seed}", seed, faces, marks)
        for seed in range(first_seed, first_seed + n)
    ]


def save_bank(config, say=print):
    """Write what `config` (a `SynthSettings`) asks for: a bank, a sheet of hands, or both. Raises `UserError`."""
    if not config.out and not config.sheet:
        raise UserError(
            "nothing to write: give --out BANK.json.zip, or --sheet PICTURE.png, or both"
        )
    faces = load_faces(config.fonts)
    writers = make_writers(faces, config.writers, config.first_writer, config.marks)
    prompts = read_lines(config.prompts or PROMPTS)
    if config.words:
        prompts = [prompts[i % len(prompts)] for i in range(config.words)]
    lacking = sorted(
        {
            char
            for char in "".join(prompts + [config.text])
            if char != " " and writers[0].glyph(char) is None
        }
    )
    if lacking:
        raise UserError(
            f"no face of {config.fonts} has {' '.join(lacking)}; write without, or give another face"
        )
    if config.out:
        words = tqdm(
            write_bank(prompts, writers, config.seed),
            total=len(prompts),
            unit="word",
            disable=None,
            leave=False,
        )
        write_entries(config.out, (word_to_entry(word, DIGITS) for word in words))
        say(f"{config.out}: {len(prompts)} words by {len(writers)} synthetic writers")
    if config.sheet:
        save_sheet(config.sheet, [(writer.name, _line(writer, config.text)) for writer in writers])
        say(f"{config.sheet}: {len(writers)} hands")


def _line(writer, text):
    """The words of a text in a writer's hand, each writing its own."""
    return [
        write_word(writer, word, np.random.default_rng([writer.seed, i])).points
        for i, word in enumerate(text.split())
    ]
