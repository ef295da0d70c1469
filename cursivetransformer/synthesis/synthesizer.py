"""Synthesis of words in a synthetic hand, joined letter to letter. `cursive synth` makes banks.

A word is laid out as control points, letter after letter. A letter's entry is left out where the
letter before it ends high. One curve goes through everything that is written without lifting, and
`kinematics` moves the pen along it.
"""

import string
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import FLAT_PROMPTS, read_lines
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.config.synthesis import SynthSettings
from cursivetransformer.render.specimen import check_sheet, save_sheet
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.glyphs import ControlStroke, Font, Glyph
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.kinematics import (
    compute_times,
    interpolate_curve,
    sample_drift,
    sample_path,
)
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import check_writable
from cursivetransformer.utils.wording import plural

# The names of the hands with the first seeds, from 1 on.
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
# The canvas of the synthetic recorder. Its pixels are round decimal fractions, which keeps banks
# small.
RECORDER_STEP = 1 / 500  # canvas heights, a pixel
ASPECT = 5  # width by height, or a multiple of that for a long word
ASPECT_MARGIN = 0.1  # canvas heights that stay free to the right of a word
RECORDER_BASELINE = 0.666
DIGITS = 4  # of a point's fractions of the canvas: all that its pixels have
JOINED_LETTERS = frozenset(string.ascii_lowercase)  # which a letter before them may join
UNJOINED_GAP = 0.14  # x-heights between letters that are not joined, beside the hand's spacing
# x-heights from the first point of a letter's entry to the start of an upstroke.
UPSTROKE_OFFSET = (-0.22, -0.3)
SCALE_WOBBLE = 1.2  # a letter's size varies by this factor of the hand's wobble


def write_word(hand: Hand, text: str, rng: np.random.Generator) -> Word:
    """Write a text in a hand, differently with every call.

    Raises:
        ValueError: for a character that no font has.
    """
    parameters = hand.parameters
    strokes = _WordLayout(hand, text, rng).lay_out()
    xy_strokes = _trace_strokes(strokes, hand, rng)
    xy = np.concatenate(xy_strokes) * parameters.x_height
    xy[:, 0] -= xy[:, 0].min()
    xy = np.round(xy / RECORDER_STEP) * RECORDER_STEP
    pen = np.ones(len(xy))
    pen[np.cumsum([len(stroke) for stroke in xy_strokes]) - 1] = 0
    return Word(text, hand.name, np.column_stack([xy, pen]).astype(np.float32))


def _trace_strokes(
    strokes: list[ControlStroke], hand: Hand, rng: np.random.Generator
) -> list[np.ndarray]:
    """Move the pen along the strokes of a word.

    Size, slant and baseline drift along the word. They are sampled once per x-height.

    Returns:
        (n, 2) recorded points of each stroke; x-heights, y down, slanted.
    """
    parameters = hand.parameters
    width = max(stroke.points[:, 0].max() for stroke in strokes)
    n_knots = max(3, int(width) + 2)
    knots = np.arange(n_knots)
    slants = parameters.slant + sample_drift(rng, n_knots, parameters.slant_drift)
    baselines = parameters.rise * knots + sample_drift(rng, n_knots, parameters.base_drift)
    log_sizes = sample_drift(rng, n_knots, parameters.size_drift)
    log_sizes = log_sizes + rng.normal(0, parameters.size_drift)
    sizes = parameters.x_height * np.exp(log_sizes)
    traced = []
    for stroke in strokes:
        path = interpolate_curve(stroke.points, stroke.corners, parameters.tension)
        points = sample_path(path, compute_times(path), parameters.interval)
        x, y = points.T
        scale = np.interp(x, knots, sizes) / parameters.x_height
        y = y * scale + np.interp(x, knots, baselines)
        x = x + y * np.interp(x, knots, slants)
        tremor = _sample_tremor(rng, len(points), parameters.tremor)
        traced.append(np.stack([x, -y], 1) + tremor)
    return traced


