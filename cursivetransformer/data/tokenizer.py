"""Offsets <-> token ids, text <-> character ids. Knows the vocabulary and nothing else.

"Point, then shoot": an offset is written as its direction theta, then its radius together with the pen. With 4
directions and radii 0, 1, 2 the vocabulary would be

    id      0   1   2   3  |   4     5     6   |   7     8     9   |  10    11   12
    means   →   ↓   ←   ↑  |  0 up  1 up  2 up |  0 dn  1 dn  2 dn | WORD  END  PAD

and the ink (1, 0, 1), (0, 2, 0) - one to the right with the pen staying down, two downward, then lift - would be
    WORD  →  1dn  ↓  2up  END   =   10 0 8 1 6 11

WORD stands before every word, END after the last; PAD fills a batch and is never scored. In every tokenizer here an
offset is a fixed number of tokens, its slots, and the last slots' ids never overlap the first ones'.
"""

import unicodedata
from abc import ABC, abstractmethod

import numpy as np

from cursivetransformer.ink.strokes import offsets_to_polar

TEXT_PAD = 0  # character id of the padding of a text; characters count from 1

THETA_BINS = 220  # 1.6 degrees each
THETA_NUDGE = 1e-4  # of a bin: a diagonal lies on the edge of two (45 degrees are 27.5 bins), and goes the same way everywhere
UNIT_BINS = 161  # of dx / r and of dy / r; odd, so that 0 is a centre
LINEAR_BINS = 50  # radius bins of 1/1000 of the canvas's height, after the one around zero
LINEAR_STEP = 0.001
GEOMETRIC_BINS = 99  # from there to LARGEST_RADIUS, each 4.5% wider than the one before
LARGEST_RADIUS = 4.0


def default_radius_edges():
    """(151,) float32 edges of the radius bins: [0, .0005) decodes to 0, then linear, then geometric."""
    linear = LINEAR_STEP * (np.arange(LINEAR_BINS + 1) + 0.5)
    geometric = np.geomspace(linear[-1], LARGEST_RADIUS, GEOMETRIC_BINS + 1)[1:]
    return np.concatenate([[0.0], linear, geometric]).astype(np.float32)


