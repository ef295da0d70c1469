"""Write words as ink: prefill, then sample one token of every row at a time.

Every row holds one word or a few, so a page takes the time of its longest word. Does not depend on
lines or images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cursivetransformer.bank.word import Word
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.preview import ink_svg
from cursivetransformer.ink.stance import Standing
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.models.base import Model
from cursivetransformer.utils.errors import UserError

ROWS_AT_ONCE = 128  # bounds the memory for a text of any length
# A word with more offsets has gone astray: the densest of a real bank takes 38, most take 23.
MAX_OFFSETS_PER_CHAR = 60
MIN_OFFSETS = 90  # allowed for any word
MAX_ENDED_FRACTION = 0.25  # of the rows in the cache; above it, the ended ones are dropped
MIN_TEMPERATURE = 1e-6  # below it, logits overflow float32, and the likeliest token is certain


@dataclass(frozen=True)
class Sampler:
    """How the next token is sampled from the logits.

    temperature: 0 takes the likeliest token; top_k: sample from the k likeliest, 0 for all;
    top_p: sample from the likeliest that together have this probability (nucleus sampling,
    Holtzman et al. 2019, arXiv:1904.09751).
    """

    temperature: float = 0.6
    top_k: int = 0
    top_p: float = 0.95

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Turn (B, V) logits into (B, V) probabilities."""
        if self.temperature < MIN_TEMPERATURE:
            return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
        p = torch.softmax(logits.float() / self.temperature, dim=-1)
        if 0 < self.top_k < p.shape[-1]:
            p = p.masked_fill(p < p.topk(self.top_k).values[:, -1:], 0)
        if self.top_p < 1:
            p = keep_nucleus(p, self.top_p)
        return p / p.sum(-1, keepdim=True)


def keep_nucleus(p: torch.Tensor, top_p: float) -> torch.Tensor:
    """Set all but the likeliest tokens that together have `top_p` of the sum to 0; (B, V)."""
    ordered, order = p.sort(dim=-1, descending=True)
    # A token stays if those before it hold less than top_p, so the likeliest always stays.
    cut = ordered.cumsum(-1) - ordered >= top_p * ordered.sum(-1, keepdim=True)
    return p.scatter(-1, order, ordered.masked_fill(cut, 0))


