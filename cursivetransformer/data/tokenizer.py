"""Tokenizers: offsets to token ids and back, texts to character ids.

"Point, then shoot": an offset is written as its direction theta, then its radius together with
the pen. With 4 directions and radii 0, 1, 2 the vocabulary would be

    id      0   1   2   3  |   4     5     6   |   7     8     9   |  10    11   12
    means   →   ↓   ←   ↑  |  0 up  1 up  2 up |  0 dn  1 dn  2 dn | WORD  END  PAD

and the ink (1, 0, 1), (0, 2, 0) - one to the right with the pen staying down, two downward, then
lift - would be
    WORD  →  1dn  ↓  2up  END   =   10 0 8 1 6 11

WORD stands before every word, END after the last; PAD fills a batch and is never scored. Every
tokenizer writes an offset as a fixed number of tokens, one for each of its slots. Each slot has
its own range of ids.
"""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from cursivetransformer.ink.strokes import offsets_to_polar
from cursivetransformer.utils.schema import Count, Number

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

TEXT_PAD = 0  # character id of the padding of a text; characters count from 1

THETA_BINS = 220  # 1.6 degrees each
# In bins, added before rounding. A diagonal lies on the boundary of two bins (45 degrees are 27.5
# bins), where a rounding error of the angle would decide. With it, all diagonals in one direction
# get the same bin.
THETA_NUDGE = 1e-4
UNIT_BINS = 161  # of dx / r and of dy / r; odd, so that 0 is a center
LINEAR_BINS = 50  # radius bins of width LINEAR_STEP, after the one around zero
LINEAR_STEP = 0.001  # canvas heights
GEOMETRIC_BINS = 99  # from there to MAX_RADIUS, each 4.5% wider than the one before
MAX_RADIUS = 4.0  # canvas heights
MAX_EDGE = 1e3  # canvas heights, of the bins of a stored tokenizer


def default_radius_edges() -> np.ndarray:
    """Return the edges of the radius bins, (151,) float32.

    The bin [0, 0.0005) decodes to 0. Linear bins follow, then geometric ones.
    """
    linear = LINEAR_STEP * (np.arange(LINEAR_BINS + 1) + 0.5)
    geometric = np.geomspace(linear[-1], MAX_RADIUS, GEOMETRIC_BINS + 1)[1:]
    return np.concatenate([[0.0], linear, geometric]).astype(np.float32)