class Tokenizer(ABC):
    """What all tokenizers share; a subclass says what its slots are.

    alphabet: the characters of a text, each once; radius_edges: (R + 1,) ascending, the first 0.
    """

    name = None

    def __init__(self, alphabet, radius_edges=None):
        self.alphabet = "".join(sorted(set(alphabet) | {" "}))
        self.radius_edges = (
            default_radius_edges() if radius_edges is None else np.asarray(radius_edges, np.float32)
        )
        self.radius_centers = (self.radius_edges[:-1] + self.radius_edges[1:]) / 2
        self.radius_centers[0] = 0  # a repeated point is exactly where it was
        self.n_radius = len(self.radius_centers)
        self.slot_sizes = self._slot_sizes()
        self.slot_starts = np.concatenate([[0], np.cumsum(self.slot_sizes)])
        self.word_id, self.end_id, self.pad_id = (int(self.slot_starts[-1]) + i for i in range(3))
        self._char_ids = {char: i + 1 for i, char in enumerate(self.alphabet)}

    @property
    def vocab_size(self):
        """Number of token ids."""
        return self.pad_id + 1

    @property
    def n_slots(self):
        """Tokens of one offset."""
        return len(self.slot_sizes)

    @property
    def n_chars(self):
        """Number of character ids, the padding counted in."""
        return len(self.alphabet) + 1

    def extended(self, text):
        """A tokenizer with the same bins that knows the characters of `text` too; itself where it knows them all."""
        return (
            type(self)(self.alphabet + text, self.radius_edges)
            if set(text) - set(self.alphabet)
            else self
        )

    def slot_mask(self):
        """(slots, vocab_size) booleans: which ids may stand in each slot; WORD and END may take the first one's place."""
        mask = np.zeros((self.n_slots, self.vocab_size), bool)
        for slot in range(self.n_slots):
            mask[slot, self.slot_starts[slot] : self.slot_starts[slot + 1]] = True
        mask[0, [self.word_id, self.end_id]] = True
        return mask

    def encode_offsets(self, offsets):
        """(n, 3) offsets -> ((n, slots) int64 token ids, how many radii lay past the last bin and were clamped)."""
        polar = offsets_to_polar(offsets)
        r, pen = polar[:, 0], polar[:, 2]
        radius = np.searchsorted(self.radius_edges, r, side="right") - 1
        clamped = int(np.count_nonzero(radius >= self.n_radius))
        radius_pen = np.minimum(radius, self.n_radius - 1) + self.n_radius * (pen > 0)
        slots = self.slots(offsets[:, 0], offsets[:, 1], r, polar[:, 1], radius_pen)
        return np.stack(slots, axis=1).astype(np.int64) + self.slot_starts[:-1], clamped

    def decode_offsets(self, tokens):
        """(n, slots) token ids -> (n, 3) float32 offsets, each the centre of its bins. Raises `ValueError`."""
        local = np.asarray(tokens).reshape(-1, self.n_slots) - self.slot_starts[:-1]
        if ((local < 0) | (local >= self.slot_sizes)).any():
            raise ValueError("a token stands in a slot that is not its own")
        cos, sin, radius_pen = self._directions(local)
        r = self.radius_centers[radius_pen % self.n_radius]
        return np.stack([r * cos, r * sin, radius_pen // self.n_radius], axis=1).astype(np.float32)

    def ink_table(self):
        """(vocab_size, 4) float32: what each id adds to its offset as (x, y, radius, pen), the sum of x and y being its direction.

        WORD, END and PAD add nothing. So an offset is radius * (x, y) / |(x, y)| of the sum over its tokens.
        """
        table = np.zeros((self.vocab_size, 4), np.float32)
        for slot, (start, size) in enumerate(zip(self.slot_starts, self.slot_sizes)):
            table[start : start + size] = self._slot_table(slot)
        return table

    def encode_words(self, words):
        """A list of (n, 3) offsets -> WORD word WORD word ... END as one int64 array."""
        parts = [np.append(self.word_id, self.encode_offsets(offsets)[0]) for offsets in words]
        return np.concatenate(parts + [[self.end_id]])

    def decode_words(self, tokens):
        """The opposite of `encode_words`; what follows END, and an offset that is cut short, is left out."""
        tokens = np.asarray(tokens)
        ends = np.flatnonzero(tokens == self.end_id)
        tokens = tokens[: ends[0]] if len(ends) else tokens
        starts = np.flatnonzero(tokens == self.word_id)
        parts = np.split(tokens, starts)[1:]
        return [
            self.decode_offsets(part[1 : 1 + (len(part) - 1) // self.n_slots * self.n_slots])
            for part in parts
        ]

    def error_bound(self, offsets):
        """(n,) largest distance that encoding and decoding may move each offset that is not clamped.

        With r in a bin of centre c and a direction that turns by at most a, |r u - c u'| <= |r - c| + 2 r sin(a / 2).
        """
        r = np.hypot(offsets[:, 0], offsets[:, 1])
        radius = np.clip(
            np.searchsorted(self.radius_edges, r, side="right") - 1, 0, self.n_radius - 1
        )
        return np.abs(r - self.radius_centers[radius]) + 2 * r * np.sin(self._largest_turn() / 2)

    def encode_text(self, text):
        """Text -> int64 character ids. Raises `KeyError` with the first character that is not in the alphabet."""
        return np.array([self._char_ids[char] for char in text], np.int64)

    def unknown_characters(self, text):
        """The characters of `text` that the alphabet lacks, each once, in order of appearance."""
        return "".join(dict.fromkeys(char for char in text if char not in self._char_ids))

    def state(self):
        """All of it as plain values, for a checkpoint."""
        return {
            "name": self.name,
            "alphabet": self.alphabet,
            "radius_edges": [float(e) for e in self.radius_edges],
            "slot_sizes": [int(n) for n in self.slot_sizes],
        }

    @abstractmethod
    def _slot_sizes(self):
        """Number of ids of each slot."""

    @abstractmethod
    def slots(self, dx, dy, r, theta, radius_pen):
        """One array (n,) of whole numbers for each slot, its ids counted from 0; radius_pen: the id of radius and pen.

        Written with operators and methods alone, so that it serves NumPy's arrays and torch's tensors alike.
        """

    @abstractmethod
    def _slot_table(self, slot):
        """(ids, 4) rows of `ink_table`."""

    def _radius_table(self):
        r, pen = np.tile(self.radius_centers, 2), np.repeat([0, 1], self.n_radius)
        return np.column_stack([0 * r, 0 * r, r, pen])

    @abstractmethod
    def _directions(self, local):
        """(n, slots) ids counted from 0 -> cosine, sine and the id of radius and pen, each (n,)."""

    @abstractmethod
    def _largest_turn(self):
        """By how much, in radians, a decoded direction may differ from the true one."""


class PolarTokenizer(Tokenizer):
    """theta, then radius and pen. Bin k of theta is centred on 2 pi k / N, so -pi and pi fall into one bin."""

    name = "polar"
    theta_slot, radius_slot = 0, 1

    def _slot_sizes(self):
        sizes = [0, 0]
        sizes[self.theta_slot], sizes[self.radius_slot] = THETA_BINS, 2 * self.n_radius
        return np.array(sizes)

    def slots(self, dx, dy, r, theta, radius_pen):
        bins = (theta * (THETA_BINS / (2 * np.pi)) + THETA_NUDGE).round()
        slots = [None, None]
        slots[self.theta_slot], slots[self.radius_slot] = bins + THETA_BINS * (bins < 0), radius_pen
        return slots

    def _slot_table(self, slot):
        if slot == self.radius_slot:
            return self._radius_table()
        theta = np.arange(THETA_BINS) * (2 * np.pi / THETA_BINS)
        return np.column_stack([np.cos(theta), np.sin(theta), 0 * theta, 0 * theta])

    def _directions(self, local):
        theta = local[:, self.theta_slot] * (2 * np.pi / THETA_BINS)
        return np.cos(theta), np.sin(theta), local[:, self.radius_slot]

    def _largest_turn(self):
        return (0.5 + THETA_NUDGE) * 2 * np.pi / THETA_BINS


class ShootThenPointTokenizer(PolarTokenizer):
    """Radius and pen, then theta."""

    name = "shoot_then_point"
    theta_slot, radius_slot = 1, 0


class CartesianTokenizer(Tokenizer):
    """dx / r, dy / r, then radius and pen: three tokens an offset."""

    name = "cartesian"

    def _slot_sizes(self):
        return np.array([UNIT_BINS, UNIT_BINS, 2 * self.n_radius])

    def slots(self, dx, dy, r, theta, radius_pen):
        length = r + 1e-12  # of a point that stays where it is
        half = (UNIT_BINS - 1) / 2
        return [((dx / length + 1) * half).round(), ((dy / length + 1) * half).round(), radius_pen]

    def _slot_table(self, slot):
        if slot == 2:
            return self._radius_table()
        table = np.zeros((UNIT_BINS, 4))
        table[:, slot] = np.arange(UNIT_BINS) * (2 / (UNIT_BINS - 1)) - 1
        return table

    def _directions(self, local):
        dx, dy = (local[:, :2] * (2 / (UNIT_BINS - 1)) - 1).T
        length = np.maximum(np.hypot(dx, dy), 1e-12)
        return dx / length, dy / length, local[:, 2]

    def _largest_turn(self):
        # The corner of a square bin, seen from a vector of length at least 1 - that.
        corner = np.sqrt(2) / (UNIT_BINS - 1)
        return np.arcsin(corner / (1 - corner))


TOKENIZERS = {
    cls.name: cls for cls in (PolarTokenizer, ShootThenPointTokenizer, CartesianTokenizer)
}


def make_tokenizer(name, alphabet):
    """A new tokenizer by its name, with the default bins."""
    return TOKENIZERS[name](alphabet)


def tokenizer_from_state(state):
    """The tokenizer that `Tokenizer.state` described. Raises `ValueError` where this version has other bins."""
    tokenizer = TOKENIZERS[state["name"]](state["alphabet"], state["radius_edges"])
    if list(tokenizer.slot_sizes) != list(state["slot_sizes"]):
        raise ValueError(
            f"tokenizer {state['name']!r} has {state['slot_sizes']} ids a slot, "
            f"this version {tokenizer.slot_sizes.tolist()}"
        )
    return tokenizer


# Typed by word processors, written by hand like their plain neighbours.
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": ",",
        "‛": "'",
        "′": "'",
        "`": "'",
        "´": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "‟": '"',
        "″": '"',
        "«": '"',
        "»": '"',
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
        "\u00a0": " ",
        "\u202f": " ",
        "\u00ad": None,
    }
)


def fold_text(text, alphabet):
    """`text` in NFC, with typographic quotes, dashes, ellipses and spaces made plain unless `alphabet` has them."""
    text = unicodedata.normalize("NFC", text)
    return "".join(char if char in alphabet else char.translate(_PLAIN) for char in text)