def sample(p: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Sample token ids (B,) by the inverse of the cumulative distribution.

    Args:
        p: (B, V) probabilities.
        uniforms: (B,) numbers in [0, 1).
    """
    cumulative = p.cumsum(-1)
    # Just below 1, so that rounding never leads past the last token that has a probability.
    target = uniforms.clamp(max=1 - 1e-6)[:, None] * cumulative[:, -1:]
    return (cumulative <= target).sum(-1)


@dataclass
class GeneratedWord:
    """A word as a model wrote it; a notebook shows its ink.

    points: (n, 3), the left edge at x = 0, the baseline at y = 0; finished: the model sampled the
    word's end; nll: negative log-likelihood of its tokens at temperature 1, in nats; reading: of a
    recognizer, or None; standing: how it stands on the line, as far as a recognizer told; borrowed:
    characters by another hand; versions: how many were sampled; replaces: the word that `--rewrite`
    replaced by this one, or None.
    """

    text: str
    points: np.ndarray
    finished: bool
    nll: float = 0.0
    reading: str | None = None
    standing: Standing = Standing()
    borrowed: str = ""
    versions: int = 1
    replaces: "GeneratedWord | None" = None

    @property
    def doubtful(self) -> bool:
        """Whether the word may be misspelt: it was misread or did not come to its end."""
        return not self.finished or self.reading not in (None, self.text)

    def __repr__(self) -> str:
        read = "" if self.reading is None else f", read as {self.reading!r}"
        return f"<{self.text!r}{read}, {len(self.points)} points>"

    def _repr_svg_(self) -> str:
        return ink_svg(self.points)


Primer = Word | GeneratedWord


@dataclass(frozen=True)
class RowBatch:
    """Rows of words that are written together.

    rows: B lists of equally many texts; authors: (B,) author indices; primer: ink before every row;
    max_tokens: (B,) of each row; uniforms: (B, max(max_tokens)) random numbers in [0, 1).
    """

    rows: list[list[str]]
    authors: np.ndarray
    primer: Primer | None
    max_tokens: np.ndarray
    uniforms: np.ndarray


def group_texts(texts: list[str], group: int) -> list[list[str]]:
    """Group texts into rows of `group`; texts from the front fill the last row."""
    filled = texts + [texts[i % len(texts)] for i in range(-len(texts) % group)]
    return [filled[i : i + group] for i in range(0, len(filled), group)]


def generate_words(
    model: Model,
    tokenizer: Tokenizer,
    texts: list[str],
    group: int = 1,
    **options: Any,
) -> list[GeneratedWord]:
    """Write each of `texts`, which have no spaces.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        texts: The words.
        group: Words in a row, a number that the model was trained on.
        options: Those of `generate_rows`.
    """
    rows = generate_rows(model, tokenizer, group_texts(texts, group), **options)
    return [word for row in rows for word in row][: len(texts)]


@torch.inference_mode()
def generate_rows(
    model: Model,
    tokenizer: Tokenizer,
    rows: list[list[str]],
    streams: Sequence[tuple[int, ...]] | None = None,
    authors: int | Sequence[int] | np.ndarray = 0,
    primer: Primer | None = None,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    **sampling: Any,
) -> list[list[GeneratedWord]]:
    """Write rows of words. The same seed on the same device gives the same ink.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        rows: The texts, equally many in each row.
        streams: For each row whole numbers that, with the seed, select its random numbers, so that
            its ink does not depend on the other rows. By default the row's index.
        authors: Author index of all rows or of each: a position in `ModelConfig.authors` counted
            from 1, or 0 for an unknown author.
        primer: A word whose ink comes before every row to set the style.
        seed: Of the random numbers.
        progress: Called with the number of words finished since its last call.
        sampling: temperature, top_k and top_p of `Sampler`.
    """
    sampler = Sampler(**sampling)
    streams = [(i,) for i in range(len(rows))] if streams is None else streams
    authors = np.broadcast_to(authors, len(rows))
    words = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        max_tokens = token_limits(model, tokenizer, rows[part], primer)
        uniforms = np.stack(
            [
                np.random.default_rng([seed, *stream]).random(max_tokens.max(), np.float32)
                for stream in streams[part]
            ]
        )
        batch = RowBatch(rows[part], authors[part], primer, max_tokens, uniforms)
        tokens, nll = decode(model, tokenizer, batch, sampler, progress)
        words += [_split_words(tokenizer, *row) for row in zip(batch.rows, tokens, nll)]
    return words


def _split_words(
    tokenizer: Tokenizer, texts: list[str], ids: np.ndarray, nll: np.ndarray
) -> list[GeneratedWord]:
    """Split the sampled ids of a row and their nll into words; a word not begun has no ink."""
    inks = tokenizer.decode_words(np.append(tokenizer.word_id, ids[ids != tokenizer.pad_id]))
    n_finished = len(inks) if tokenizer.end_id in ids else len(inks) - 1
    # The token that ends a word counts for it.
    word_index = np.append(0, ids[:-1] == tokenizer.word_id).cumsum()
    word_nll = np.bincount(word_index, nll, len(texts))
    words = []
    for i, text in enumerate(texts):
        points = np.zeros((0, 3), np.float32)
        if i < len(inks):
            points = _align_left(offsets_to_points(inks[i]))
        words.append(GeneratedWord(text, points, i < n_finished, float(word_nll[i])))
    return words


def _align_left(points: np.ndarray) -> np.ndarray:
    """Move points in place to a left edge at x = 0, which the model meets only roughly."""
    if len(points):
        points[:, 0] -= points[:, 0].min()
    return points


def token_limits(
    model: Model, tokenizer: Tokenizer, rows: list[list[str]], primer: Primer | None
) -> np.ndarray:
    """Return how many tokens each row may take before it counts as astray, (B,)."""
    offsets = [
        sum(max(MIN_OFFSETS, MAX_OFFSETS_PER_CHAR * len(word)) for word in row) for row in rows
    ]
    limits = np.array(offsets) * tokenizer.n_slots + len(rows[0])  # WORD and END count too
    if model.bounded:
        used = np.count_nonzero(prompt_groups(tokenizer, primer) != tokenizer.pad_id)
        limits = np.minimum(limits, model.config.max_length - used)
    return limits


def prompt_groups(tokenizer: Tokenizer, primer: Primer | None) -> np.ndarray:
    """Return the groups before the first sampled token, (P, slots): WORD or WORD primer WORD."""
    word = np.full((1, tokenizer.n_slots), tokenizer.pad_id)
    word[0, 0] = tokenizer.word_id
    if primer is None:
        return word
    ink = tokenizer.encode_offsets(points_to_offsets(primer.points))[0]
    return np.concatenate([word, ink, word])


def encode_texts(
    model: Model, tokenizer: Tokenizer, rows: list[list[str]], primer: Primer | None
) -> np.ndarray:
    """Return character ids of each row, (B, S): the primer's text first, a space after each word.

    Raises:
        UserError: A row is too long for the model.
    """
    prefix = [primer.text] if primer else []
    encoded = [tokenizer.encode_text(" ".join(prefix + row) + " ") for row in rows]
    longest = max(map(len, encoded))
    if longest > model.config.max_text:
        word = max((word for row in rows for word in row), key=len)
        raise UserError(
            f"this model reads at most {model.config.max_text - 1} characters at once; "
            f"break the word {word[:30]!r} ({len(word)} characters)"
        )
    ids = np.zeros((len(encoded), longest), np.int64)
    for row_ids, text in zip(ids, encoded):
        row_ids[: len(text)] = text
    return ids


class TokenConstraints:
    """Which ids may come next in each row.

    They are the ids of the slot; instead of the first slot of an offset also WORD, after a word
    that is not the last of its row, or END after the last.

    Args:
        tokenizer: The tokenizer.
        n_rows: B.
        group: Words in each row.
        filling: PADs that follow a WORD; see `fills_words` of the models.
        device: Of the masks.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        n_rows: int,
        group: int,
        filling: int,
        device: torch.device | str,
    ) -> None:
        self.tokenizer = tokenizer
        self.filling = filling
        self.written = np.zeros(n_rows, int)  # tokens since the last WORD and its filling
        self.words_left = np.full(n_rows, group - 1)  # after the present one
        self.masks = torch.as_tensor(_constraint_masks(tokenizer), device=device)

    def allowed(self) -> torch.Tensor:
        """Return a mask (B, V). A word without ink cannot end."""
        n_slots = self.tokenizer.n_slots
        slot = self.written % n_slots
        may_end = (slot == 0) & (self.written > 0)
        # Rows of `masks`: the slots, then WORD, END, filling.
        state = np.where(may_end, n_slots + (self.words_left == 0), slot)
        state[self.written < 0] = n_slots + 2
        return self.masks[torch.as_tensor(state, device=self.masks.device)]

    def accept(self, ids: np.ndarray) -> None:
        """Count the sampled ids (B,)."""
        new_word = ids == self.tokenizer.word_id
        self.written = np.where(new_word, -self.filling, self.written + 1)
        self.words_left = self.words_left - new_word

    def select_rows(self, rows: np.ndarray) -> None:
        """Keep only these rows."""
        self.written = self.written[rows]
        self.words_left = self.words_left[rows]