class Tokenizer(ABC):
    """Base class of the tokenizers. A subclass defines the slots of an offset.

    Attributes:
        name: the value of the setting `tokenizer`.
        alphabet: the characters of texts, sorted, with the space.
        radius_edges: (R + 1,) float32 edges of the radius bins.
        radius_centers: (R,) float32 radius that each bin decodes to.
        n_radius: R, the number of radius bins.
        slot_sizes: (slots,) number of ids of each slot.
        slot_starts: (slots + 1,) first id of each slot, and the id after the last slot's.
        word_id, end_id, pad_id: ids of WORD, END and PAD.
    """

    name: ClassVar[str]

    def __init__(
        self, alphabet: Iterable[str], radius_edges: np.ndarray | Sequence[float] | None = None
    ) -> None:
        """Derive the vocabulary.

        Args:
            alphabet: characters in any order; repeated ones and a missing space do not matter.
            radius_edges: ascending, the first one 0; None for the default.
        """
        self.alphabet = "".join(sorted(set(alphabet) | {" "}))
        if radius_edges is None:
            radius_edges = default_radius_edges()
        self.radius_edges = np.asarray(radius_edges, np.float32)
        self.radius_centers = (self.radius_edges[:-1] + self.radius_edges[1:]) / 2
        self.radius_centers[0] = 0  # a repeated point stays exactly where it was
        self.n_radius = len(self.radius_centers)
        self.slot_sizes = self._slot_sizes()
        self.slot_starts = np.concatenate([[0], np.cumsum(self.slot_sizes)])
        self.word_id = int(self.slot_starts[-1])
        self.end_id = self.word_id + 1
        self.pad_id = self.word_id + 2
        self._char_ids = {char: i + 1 for i, char in enumerate(self.alphabet)}

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.pad_id + 1

    @property
    def n_slots(self) -> int:
        """Number of tokens of one offset."""
        return len(self.slot_sizes)

    @property
    def n_chars(self) -> int:
        """Number of character ids, including TEXT_PAD."""
        return len(self.alphabet) + 1

    def extended(self, text: str) -> "Tokenizer":
        """Return a tokenizer with the same bins whose alphabet has the characters of `text` too.

        It is this tokenizer if the alphabet has them all.
        """
        if set(text) <= set(self.alphabet):
            return self
        return type(self)(self.alphabet + text, self.radius_edges)

    def slot_mask(self) -> np.ndarray:
        """Return which ids are allowed in each slot, (slots, vocab_size) booleans.

        WORD and END are allowed in the first slot.
        """
        mask = np.zeros((self.n_slots, self.vocab_size), bool)
        for slot in range(self.n_slots):
            mask[slot, self.slot_starts[slot] : self.slot_starts[slot + 1]] = True
        mask[0, [self.word_id, self.end_id]] = True
        return mask

    def encode_offsets(self, offsets: np.ndarray) -> tuple[np.ndarray, int]:
        """Encode offsets, (n, 3).

        Returns:
            Token ids, (n, slots) int64, and the number of radii beyond the last bin, which are
            clamped to it.
        """
        polar = offsets_to_polar(offsets)
        r, theta, pen = polar[:, 0], polar[:, 1], polar[:, 2]
        radius = self._radius_bins(r)
        n_clamped = int(np.count_nonzero(radius >= self.n_radius))
        radius_pen = np.minimum(radius, self.n_radius - 1) + self.n_radius * (pen > 0)
        slots = self.slots(offsets[:, 0], offsets[:, 1], r, theta, radius_pen)
        return np.stack(slots, axis=1).astype(np.int64) + self.slot_starts[:-1], n_clamped

    def decode_offsets(self, tokens: np.ndarray) -> np.ndarray:
        """Decode token ids, (n, slots), to the centers of their bins, (n, 3) float32 offsets.

        Raises:
            ValueError: a token is not allowed in its slot.
        """
        local = np.asarray(tokens).reshape(-1, self.n_slots) - self.slot_starts[:-1]
        if ((local < 0) | (local >= self.slot_sizes)).any():
            raise ValueError("a token stands in a slot that is not its own")
        cos, sin, radius_pen = self._directions(local)
        r = self.radius_centers[radius_pen % self.n_radius]
        return np.stack([r * cos, r * sin, radius_pen // self.n_radius], axis=1).astype(np.float32)

    def ink_table(self) -> np.ndarray:
        """Return what each token contributes to its offset, (vocab_size, 4) float32.

        The columns are x, y, radius, pen. An offset is radius * (x, y) / |(x, y)| of the sum over
        its tokens. WORD, END and PAD contribute nothing.
        """
        table = np.zeros((self.vocab_size, 4), np.float32)
        for slot, (start, size) in enumerate(zip(self.slot_starts, self.slot_sizes)):
            table[start : start + size] = self._slot_table(slot)
        return table

    def encode_words(self, words: Iterable[np.ndarray]) -> np.ndarray:
        """Encode words, each (n, 3) offsets, as WORD word WORD word ... END, (T,) int64."""
        parts = [np.append(self.word_id, self.encode_offsets(offsets)[0]) for offsets in words]
        return np.concatenate([*parts, [self.end_id]])

    def decode_words(self, tokens: np.ndarray | Sequence[int]) -> list[np.ndarray]:
        """Decode the tokens of `encode_words`.

        Tokens after END, and those of an incomplete offset, are ignored.
        """
        tokens = np.asarray(tokens)
        ends = np.flatnonzero(tokens == self.end_id)
        if len(ends):
            tokens = tokens[: ends[0]]
        words = []
        for part in np.split(tokens, np.flatnonzero(tokens == self.word_id))[1:]:
            n_offsets = (len(part) - 1) // self.n_slots
            words.append(self.decode_offsets(part[1 : 1 + n_offsets * self.n_slots]))
        return words

    def error_bound(self, offsets: np.ndarray) -> np.ndarray:
        """Bound the distance by which encoding and decoding moves each offset, (n,).

        With r in a bin of center c and a direction u that turns to u' by at most a,
        |r u - c u'| <= |r - c| + 2 r sin(a / 2). Does not hold for clamped offsets.
        """
        r = np.hypot(offsets[:, 0], offsets[:, 1])
        radius = np.clip(self._radius_bins(r), 0, self.n_radius - 1)
        return np.abs(r - self.radius_centers[radius]) + 2 * r * np.sin(self._max_turn() / 2)

    def encode_text(self, text: str) -> np.ndarray:
        """Return the int64 character ids of a text.

        Raises:
            KeyError: with the first character that is not in the alphabet.
        """
        return np.array([self._char_ids[char] for char in text], np.int64)

    def unknown_characters(self, text: str) -> str:
        """Return the characters of `text` that the alphabet lacks, once each, in order."""
        return "".join(dict.fromkeys(char for char in text if char not in self._char_ids))

    def state(self) -> "TokenizerState":
        """Return all that `tokenizer_from_state` needs."""
        edges = [float(edge) for edge in self.radius_edges]
        return TokenizerState(self.name, self.alphabet, edges, self.slot_sizes.tolist())

    def _radius_bins(self, r: np.ndarray) -> np.ndarray:
        """Return the bin of each radius; `n_radius` or more beyond the last one."""
        return np.searchsorted(self.radius_edges, r, side="right") - 1

    def _radius_table(self) -> np.ndarray:
        """Return the rows of `ink_table` of the slot of radius and pen."""
        r, pen = np.tile(self.radius_centers, 2), np.repeat([0, 1], self.n_radius)
        return np.column_stack([0 * r, 0 * r, r, pen])

    @abstractmethod
    def _slot_sizes(self) -> np.ndarray:
        """Return the number of ids of each slot."""

    @abstractmethod
    def slots(self, dx: Array, dy: Array, r: Array, theta: Array, radius_pen: Array) -> list[Array]:
        """Return the ids of each slot, counted from 0, as one array (n,) of whole numbers.

        Implementations use only operators and methods that NumPy arrays and torch tensors share.

        Args:
            dx: (n,) offsets in x.
            dy: (n,) offsets in y.
            r: (n,) their lengths.
            theta: (n,) their directions in radians.
            radius_pen: (n,) radius bin, plus `n_radius` if the pen stays down.
        """

    @abstractmethod
    def _slot_table(self, slot: int) -> np.ndarray:
        """Return the rows of `ink_table` of a slot, (ids, 4)."""

    @abstractmethod
    def _directions(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return cosine, sine, and the id of radius and pen, (n,) each.

        Args:
            local: (n, slots) ids, counted from 0 in each slot.
        """

    @abstractmethod
    def _max_turn(self) -> float:
        """Return the largest angle, in radians, between a direction and its decoded one."""


class PolarTokenizer(Tokenizer):
    """Theta, then radius and pen.

    Bin k of theta is centered on 2 pi k / THETA_BINS, so -pi and pi fall into one bin.
    """

    name = "polar"
    theta_slot, radius_slot = 0, 1

    def _slot_sizes(self) -> np.ndarray:
        sizes = [0, 0]
        sizes[self.theta_slot] = THETA_BINS
        sizes[self.radius_slot] = 2 * self.n_radius
        return np.array(sizes)

    def slots(self, dx: Array, dy: Array, r: Array, theta: Array, radius_pen: Array) -> list[Array]:
        bins = (theta * (THETA_BINS / (2 * np.pi)) + THETA_NUDGE).round()
        # Negative angles take the upper half of the bins.
        theta_bins = bins + THETA_BINS * (bins < 0)
        return [theta_bins, radius_pen] if self.theta_slot == 0 else [radius_pen, theta_bins]

    def _slot_table(self, slot: int) -> np.ndarray:
        if slot == self.radius_slot:
            return self._radius_table()
        theta = np.arange(THETA_BINS) * (2 * np.pi / THETA_BINS)
        return np.column_stack([np.cos(theta), np.sin(theta), 0 * theta, 0 * theta])

    def _directions(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        theta = local[:, self.theta_slot] * (2 * np.pi / THETA_BINS)
        return np.cos(theta), np.sin(theta), local[:, self.radius_slot]

    def _max_turn(self) -> float:
        return (0.5 + THETA_NUDGE) * 2 * np.pi / THETA_BINS


class ShootThenPointTokenizer(PolarTokenizer):
    """Radius and pen, then theta."""

    name = "shoot_then_point"
    theta_slot, radius_slot = 1, 0


class CartesianTokenizer(Tokenizer):
    """dx / r, dy / r, then radius and pen: three tokens per offset."""

    name = "cartesian"

    def _slot_sizes(self) -> np.ndarray:
        return np.array([UNIT_BINS, UNIT_BINS, 2 * self.n_radius])

    def slots(self, dx: Array, dy: Array, r: Array, theta: Array, radius_pen: Array) -> list[Array]:
        length = r + 1e-12  # for repeated points, where r is 0
        half = (UNIT_BINS - 1) / 2
        return [((dx / length + 1) * half).round(), ((dy / length + 1) * half).round(), radius_pen]

    def _slot_table(self, slot: int) -> np.ndarray:
        if slot == 2:
            return self._radius_table()
        table = np.zeros((UNIT_BINS, 4))
        table[:, slot] = np.arange(UNIT_BINS) * (2 / (UNIT_BINS - 1)) - 1
        return table

    def _directions(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dx, dy = (local[:, :2] * (2 / (UNIT_BINS - 1)) - 1).T
        length = np.maximum(np.hypot(dx, dy), 1e-12)
        return dx / length, dy / length, local[:, 2]

    def _max_turn(self) -> float:
        # Decoding moves a unit vector by at most half the diagonal of its square bin, so the
        # decoded vector is at least 1 - half_diagonal long.
        half_diagonal = np.sqrt(2) / (UNIT_BINS - 1)
        return np.arcsin(half_diagonal / (1 - half_diagonal))


TOKENIZERS: dict[str, type[Tokenizer]] = {
    cls.name: cls for cls in (PolarTokenizer, ShootThenPointTokenizer, CartesianTokenizer)
}


def make_tokenizer(name: str, alphabet: Iterable[str]) -> Tokenizer:
    """Make a tokenizer with the default bins."""
    return TOKENIZERS[name](alphabet)


@dataclass
class TokenizerState:
    """The attributes of a `Tokenizer` that a checkpoint stores."""

    name: str
    alphabet: str
    radius_edges: list[Number]
    slot_sizes: list[Count]


def tokenizer_from_state(state: TokenizerState) -> Tokenizer:
    """Make the tokenizer whose `Tokenizer.state` this is.

    Raises:
        ValueError: no tokenizer is like this, or this version of the program has other bins.
    """
    if state.name not in TOKENIZERS:
        raise ValueError(f"tokenizer.name is not one of {', '.join(TOKENIZERS)}")
    edges = np.asarray(state.radius_edges)
    if len(edges) < 3 or edges[0] != 0 or (np.diff(edges) <= 0).any() or edges[-1] > MAX_EDGE:
        raise ValueError("tokenizer.radius_edges do not ascend from 0")
    tokenizer = TOKENIZERS[state.name](state.alphabet, edges)
    if tokenizer.alphabet != state.alphabet:
        raise ValueError("tokenizer.alphabet is not sorted, or lacks the space")
    if list(tokenizer.slot_sizes) != state.slot_sizes:
        raise ValueError(
            f"tokenizer {state.name!r} has {tokenizer.slot_sizes.tolist()} ids a slot in this "
            "version, tokenizer.slot_sizes says otherwise"
        )
    return tokenizer


# Characters that word processors insert, and the plain ones that are written by hand alike.
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


def fold_text(text: str, alphabet: Collection[str]) -> str:
    """Normalize `text` to NFC, and make typographic characters plain.

    These are quotes, dashes, ellipses and spaces. Those in `alphabet` stay.
    """
    text = unicodedata.normalize("NFC", text)
    return "".join(char if char in alphabet else char.translate(_PLAIN) for char in text)
