"""How the letters of a hand stand on the baseline and how far apart they are.

A recognizer tells what a word says, not whether a letter floats above the line or a word falls
apart. That is judged here, against what is usual in the same hand. A letter has the ink that is
nearer to its center than to the next one's. Lengths are in x-heights. Does not depend on a model.
"""

import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cursivetransformer.ink.measures import estimate_x_height, resample_evenly
from cursivetransformer.ink.strokes import split_strokes
from cursivetransformer.utils.schema import Count, Number, Positive

# Characters that stand on the baseline in most hands. What a hand rarely wrote is expected there.
STANDING = "ABCDEFGHIKLMNOPRSTUVWX" + "abcdehiklmnorstuvwx" + string.digits + "!?"
MIN_TIMES = 3  # that a character was written, for its height to be known
MIN_PAIRS = 20  # of a kind that were written, for their gaps to be known
# Times that the usual height of standing characters counts beside a character's own.
PRIOR_TIMES = 2
# Robust standard deviations of its height that a character may be off, and bounds of this.
# In a real bank the letters that stand vary by 0.06, and those with a tail by 0.15.
MAX_DEVIATIONS = 4.0
MIN_TOLERANCE, MAX_TOLERANCE = 0.2, 0.8
ROBUST_STD = 1.4826  # standard deviations in a median absolute deviation of normal values
TAIL = 0.4  # below the baseline: a letter whose ink ends there has a tail
PRIOR_LETTERS = 1.0  # of a word that are taken to stand on the line, beside its own
# The gap that is wide for pairs of a kind, as a quantile, and how much wider one may be.
WIDE_QUANTILE, GAP_TOLERANCE = 0.98, 0.1
UNKNOWN_GAP = 0.6  # that is wide for pairs of a kind that the hand hardly wrote
KINDS = ((str.islower, "small"), (str.isupper, "capital"), (str.isdigit, "digit"))

Ink = np.ndarray  # (n, 3) points


@dataclass(frozen=True)
class Bottom:
    """Where the ink of a character ends below the baseline.

    times: how often it was written; usual: the median; spread: a robust standard deviation.
    """

    times: int
    usual: float
    spread: float


@dataclass(frozen=True)
class Standing:
    """How a word stands.

    faults: letters off the line, and pairs that fall apart; low: how far the whole word stands
    below its line, in canvas heights, as far as its letters are not expected to.
    """

    faults: tuple[str, ...] = ()
    low: float = 0.0


@dataclass(frozen=True)
class StanceValues:
    """The types of the plain values of a `Stance` in a file.

    bottoms: the times, the usual place and the spread of each `Bottom`.
    """

    x_height: Positive
    bottoms: dict[str, tuple[Count, Number, Number]]
    wide_gaps: dict[str, Number]


