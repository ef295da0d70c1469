"""The batches of a run: the training stream, and the fixed words that the loss is measured on.

A batch is a pure function of the settings, the words and the step, whoever asks for it: a run that is resumed, or goes on
with another number of processes, sees what it would have seen. Knows no model.
"""

import math

import numpy as np
import torch

from cursivetransformer.bank.authors import author_indices, hand_indices
from cursivetransformer.data.dataset import NO_WORD, Ink, split_words, usable_words
from cursivetransformer.data.eval_texts import evaluation_words
from cursivetransformer.data.packing import (
    InkTensors,
    Pool,
    SampleBatch,
    draw_samples,
    example_lengths,
    pack,
    row_lengths,
)
from cursivetransformer.utils.errors import UserError

EVALUATION_ROWS = 32  # examples in a batch of an evaluation
CAPACITY_STDS = 3  # of a batch's length that a fixed room keeps free: one batch in a thousand then loses its last example
EVENLY = 10  # times that words are repeated to be drawn in given shares
TRAINING, EVALUATION = 1, 2  # streams of random numbers of a run's seed


class DataLoader:
    """The training stream and the evaluation sets of a bank.

    Words with characters outside the tokenizer's alphabet, and words too long for the context, are left out and told
    to `warn`. authors: names of writers that the model tells apart, as in `ModelConfig`. rank, size: which of how many processes asks, each of which gets its share of every batch. fixed: give all
    training batches one shape. Attributes: words, tokenizer, train_ids, test_ids; room and width: positions of a training
    batch and of its longest possible example, or None unless `fixed`.
    """

    def __init__(
        self, words, tokenizer, config, warn=print, rank=0, size=1, fixed=False, authors=()
    ):
        _, held_out = split_words(
            words, config.test_fraction, config.seed
        )  # of the whole bank, so that models and recognizers agree on it
        self.held_out = {words[i].text for i in held_out}
        words = usable_words(words, tokenizer, config, warn)
        self.words, self.tokenizer, self.config, self.authors = words, tokenizer, config, authors
        self.author_indices, self._hands = author_indices(words, authors), hand_indices(words)
        self.rank, self.size = rank, size
        ink = Ink(words, tokenizer)
        tested = np.array([word.text in self.held_out for word in words])
        if tested.all() or not tested.any():
            raise UserError(
                f"of the bank's {'training' if tested.all() else 'held-out'} words none is left; record more, or leave out fewer"
            )
        self.train_ids, self.test_ids = np.flatnonzero(~tested), np.flatnonzero(tested)
        self.ink = InkTensors(ink, tokenizer, self._device)
        self._pool = Pool.of(
            self.train_ids,
            self._hands[self.train_ids],
            self.author_indices[self.train_ids],
            self._device,
        )
        self._generator = torch.Generator(self.ink.device)
        self._word_tokens = ink.token_counts(tokenizer, config.downsample_mean)
        self.fixed, self.capacity, self.width = fixed, None, None
        self._make_capacity(ink, self.train_ids)
        # Of examples, cut ones, clamped radii, positions that are real, and all that are computed.
        self._counts = torch.zeros(5, dtype=torch.long, device=self.ink.device)

    @property
    def _device(self):
        # Where a device has no float64, as Apple's, batches are made on the host.
        return "cpu" if self.config.device == "mps" else self.config.device

    def set_mixture(self, fresh, spliced=()):
        """Train on the bank's training words, on new ones `spliced` of them and on `fresh` ones, in place of those given before, in the
        shares that `own_fraction` and `splice_fraction` say. Words that are spelt with other characters, that are held out, or that models are
        judged by are left out."""
        spared = self.held_out | evaluation_words()
        words, kinds = list(self.words), [self.train_ids]
        for more in (spliced, fresh):
            more = [word for word in more if word.text not in spared]
            more = (
                usable_words(more, self.tokenizer, self.config, lambda sentence: None)
                if more
                else []
            )
            kinds.append(np.arange(len(words), len(words) + len(more)))
            words += more
        ids = mix(kinds, (self.config.own_fraction, self.config.splice_fraction))
        ink = Ink(words, self.tokenizer)
        self._make_capacity(ink, ids)
        self.ink = InkTensors(ink, self.tokenizer, self._device)
        self._pool = Pool.of(
            ids, hand_indices(words)[ids], author_indices(words, self.authors)[ids], self._device
        )

    def train_batch(self, step):
        """This process's share of the batch of a step; the same one whenever it is asked for."""
        c = self.config
        step %= max(1, c.train_size // c.batch_size)
        self._generator.manual_seed(_seed(c.seed, TRAINING, step))
        examples = draw_samples(self._generator, self._pool, c.batch_size, c, c.augment)
        # By length, so that each process has its share of the short and of the long.
        order = example_lengths(self.ink, self.tokenizer, examples, c.max_seq_length).argsort(
            stable=True
        )
        packed = pack(
            self.ink,
            self.tokenizer,
            examples.rows(order[self.rank :: self.size]),
            c.max_seq_length,
            self.capacity,
        )
        self._count(packed)
        return packed.to(c.device)

    def evaluation(self, split):
        """At most `test_size` fixed words of the "train" or "test" words, as a list of batches."""
        pool = {"train": self.train_ids, "test": self.test_ids}[split]
        rng = np.random.default_rng([self.config.seed, EVALUATION])
        return self.batches(rng.permutation(pool)[: self.config.test_size])

    def batches(self, chosen):
        """The bank's words with these ids as a list of batches to measure a loss on.

        Not augmented, and all downsampled at the mean rate, so that the ink is the same however many words a model takes at
        once: they stand in rows of `num_words`, fewer where more do not fit.
        """
        c = self.config
        chosen = chosen[np.argsort(self._hands[chosen], kind="stable")]
        rows = arrange(chosen, self._word_tokens, c.num_words, c.max_seq_length, self._hands)
        rows = rows[
            np.argsort(np.where(rows == NO_WORD, 0, self._word_tokens[rows]).sum(1), kind="stable")
        ]
        batches, authors = [], torch.as_tensor(self.author_indices, device=self.ink.device)
        for start in range(0, len(rows), EVALUATION_ROWS):
            ids = torch.as_tensor(rows[start : start + EVALUATION_ROWS], device=self.ink.device)
            rates = torch.full(
                (len(ids),), c.downsample_mean, dtype=torch.float64, device=self.ink.device
            )
            batches.append(
                pack(
                    self.ink,
                    self.tokenizer,
                    SampleBatch(ids, rates, authors=authors[ids[:, 0]]),
                    c.max_seq_length,
                ).to(c.device)
            )
        return batches

    def counts(self):
        """Over all batches drawn: the share of positions that are no filling, the share of examples cut, clamped radii."""
        examples, cut, clamped, real, places = self._counts.tolist()
        return {
            "real_share": real / max(1, places),
            "cut_share": cut / max(1, examples),
            "clamped_radii": clamped,
        }

    def _count(self, packed):
        if (
            self.config.model == "token"
        ):  # which lays the examples out in rows, padded to the longest
            tokens = row_lengths(packed)
            real, places = (
                tokens.sum(),
                len(tokens)
                * (tokens.max() if self.width is None else self.width * packed.tokens.shape[1]),
            )
        else:
            real, places = packed.lengths.sum(), len(packed.position)
        self._counts[:4] += torch.stack(
            [(packed.lengths > 0).sum(), packed.cut, packed.clamped, real]
        )
        self._counts[4] += places

    def _make_capacity(self, ink, ids):
        """Where batches have one shape, have it large enough for the words `ids` of an `Ink`. It never shrinks, since another one is
        compiled anew."""
        if self.fixed:
            self.capacity, self.width = (
                max(had or 0, needed)
                for had, needed in zip((self.capacity, self.width), self._shape(ink, ids))
            )

    def _shape(self, ink, ids):
        """Room for this process's share of a batch of the words `ids`, and the width of its longest possible example, in positions."""
        c, slots = self.config, self.tokenizer.n_slots
        if c.batch_size % self.size:
            raise ValueError("the processes must have equal shares of a batch")
        per_word = 1 + (ink.token_counts(self.tokenizer, c.downsample_mean)[ids] - 1) / slots
        mean, variance = per_word.mean(), per_word.var()
        n_words = np.arange(c.min_words, c.num_words + 1)
        examples = c.batch_size // self.size
        deviation = math.sqrt(examples * (n_words.mean() * variance + n_words.var() * mean**2))
        capacity = examples * n_words.mean() * mean + CAPACITY_STDS * deviation
        longest = (
            1
            + (
                ink.token_counts(self.tokenizer, c.downsample_mean - c.downsample_width / 2).max()
                - 1
            )
            / slots
        )
        width = min(c.num_words * longest, (c.max_seq_length + (slots - 1) * c.num_words) / slots)
        return max(_rounded(capacity), _rounded(width)), _rounded(width)


def mix(kinds, shares):
    """Ids of words of several kinds, a list of arrays -> ids to draw from, repeated so often that each kind has its share of them, the last
    one what is left; where a kind is empty the others share alike. With a first share of 0 each id comes once."""
    shares = np.array([*shares, max(0.0, 1 - sum(shares))]) * [len(ids) > 0 for ids in kinds]
    if not shares[0]:
        return np.concatenate(kinds)
    counts = np.rint(shares / shares.sum() * EVENLY * max(map(len, kinds))).astype(
        int
    )  # then each comes about as often as its like
    return np.concatenate([np.resize(ids, n) for ids, n in zip(kinds, counts)])


def arrange(ids, word_tokens, num_words, max_length, hands):
    """Word ids (n,) -> (rows, num_words), in order, NO_WORD behind: each row of one hand, and as full as `num_words` and `max_length` allow."""
    rows, tokens = [[]], 0
    for i in ids:
        if rows[-1] and (
            hands[rows[-1][0]] != hands[i]
            or len(rows[-1]) == num_words
            or tokens + word_tokens[i] > max_length
        ):
            rows.append([])
            tokens = 0
        rows[-1].append(i)
        tokens += word_tokens[i]
    return np.array([row + [NO_WORD] * (num_words - len(row)) for row in rows])


def _rounded(n):
    """Up to a multiple of 64, which a GPU likes."""
    return 64 * math.ceil(n / 64)


def _seed(*parts):
    """One seed of several whole numbers, for torch."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