def _constraint_masks(tokenizer: Tokenizer) -> np.ndarray:
    """Return (slots + 3, V) masks: each slot; the first one or WORD; the first or END; PAD."""
    slots = tokenizer.slot_mask()
    slots[:, [tokenizer.word_id, tokenizer.end_id]] = False
    word, end, filling = slots[0].copy(), slots[0].copy(), np.zeros_like(slots[0])
    word[tokenizer.word_id] = True
    end[tokenizer.end_id] = True
    filling[tokenizer.pad_id] = True
    return np.stack([*slots, word, end, filling])


def decode(
    model: Model,
    tokenizer: Tokenizer,
    batch: RowBatch,
    sampler: Sampler,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the tokens of all rows.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        batch: The rows.
        sampler: How a token is sampled.
        progress: Called with the number of words finished since its last call.

    Returns:
        (B, T) ids, then PAD, and the (B, T) negative log-likelihood of each, then 0.
    """
    device = next(model.parameters()).device
    prompt = torch.as_tensor(prompt_groups(tokenizer, batch.primer), device=device)
    text = encode_texts(model, tokenizer, batch.rows, batch.primer)
    uniforms = torch.as_tensor(batch.uniforms, device=device)
    n_rows, group = len(batch.rows), len(batch.rows[0])
    filling = tokenizer.n_slots - 1 if model.fills_words else 0
    constraints = TokenConstraints(tokenizer, n_rows, group, filling, device)
    ids = np.full(batch.uniforms.shape, tokenizer.pad_id)
    nll = np.zeros(batch.uniforms.shape, np.float32)
    active = np.arange(n_rows)  # rows of the batch that are in the cache
    ended = np.zeros(n_rows, bool)  # which of them have ended
    state, logits = model.prefill(
        prompt,
        torch.as_tensor(text, device=device),
        torch.tensor(batch.authors, device=device),
        MIN_OFFSETS,
    )
    for step in range(batch.uniforms.shape[1]):
        logits = logits.masked_fill(~constraints.allowed(), -torch.inf)
        token = sample(sampler.probabilities(logits), uniforms[:, step])
        new_ids = np.where(ended, tokenizer.pad_id, token.cpu().numpy())
        constraints.accept(new_ids)
        ids[active, step] = new_ids
        nll[active, step] = np.where(ended, 0, _token_nll(logits, token).cpu().numpy())
        at_end = (new_ids == tokenizer.end_id) | (step + 1 >= batch.max_tokens[active])
        newly_ended = ~ended & at_end
        if progress:
            progress(group * int(newly_ended.sum()))
        ended |= newly_ended
        if ended.all():
            break
        if ended.mean() > MAX_ENDED_FRACTION:
            kept = np.flatnonzero(~ended)
            constraints.select_rows(kept)
            active, ended = active[kept], ended[kept]
            kept_on_device = torch.as_tensor(kept, device=device)
            state.select_rows(kept_on_device)
            token, uniforms = token[kept_on_device], uniforms[kept_on_device]
        logits = model.decode_one_token(state, token)
    return ids, nll


def _token_nll(logits: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood (B,) of tokens (B,) under logits (B, V)."""
    return logits.logsumexp(-1) - logits.gather(-1, token[:, None])[:, 0]