class _WordLayout:
    """Lays out the control points of a word. Units: x-heights, y up, without slant."""

    def __init__(self, hand: Hand, text: str, rng: np.random.Generator) -> None:
        self.hand = hand
        self.text = text
        self.rng = rng
        self.strokes: list[ControlStroke] = []  # finished ones
        self.delayed: list[ControlStroke] = []  # written after the word
        self.current: list[ControlStroke] = []  # parts of the stroke that is being written
        self.x = 0.0  # where the last letter ended
        self.exit = ""  # how it ended, as `Glyph.exit`

    def lay_out(self) -> list[ControlStroke]:
        """Return the strokes of the word in the order in which they are written."""
        parameters = self.hand.parameters
        drift = sample_drift(self.rng, len(self.text) + 1, parameters.spacing_drift)
        gaps = parameters.spacing + drift
        for i, char in enumerate(self.text):
            glyph = self.hand.glyph(char)
            if glyph is None:
                raise ValueError(f"no font has the character {char!r}")
            gap = 0.0
            if i:
                gap = gaps[i] + (0 if self.current else UNJOINED_GAP)
            can_join = char not in parameters.lifts
            joins_next = can_join and self.text[i + 1 : i + 2] in JOINED_LETTERS
            self._add_glyph(glyph, gap, joins_next)
        return self.strokes + self.delayed

    def _add_glyph(self, glyph: Glyph, gap: float, joins_next: bool) -> None:
        """Add a letter. The pen goes on to the next one if `joins_next` and there is an exit."""
        parameters = self.hand.parameters
        origin = self.x + gap
        scale = np.exp(self.rng.normal(0, SCALE_WOBBLE * parameters.wobble, 2))
        for i, stroke in enumerate(glyph.strokes):
            placed = self._place(stroke, origin, scale)
            if i == 0:
                placed = self._fit_entry(placed)
            else:
                self._lift()
            self.current.append(placed)
        end = placed.points[-1:]
        delayed = [self._place(stroke, origin, scale) for stroke in glyph.delayed]
        for stroke in delayed:
            stroke.points = stroke.points + (parameters.delayed_shift, 0)
        joins_next = joins_next and bool(glyph.exit)
        if not joins_next or (delayed and not parameters.delays_strokes):
            self._lift()
        if parameters.delays_strokes:
            self.delayed += delayed
        elif delayed:
            self.strokes += delayed
            if joins_next:  # the pen goes on from where the letter ended
                self.current.append(ControlStroke(end, np.array([False])))
        self.exit = glyph.exit
        self.x = origin + glyph.advance * scale[0]

    def _place(self, stroke: ControlStroke, origin: float, scale: np.ndarray) -> ControlStroke:
        """Move a stroke to its place in the word, and let its points wobble."""
        wobble = self.rng.normal(0, self.hand.parameters.wobble, stroke.points.shape)
        points = stroke.points * scale + (origin, 0) + wobble
        return ControlStroke(points, stroke.corners, stroke.n_entry)

    def _fit_entry(self, stroke: ControlStroke) -> ControlStroke:
        """Fit the entry of a letter's first stroke to what is before it.

        The entry stays after a low exit and is dropped after a high one. At the start of a word or
        after a lift it is dropped too, unless the hand leads in with an upstroke.
        """
        is_joined = bool(self.current)
        if not stroke.n_entry or (is_joined and self.exit != "high"):
            return stroke
        if is_joined or self.rng.random() >= self.hand.parameters.lead_in:
            return ControlStroke(stroke.points[stroke.n_entry :], stroke.corners[stroke.n_entry :])
        upstroke = stroke.points[:1] + UPSTROKE_OFFSET
        points = np.concatenate([upstroke, stroke.points])
        return ControlStroke(points, np.append(False, stroke.corners))

    def _lift(self) -> None:
        """Finish the current stroke, if there is one."""
        if self.current:
            points = np.concatenate([part.points for part in self.current])
            corners = np.concatenate([part.corners for part in self.current])
            self.strokes.append(ControlStroke(points, corners))
        self.current = []