@dataclass(frozen=True)
class Stance:
    """What is usual in a hand.

    x_height: in canvas heights; bottoms: of characters; wide_gaps: by the kinds of both characters.
    """

    x_height: float
    bottoms: dict[str, Bottom]
    wide_gaps: dict[str, float]

    @classmethod
    def from_words(
        cls,
        inks: Sequence[Ink],
        texts: Sequence[str],
        centers: Sequence[np.ndarray | None],
        x_height: float | None = None,
    ) -> "Stance | None":
        """Measure a hand; None where no word tells its x-height.

        Args:
            inks: the points (n, 3) of each word.
            texts: their texts.
            centers: x of each word's characters, as `Recognizer.align` returns them; a word without
                them is left out.
            x_height: in canvas heights; by default, that of the inks.
        """
        x_height = x_height or estimate_x_height(inks, texts)
        if not x_height:
            return None
        bottoms: dict[str, list[float]] = defaultdict(list)
        gaps: dict[str, list[float]] = defaultdict(list)
        for points, text, at in zip(inks, texts, centers):
            if at is None or not len(points):
                continue
            letters = _Letters(points, text, at, x_height)
            for i, char in enumerate(text):
                if np.isfinite(letters.bottoms[i]):
                    bottoms[char].append(float(letters.bottoms[i]))
            for kind, gap in letters.gaps():
                gaps[kind].append(gap)
        return cls(
            float(x_height),
            {char: _bottom(values) for char, values in bottoms.items()},
            {
                kind: float(np.quantile(values, WIDE_QUANTILE))
                for kind, values in gaps.items()
                if len(values) >= MIN_PAIRS
            },
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {
            "x_height": self.x_height,
            "bottoms": {c: [b.times, b.usual, b.spread] for c, b in self.bottoms.items()},
            "wide_gaps": dict(self.wide_gaps),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Stance":
        """Return the stance of plain values."""
        bottoms = {char: Bottom(*of_char) for char, of_char in values["bottoms"].items()}
        return cls(values["x_height"], bottoms, dict(values["wide_gaps"]))

    def judge(self, points: Ink, text: str, centers: np.ndarray) -> "Standing":
        """Compare a word with what is usual in the hand.

        Args:
            points: (n, 3) its ink.
            text: what is written.
            centers: x of each character, in canvas heights.
        """
        letters = _Letters(points, text, centers, self.x_height)
        deviations, off = [], []
        for i, char in enumerate(text):
            expected = self._expected(char)
            if expected is None or not np.isfinite(letters.bottoms[i]):
                continue
            usual, tolerance = expected
            deviation = float(letters.bottoms[i]) - usual
            # The tail of a letter beside it may reach below this one.
            if deviation > 0 and any(self._has_tail(c) for c in letters.neighbors(i)):
                continue
            deviations.append(deviation)
            if abs(deviation) > tolerance:
                off.append(char)
        apart = [
            text[i : i + 2]
            for i, (kind, gap) in enumerate(letters.gaps())
            if gap > self.wide_gaps.get(kind, UNKNOWN_GAP) + GAP_TOLERANCE
        ]
        n = len(deviations)
        low = float(np.median(deviations)) * n / (n + PRIOR_LETTERS) if n else 0.0
        return Standing((*off, *apart), low * self.x_height)

    def _expected(self, char: str) -> tuple[float, float] | None:
        """Return where a character's ink ends and how far off it may be, or None if unknown."""
        if not (char.isalnum() or char in STANDING):
            return None  # a mark may stand anywhere
        known = {c: b for c, b in self.bottoms.items() if b.times >= MIN_TIMES and c in STANDING}
        bottom = self.bottoms.get(char, Bottom(0, 0.0, 0.0))
        usual, spread = bottom.usual, bottom.spread
        if known:
            # A few values may be close together by chance.
            spread = max(spread, float(np.median([b.spread for b in known.values()])))
        if bottom.times < MIN_TIMES:
            if char not in STANDING or not known:
                return None
            line = float(np.median([b.usual for b in known.values()]))
            weighted = bottom.times * bottom.usual + PRIOR_TIMES * line
            usual = weighted / (bottom.times + PRIOR_TIMES)
        tolerance = np.clip(MAX_DEVIATIONS * spread, MIN_TOLERANCE, MAX_TOLERANCE)
        return usual, float(tolerance)

    def _has_tail(self, char: str) -> bool:
        bottom = self.bottoms.get(char)
        return bottom.usual > TAIL if bottom else char not in STANDING


class _Letters:
    """The letters of a word: its ink between the middles of neighboring centers.

    Args:
        points: (n, 3) the ink.
        text: its text.
        centers: x of each character, in canvas heights.
        x_height: in canvas heights.

    Attributes:
        bottoms: (characters,) lowest ink below the baseline in x-heights, NaN without ink.
    """

    def __init__(self, points: Ink, text: str, centers: np.ndarray, x_height: float) -> None:
        self.text = text
        self.centers = centers / x_height
        strokes = [resample_evenly(stroke) for stroke in split_strokes(points)]
        self.xy = np.concatenate(strokes) / x_height
        middles = (self.centers[1:] + self.centers[:-1]) / 2
        letter = np.searchsorted(middles, self.xy[:, 0])
        bottoms = np.full(len(text), -np.inf)
        np.maximum.at(bottoms, letter, self.xy[:, 1])
        self.bottoms = np.where(np.isfinite(bottoms), bottoms, np.nan)

    def neighbors(self, index: int) -> str:
        """Return the characters beside the one at `index`."""
        return self.text[max(0, index - 1) : index] + self.text[index + 1 : index + 2]

    def gaps(self) -> Iterator[tuple[str, float]]:
        """Yield the kind of each pair of neighbors, and the widest gap in the ink between them."""
        x = np.sort(self.xy[:, 0])
        for i, (left, right) in enumerate(zip(self.centers, self.centers[1:])):
            between = x[(x > left) & (x < right)]
            gap = np.diff(np.concatenate([[left], between, [right]])).max()
            yield f"{_kind(self.text[i])}-{_kind(self.text[i + 1])}", float(gap)


def _kind(char: str) -> str:
    return next((name for is_kind, name in KINDS if is_kind(char)), "mark")


def _bottom(values: Sequence[float]) -> Bottom:
    usual = float(np.median(values))
    spread = ROBUST_STD * float(np.median(np.abs(np.array(values) - usual)))
    return Bottom(len(values), usual, spread)
