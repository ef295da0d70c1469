"""The batches of a run: those it trains on, and fixed ones to measure the loss on.

A training batch is a function of the settings, the words and the step alone. So a run that is
resumed, or continued by another number of processes, trains on the same batches. Does not depend
on a model.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from cursivetransformer.bank.authors import author_indices, hand_indices
from cursivetransformer.bank.word import Word
from cursivetransformer.config.train import Config
from cursivetransformer.data.dataset import NO_WORD, InkStore, split_words, usable_words
from cursivetransformer.data.eval_texts import evaluation_words
from cursivetransformer.data.packing import (
    PackedBatch,
    Pool,
    SampleBatch,
    example_lengths,
    pack,
    row_lengths,
    sample_examples,
)
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.utils.errors import UserError

EVALUATION_ROWS = 32  # examples in an evaluation batch
# Standard deviations of a batch's length that a fixed capacity leaves free. At three, one batch
# in a thousand loses its last example.
CAPACITY_STDS = 3
MIX_REPEATS = 10  # how often `mix` repeats words, to meet the fractions closely
# The run's seed together with one of these seeds one sequence of random numbers.
TRAINING, EVALUATION = 1, 2


class DataLoader:
    """The training batches and the evaluation batches of a bank.

    Attributes:
        words: the bank's usable words.
        author_indices: (W,) author index of each word: position in `authors` counted from 1, or 0.
        train_ids, test_ids: indices in `words` of the training words and of the held-out words.
        held_out: the texts of the bank's held-out words.
        ink: the words to train on, those of `set_mixture` included.
        capacity: number of positions of every training batch; None unless `fixed`.
        width: most positions of an example; None unless `fixed`.
        generator: of the random numbers of a training batch.
        totals: (5,) counts over this process's training batches: examples, cut examples, clamped
            radii, positions in use, and positions computed.
    """

    def __init__(
        self,
        words: Sequence[Word],
        tokenizer: Tokenizer,
        config: Config,
        warn: Callable[[str], object] = print,
        rank: int = 0,
        size: int = 1,
        fixed: bool = False,
        authors: Sequence[str] = (),
        max_text: int | None = None,
    ) -> None:
        """Split the bank's words, and store the usable ones on the device.

        Args:
            words: all words of the bank, so that models and recognizers hold out the same ones.
            tokenizer: its alphabet decides which words are usable.
            config: the settings of the run.
            warn: receives messages about words that are left out.
            rank: index of this process.
            size: number of processes; each makes its part of every batch.
            fixed: give all training batches one shape.
            authors: names of the authors that the model distinguishes.
            max_text: most characters of an example that the model reads, if there is a limit.

        Raises:
            UserError: too few words to train and to test on.
        """
        self.tokenizer, self.config, self.authors = tokenizer, config, authors
        self.rank, self.size, self.fixed, self.max_text = rank, size, fixed, max_text
        _, held_out_ids = split_words(words, config.test_fraction, config.seed)
        self.held_out = {words[i].text for i in held_out_ids}
        self.words = usable_words(words, tokenizer, config, warn)
        self.author_indices = author_indices(self.words, authors)
        self._hands = hand_indices(self.words)
        self.train_ids, self.test_ids = self._split()
        self.ink = InkStore.from_words(self.words, tokenizer, self._device)
        self._word_tokens = _token_counts(self.ink, config.downsample_mean)
        self._pool = self._pool_of(self.words, self.train_ids)
        self.generator = torch.Generator(self.ink.device)
        self.capacity: int | None = None
        self.width: int | None = None
        self._shape_is_final = False
        if fixed:
            self._grow_capacity(self.ink, self.train_ids)
        self.totals = torch.zeros(5, dtype=torch.long, device=self.ink.device)

    @property
    def _device(self) -> str:
        """Where batches are made: on the CPU if the device has no float64."""
        return "cpu" if self.config.device == "mps" else self.config.device

    def set_mixture(self, other_words: Sequence[Word], spliced_words: Sequence[Word] = ()) -> None:
        """Set the words that are trained on beside the bank's training words.

        They replace the ones set before. The settings `own_fraction` and `splice_fraction` say
        how often the bank's words and the spliced words are sampled; the rest is `other_words`.
        Words are left out if they are not usable, held out, or among the evaluation words.

        Args:
            other_words: words that are not made from this bank, such as synthetic ones.
            spliced_words: words made of pieces of the bank's training words.
        """
        words, kinds = list(self.words), [self.train_ids]
        for new_words in (spliced_words, other_words):
            usable = self._usable_for_training(new_words)
            kinds.append(np.arange(len(words), len(words) + len(usable)))
            words += usable
        ids = mix(kinds, (self.config.own_fraction, self.config.splice_fraction))
        self.ink = InkStore.from_words(words, self.tokenizer, self._device)
        self._pool = self._pool_of(words, ids)
        if self.fixed and not self._shape_is_final:
            self._grow_capacity(self.ink, ids)

    def fix_shape(self, capacity: int) -> None:
        """Give the training batches the `capacity` that those of the same run had before."""
        if self.fixed and capacity:
            self.capacity, self._shape_is_final = capacity, True

    def train_batch(self, step: int) -> PackedBatch:
        """Make this process's part of the batch of a step."""
        self.seed(step)
        return self.sample_batch()

    def seed(self, step: int) -> None:
        """Set the random numbers of the batch of a step."""
        c = self.config
        step %= max(1, c.train_size // c.batch_size)
        self.generator.manual_seed(_seed(c.seed, TRAINING, step))
        # Words that come later are of the same kinds, and another shape would be compiled again.
        self._shape_is_final = True

    def sample_batch(self) -> PackedBatch:
        """Make this process's part of the batch that `seed` chose, by the device alone."""
        c = self.config
        examples = sample_examples(self.generator, self._pool, c.batch_size, c, c.augment)
        # Sorted by length, so that each process gets as many short and long examples.
        lengths = example_lengths(self.ink, examples, c.max_seq_length, self.max_text)
        part = examples.select(lengths.argsort(stable=True)[self.rank :: self.size])
        packed = pack(
            self.ink, self.tokenizer, part, c.max_seq_length, self.capacity, self.max_text
        )
        self._count(packed)
        return packed.to(c.device)

    def evaluation(self, split: str) -> list[PackedBatch]:
        """Make batches of at most `test_size` fixed words of the "train" or "test" words."""
        ids = {"train": self.train_ids, "test": self.test_ids}[split]
        rng = np.random.default_rng([self.config.seed, EVALUATION])
        return self.batches(rng.permutation(ids)[: self.config.test_size])

    def batches(self, ids: np.ndarray) -> list[PackedBatch]:
        """Make batches of the bank's words `ids`, (n,), to measure a loss on.

        The words are not augmented, and all are downsampled at the mean rate. So the ink does not
        depend on the number of words in an example, which is `num_words`, or fewer if more do
        not fit.
        """
        c = self.config
        ids = ids[np.argsort(self._hands[ids], kind="stable")]
        rows = arrange(ids, self._word_tokens, c.num_words, c.max_seq_length, self._hands)
        row_tokens = np.where(rows == NO_WORD, 0, self._word_tokens[rows]).sum(1)
        rows = rows[np.argsort(row_tokens, kind="stable")]
        starts = range(0, len(rows), EVALUATION_ROWS)
        return [self._evaluation_batch(rows[i : i + EVALUATION_ROWS]) for i in starts]

    def counts(self) -> dict[str, float]:
        """Count over all training batches so far.

        Returns:
            real_share: fraction of the computed positions that are in use.
            cut_share: fraction of the examples that lost words.
            clamped_radii: number of radii beyond the last bin.
        """
        examples, cut, clamped, used, computed = self.totals.tolist()
        return {
            "real_share": used / max(1, computed),
            "cut_share": cut / max(1, examples),
            "clamped_radii": clamped,
        }

    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the word ids of the training words and of the held-out words."""
        is_test = np.array([word.text in self.held_out for word in self.words])
        if is_test.all() or not is_test.any():
            missing = "training" if is_test.all() else "held-out"
            raise UserError(
                f"of the bank's {missing} words none is left; record more, or leave out fewer"
            )
        return np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def _usable_for_training(self, words: Sequence[Word]) -> list[Word]:
        """Return the words of other sources that may be trained on."""
        excluded = self.held_out | evaluation_words()
        words = [word for word in words if word.text not in excluded]
        if self.max_text is not None:
            words = [word for word in words if len(word.text) < self.max_text]
        if not words:
            return []
        return usable_words(words, self.tokenizer, self.config, warn=lambda message: None)

    def _pool_of(self, words: Sequence[Word], ids: np.ndarray) -> Pool:
        """Return the words `ids` of `words` as a pool to sample from."""
        authors = author_indices(words, self.authors)
        return Pool.from_arrays(ids, hand_indices(words)[ids], authors[ids], self._device)

    def _evaluation_batch(self, rows: np.ndarray) -> PackedBatch:
        """Make a batch of word ids (B, W), each row by one author."""
        c, device = self.config, self.ink.device
        word_ids = torch.as_tensor(rows, device=device)
        authors = torch.as_tensor(self.author_indices[rows[:, 0]], device=device)
        rates = torch.full((len(rows),), c.downsample_mean, dtype=torch.float64, device=device)
        examples = SampleBatch(word_ids, rates, authors=authors)
        packed = pack(self.ink, self.tokenizer, examples, c.max_seq_length, max_text=self.max_text)
        return packed.to(c.device)

    def _count(self, packed: PackedBatch) -> None:
        """Add a training batch to the totals, without waiting for the device."""
        used: torch.Tensor
        computed: torch.Tensor | int
        if self.config.model == "token":
            # This model pads the examples to rows of one token per position.
            tokens = row_lengths(packed)
            used = tokens.sum()
            n_slots = packed.tokens.shape[1]
            row_width = tokens.max() if self.width is None else self.width * n_slots
            computed = len(tokens) * row_width
        else:
            used, computed = packed.lengths.sum(), len(packed.position)
        examples = (packed.lengths > 0).sum()
        self.totals[:4] += torch.stack([examples, packed.cut, packed.clamped, used])
        self.totals[4] += computed

    def _grow_capacity(self, ink: InkStore, ids: np.ndarray) -> None:
        """Make `capacity` and `width` large enough for the words `ids` of `ink`.

        They never shrink, since each change of shape compiles the model again.
        """
        capacity, width = self._required_shape(ink, ids)
        self.capacity = max(self.capacity or 0, capacity)
        self.width = max(self.width or 0, width)

    def _required_shape(self, ink: InkStore, ids: np.ndarray) -> tuple[int, int]:
        """Estimate the shape of this process's part of a batch of the words `ids` of `ink`.

        Returns:
            The positions of a batch, so large that few batches lose an example, and the most
            positions of one example. Both are rounded up.
        """
        c, n_slots = self.config, self.tokenizer.n_slots
        if c.batch_size % self.size:
            raise ValueError("the processes must have equal shares of a batch")
        n_examples = c.batch_size // self.size
        n_words = np.arange(c.min_words, c.num_words + 1)  # in an example, all equally likely

        # A sum of n words has the mean E[n] E[x] and the variance E[n] Var[x] + Var[n] E[x]^2.
        positions = 1 + (_token_counts(ink, c.downsample_mean)[ids] - 1) / n_slots
        mean, variance = positions.mean(), positions.var()
        std = math.sqrt(n_examples * (n_words.mean() * variance + n_words.var() * mean**2))
        capacity = n_examples * n_words.mean() * mean + CAPACITY_STDS * std

        width = (c.max_seq_length + (n_slots - 1) * c.num_words) / n_slots
        if not c.synthetic_words:  # which may be of any length
            lowest_rate = c.downsample_mean - c.downsample_width / 2
            longest_word = 1 + (_token_counts(ink, lowest_rate).max() - 1) / n_slots
            width = min(c.num_words * longest_word, width)
        width = _round_up(width)
        return max(_round_up(capacity), width), width


def mix(kinds: Sequence[np.ndarray], fractions: Sequence[float]) -> np.ndarray:
    """Repeat word ids so that uniform sampling takes each kind of words with a given probability.

    If the first kind is empty or its fraction is 0, every id is returned once.

    Args:
        kinds: the word ids of each kind.
        fractions: the probability of each kind but the last, which takes the rest. Probabilities
            of empty kinds go to the others in proportion to theirs.
    """
    rest = max(0.0, 1 - sum(fractions))
    is_filled = np.array([len(ids) > 0 for ids in kinds])
    weights = np.where(is_filled, [*fractions, rest], 0.0)
    if not weights[0]:
        return np.concatenate(kinds)
    # Many repeats, so that the words of one kind come about equally often.
    max_words = max(len(ids) for ids in kinds)
    counts = np.rint(weights / weights.sum() * MIX_REPEATS * max_words).astype(int)
    return np.concatenate([np.resize(ids, n) for ids, n in zip(kinds, counts)])


def arrange(
    ids: np.ndarray | Sequence[int],
    word_tokens: np.ndarray | Mapping[int, int],
    num_words: int,
    max_length: int,
    hands: np.ndarray | Mapping[int, int],
) -> np.ndarray:
    """Arrange words in rows, in the given order, and fill each row before the next.

    Args:
        ids: (n,) word ids.
        word_tokens: number of tokens of each word id.
        num_words: most words in a row.
        max_length: most tokens in a row.
        hands: hand of each word id; all words of a row have the same one.

    Returns:
        (rows, num_words) word ids, NO_WORD in unused places.
    """
    rows: list[list[int]] = [[]]
    n_tokens = 0
    for i in ids:
        row = rows[-1]
        is_full = len(row) == num_words or n_tokens + word_tokens[i] > max_length
        if row and (is_full or hands[row[0]] != hands[i]):
            rows.append([])
            n_tokens = 0
        rows[-1].append(i)
        n_tokens += word_tokens[i]
    return np.array([row + [NO_WORD] * (num_words - len(row)) for row in rows])


def _token_counts(ink: InkStore, rate: float) -> np.ndarray:
    return ink.token_counts(rate).cpu().numpy()


def _round_up(n: float) -> int:
    """Round up to a multiple of 64."""
    return 64 * math.ceil(n / 64)


def _seed(*parts: int) -> int:
    """Combine several integers into one seed for torch."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