def _sample_tremor(rng: np.random.Generator, n: int, std: float) -> np.ndarray:
    """Sample a small shaking, (n, 2), that is smooth over a few points."""
    noise = rng.normal(0, std, (n + 4, 2))
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(noise, 0)])
    return (total[5:] - total[:-5]) / np.sqrt(5)


def write_bank(prompts: Sequence[str], hands: Sequence[Hand], seed: int) -> Iterator[Word]:
    """Write the prompts, dealt out among the hands in turn.

    Each word depends only on its prompt, its place among the prompts, its hand and the seed.
    """
    for i, text in enumerate(prompts):
        hand = hands[i % len(hands)]
        word = write_word(hand, text, np.random.default_rng([seed, i]))
        width = word.points[:, 0].max() + ASPECT_MARGIN
        word.metadata.update(
            METADATA,
            faces=hand.fonts_used(text),
            writerSeed=hand.seed,
            marks=hand.marks,
            aspectRatio=ASPECT * int(np.ceil(width / ASPECT)),
            baseline=RECORDER_BASELINE,
        )
        yield word


def make_hands(
    fonts: Mapping[str, Font], n: int, first_seed: int = 1, marks: str = "auto"
) -> list[Hand]:
    """Make `n` hands with the seeds from `first_seed` on. marks: see `Hand`."""
    return [
        Hand(_hand_name(seed), seed, fonts, marks) for seed in range(first_seed, first_seed + n)
    ]


def _hand_name(seed: int) -> str:
    return NAMES[seed - 1] if 1 <= seed <= len(NAMES) else f"writer {seed}"


def save_bank(config: SynthSettings, say: Callable[[str], object] = print) -> None:
    """Write a bank, a sheet of hands, or both, as the settings say.

    Raises:
        UserError: if the settings name no output, or a font or a character is missing.
    """
    if not config.out and not config.sheet:
        raise UserError("nothing to write: give --out BANK.json.zip, or --sheet IMAGE.png, or both")
    if config.out:
        check_writable(config.out)
    if config.sheet:
        check_sheet(config.sheet)
    fonts = load_fonts(config.fonts)
    hands = make_hands(fonts, config.writers, config.first_writer, config.marks)
    prompts = read_lines(config.prompts or FLAT_PROMPTS)
    if config.words:
        prompts = [prompts[i % len(prompts)] for i in range(config.words)]
    _check_characters("".join([*prompts, config.text]), hands[0], config.fonts)
    if config.out:
        bank = write_bank(prompts, hands, config.seed)
        words = tqdm(bank, total=len(prompts), unit="word", disable=None, leave=False)
        write_entries(config.out, (word_to_entry(word, DIGITS) for word in words))
        writers = plural(len(hands), "synthetic writer")
        say(f"{config.out}: {plural(len(prompts), 'word')} by {writers}")
    if config.sheet:
        save_sheet(config.sheet, [(hand.name, _write_line(hand, config.text)) for hand in hands])
        say(f"{config.sheet}: {plural(len(hands), 'hand')}")


def _check_characters(text: str, hand: Hand, fonts: str) -> None:
    """Raise `UserError` if the fonts lack characters of a text. `fonts` is their setting."""
    missing = sorted(char for char in set(text) - {" "} if hand.glyph(char) is None)
    if missing:
        raise UserError(
            f"no font of {fonts} has {' '.join(missing)}; write without, or give another font"
        )


def _write_line(hand: Hand, text: str) -> list[np.ndarray]:
    """Write each word of a text in a hand; returns their points (n, 3)."""
    return [
        write_word(hand, word, np.random.default_rng([hand.seed, i])).points
        for i, word in enumerate(text.split())
    ]
