"""The words of a bank: which of them a run uses, and their ink as flat tensors."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.bank.authors import assign_hands
from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import Config, RecognizerTrainingConfig
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.strokes import resize
from cursivetransformer.utils.errors import UserError

IGNORE = -100  # target that is never scored; the default of torch's cross_entropy
NO_WORD = -1  # word id that fills up an example with fewer words than others


@dataclass
class InkStore:
    """Ink and texts of W words as flat tensors on one device, so that words can be gathered by id.

    Attributes:
        xy: (N, 2) float32, all points.
        stroke_starts: (S,) index of each stroke's first point in `xy`.
        stroke_lengths: (S,) number of points of each stroke.
        word_starts: (W,) index of each word's first stroke.
        word_strokes: (W,) number of strokes of each word.
        chars: (M,) character ids of all texts, a space after each text.
        text_starts: (W,) index of each text's first character in `chars`.
        text_lengths: (W,) number of characters of each text, including the space.
        max_strokes: most strokes of a word.
        max_text_length: most characters of a text, including the space.
        radius_edges: (R + 1,) the tokenizer's radius bins.
        word_group: (slots,) tokens of the position that starts a word: WORD, then PAD.
        end_group: (slots,) tokens of the target that ends an example: END, then PAD.
    """

    xy: torch.Tensor
    stroke_starts: torch.Tensor
    stroke_lengths: torch.Tensor
    word_starts: torch.Tensor
    word_strokes: torch.Tensor
    chars: torch.Tensor
    text_starts: torch.Tensor
    text_lengths: torch.Tensor
    max_strokes: int
    max_text_length: int
    radius_edges: torch.Tensor
    word_group: torch.Tensor
    end_group: torch.Tensor

    @classmethod
    def from_words(
        cls, words: Sequence[Word], tokenizer: Tokenizer, device: str | torch.device = "cpu"
    ) -> "InkStore":
        """Concatenate the ink and the texts of `words`; word id i is `words[i]`."""
        points = np.concatenate([word.points for word in words])
        stroke_ends = np.flatnonzero(points[:, 2] == 0) + 1
        stroke_lengths = np.diff(stroke_ends, prepend=0)
        word_strokes = np.array([np.count_nonzero(word.points[:, 2] == 0) for word in words])
        texts = [tokenizer.encode_text(word.text + " ") for word in words]
        text_lengths = np.array([len(text) for text in texts])
        padding = [tokenizer.pad_id] * (tokenizer.n_slots - 1)

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(array, device=device)

        return cls(
            xy=tensor(np.ascontiguousarray(points[:, :2])),
            stroke_starts=tensor(stroke_ends - stroke_lengths),
            stroke_lengths=tensor(stroke_lengths),
            word_starts=tensor(np.cumsum(word_strokes) - word_strokes),
            word_strokes=tensor(word_strokes),
            chars=tensor(np.concatenate(texts)),
            text_starts=tensor(np.cumsum(text_lengths) - text_lengths),
            text_lengths=tensor(text_lengths),
            max_strokes=int(word_strokes.max()),
            max_text_length=int(text_lengths.max()),
            radius_edges=tensor(tokenizer.radius_edges),
            word_group=torch.tensor([tokenizer.word_id, *padding], device=device),
            end_group=torch.tensor([tokenizer.end_id, *padding], device=device),
        )

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.xy.device

    @property
    def n_slots(self) -> int:
        """Tokens of one offset."""
        return len(self.word_group)

    def token_counts(self, rate: float) -> torch.Tensor:
        """Return the tokens of each word, (W,), WORD included.

        Args:
            rate: fraction of the points to drop.
        """
        # float64, like the rates of a batch: in float32 some products would round differently.
        rates = torch.tensor([rate], dtype=torch.float64, device=self.device)
        kept = kept_point_counts(self.stroke_lengths, rates)
        n_words = len(self.word_strokes)
        word = torch.arange(n_words, device=self.device).repeat_interleave(self.word_strokes)
        points = kept.new_zeros(n_words).index_add(0, word, kept)
        return 1 + self.n_slots * points


def kept_point_counts(stroke_lengths: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Count the points that each stroke keeps; like `ink.strokes.kept_counts`, on tensors.

    A stroke never loses its first and last point.

    Args:
        stroke_lengths: integers of any shape.
        rates: fractions of the points to drop, broadcast to `stroke_lengths`.
    """
    kept = ((stroke_lengths - 1) * (1 - rates)).round().long() + 1
    return torch.maximum(kept, stroke_lengths.clamp(max=2))


def split_words(
    words: Sequence[Word], test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split words into training and test words; words of the same text stay together.

    Returns:
        Word ids of the training words and of the test words.

    Raises:
        UserError: fewer than two different texts.
    """
    texts = sorted({word.text for word in words})
    if len(texts) < 2:
        raise UserError(
            f"the bank holds {len(texts)} different word; "
            "at least 2 are needed, one of them to test on"
        )
    n_test = min(max(1, round(test_fraction * len(texts))), len(texts) - 1)
    order = np.random.default_rng([seed, 0]).permutation(len(texts))
    test_texts = {texts[i] for i in order[:n_test]}
    is_test = np.array([word.text in test_texts for word in words])
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def own_words(words: Sequence[Word], config: Config | RecognizerTrainingConfig) -> list[Word]:
    """Scale a bank's words by `ink_scale`; with `finetune`, tell hands apart as `hands` says."""
    if config.finetune:
        words = assign_hands(words, config.hands)
    return [
        dataclasses.replace(word, points=resize(word.points, config.ink_scale)) for word in words
    ]


def usable_words(
    words: Sequence[Word], tokenizer: Tokenizer, config: Config, warn: Callable[[str], object]
) -> list[Word]:
    """Leave out words that no example may hold, and report their number to `warn`.

    A word is usable if the alphabet has all its characters, and if it fits into the context at
    the lowest downsampling rate.

    Raises:
        UserError: no word is left.
    """
    spelled = [word for word in words if not tokenizer.unknown_characters(word.text)]
    if len(spelled) < len(words):
        warn(
            f"left out {len(words) - len(spelled)} of {len(words)} words with characters "
            "outside --alphabet"
        )
    if not spelled:
        raise UserError("no word of the bank is written with the characters of --alphabet alone")
    lowest_rate = config.downsample_mean - config.downsample_width / 2
    n_tokens = InkStore.from_words(spelled, tokenizer).token_counts(lowest_rate).tolist()
    fitting = [word for word, n in zip(spelled, n_tokens) if n <= config.max_seq_length]
    if not fitting:
        raise UserError(
            f"--max_seq_length {config.max_seq_length} is too short for any word of the bank: "
            f"the shortest takes {min(n_tokens)} tokens"
        )
    if len(fitting) < len(spelled):
        warn(
            f"left out {len(spelled) - len(fitting)} of {len(spelled)} words that take more than "
            f"--max_seq_length {config.max_seq_length} tokens; the longest takes {max(n_tokens)}"
        )
    return fitting
