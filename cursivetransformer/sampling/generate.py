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
from cursivetransformer.models.base import DecodingState, Model
from cursivetransformer.utils.errors import UserError

ROWS_AT_ONCE = 128  # bounds the memory for a text of any length
# A word with more offsets has gone astray: the densest of a real bank takes 38, most take 23.
MAX_OFFSETS_PER_CHAR = 60
MIN_OFFSETS = 90  # allowed for any word
GPU_POLL_GROUPS = 8  # sampled on a GPU before the host looks which rows have ended
CPU_POLL_GROUPS = 2
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
    """Which ids may come next, as a table of phases that a row goes through.

    The phases of each word are its filling, the first slot of its first offset, the other slots,
    and the first slot of a later offset, where the word may end: by WORD, or by END after the last
    one of a row. A word without ink cannot end. In the last phase, after END, any id may come.

    Args:
        tokenizer: The tokenizer.
        group: Words in each row.
        filling: PADs that follow a WORD; see `fills_words` of the models.

    Attributes:
        first: The phase of a row that begins with its first word.
        allowed: (phases, V) whether an id may come.
        following: (phases, V) the phase after an id.
    """

    def __init__(self, tokenizer: Tokenizer, group: int, filling: int) -> None:
        slots = tokenizer.slot_mask()
        slots[:, [tokenizer.word_id, tokenizer.end_id]] = False
        n_slots, n_ids = slots.shape
        self.first = filling
        phases, following = [], []
        for word in range(group):
            for _ in range(filling):
                phases.append(np.arange(n_ids) == tokenizer.pad_id)
                following.append(np.full(n_ids, len(phases)))
            for slot in range(n_slots):
                phases.append(slots[slot])
                following.append(np.full(n_ids, len(phases)))
            is_last = word == group - 1
            end = tokenizer.end_id if is_last else tokenizer.word_id
            later_slots = np.full(n_ids, len(phases) - n_slots + 1)
            phases.append(slots[0] | (np.arange(n_ids) == end))
            later_slots[end] = len(phases)
            following.append(later_slots)
        phases.append(np.ones(n_ids, bool))
        following.append(np.full(n_ids, len(phases) - 1))
        self.allowed, self.following = np.stack(phases), np.stack(following)


class Decoder:
    """Samples the tokens of B rows on the device, without waiting for it.

    On a GPU the tokens of a group are captured as one CUDA graph, anew when the rows or the room of
    the cache change: to queue its hundreds of operations one by one takes far longer than to run
    them.

    Args:
        model: The model.
        sampler: How a token is sampled.
        constraints: Which ids may come next.
        state: The rows after their prompt.
        logits: (B, V) of their first token.
        uniforms: (B, T) random numbers in [0, 1), one for each token.
        captures: Whether shapes stay the same, so that a GPU can capture graphs.

    Attributes:
        tokens: (B, T) ids that were sampled.
        nll: (B, T) their negative log-likelihoods at temperature 1.
    """

    def __init__(
        self,
        model: Model,
        sampler: Sampler,
        constraints: TokenConstraints,
        state: DecodingState,
        logits: torch.Tensor,
        uniforms: torch.Tensor,
        captures: bool,
    ) -> None:
        device = logits.device
        self.model, self.sampler, self.state, self.logits = model, sampler, state, logits
        self.uniforms, self.captures = uniforms, captures
        self.group_tokens = len(model.config.slot_sizes)
        forbidden = torch.as_tensor(~constraints.allowed, device=device)
        self.penalty = torch.zeros(forbidden.shape, device=device)
        self.penalty.masked_fill_(forbidden, -torch.inf)
        self.following = torch.as_tensor(constraints.following, device=device)
        self.phase = torch.full((len(logits),), constraints.first, device=device)
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self.tokens = torch.zeros(uniforms.shape, dtype=torch.long, device=device)
        self.nll = torch.zeros(uniforms.shape, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._positions = 0  # of the cache that a group takes
        self._can_capture = logits.is_cuda
        state.cache.static = captures

    def advance(self, n_tokens: int) -> None:
        """Sample the next tokens of each row: of whole groups, but for the last ones."""
        if not self.captures:
            for _ in range(n_tokens):
                self._sample_token()
            return
        n_groups, rest = divmod(n_tokens, self.group_tokens)
        if self.state.cache.reserve(n_tokens):
            self._graph = None
        for _ in range(n_groups):
            self._sample_group()
        for _ in range(rest):
            self._sample_token()

    def select_rows(self, rows: torch.Tensor) -> None:
        """Keep only the rows of the index tensor `rows`."""
        self.state.select_rows(rows)
        self.logits, self.phase = self.logits[rows], self.phase[rows]
        self.uniforms, self.tokens, self.nll = (
            self.uniforms[rows],
            self.tokens[rows],
            self.nll[rows],
        )
        self._graph = None

    def _sample_token(self) -> None:
        logits = self.logits + self.penalty[self.phase]
        uniforms = self.uniforms.index_select(1, self.step)[:, 0]
        token = sample(self.sampler.probabilities(logits), uniforms)
        self.tokens.index_copy_(1, self.step, token[:, None])
        self.nll.index_copy_(1, self.step, _token_nll(logits, token)[:, None])
        self.phase = self.following[self.phase, token]
        self.step += 1
        self.logits = self.model.decode_one_token(self.state, token)

    def _sample_group(self) -> None:
        """Sample a group: queue its operations the first time, then capture and replay them."""
        cache = self.state.cache
        if self._graph is not None:
            self._graph.replay()
            cache.longest += self._positions
            return
        before = cache.longest
        self._sample_in_place()  # also what the libraries do at first
        self._positions = cache.longest - before
        if self._can_capture:
            self._capture()

    def _capture(self) -> None:
        """Capture a group, which runs nothing; where that fails, never try it again."""
        cache, changing = self.state.cache, self._changing()
        longest, stream = cache.longest, torch.cuda.current_stream()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._sample_in_place()
            self._graph = graph
        except RuntimeError:
            self._can_capture = False
            torch.cuda.set_stream(stream)
            self._set_changing(changing)
        cache.longest = longest

    def _sample_in_place(self) -> None:
        """Sample a group, and write what it replaces into the tensors that it read."""
        before = self._changing()
        for _ in range(self.group_tokens):
            self._sample_token()
        for old, new in zip(before, self._changing()):
            old.copy_(new)
        self._set_changing(before)

    def _changing(self) -> list[torch.Tensor]:
        return [self.logits, self.phase, *self.state.tensors()]

    def _set_changing(self, tensors: Sequence[torch.Tensor]) -> None:
        self.logits, self.phase, *state = tensors
        self.state.set_tensors(state)


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
    on_gpu = device.type == "cuda"
    n_rows, group = len(batch.rows), len(batch.rows[0])
    text = encode_texts(model, tokenizer, batch.rows, batch.primer)
    state, logits = model.prefill(
        torch.as_tensor(prompt_groups(tokenizer, batch.primer), device=device),
        torch.as_tensor(text, device=device),
        torch.tensor(batch.authors, device=device),
        MIN_OFFSETS,
    )
    filling = tokenizer.n_slots - 1 if model.fills_words else 0
    constraints = TokenConstraints(tokenizer, group, filling)
    uniforms = torch.as_tensor(batch.uniforms, device=device)
    decoder = Decoder(model, sampler, constraints, state, logits, uniforms, captures=on_gpu)

    n_tokens = batch.uniforms.shape[1]
    ids = np.full(batch.uniforms.shape, tokenizer.pad_id)
    nll = np.zeros(batch.uniforms.shape, np.float32)
    active = np.arange(n_rows)  # rows of the batch that are in the cache
    ended = np.zeros(n_rows, bool)  # which of them have ended
    interval = tokenizer.n_slots * (GPU_POLL_GROUPS if on_gpu else CPU_POLL_GROUPS)
    for start in range(0, n_tokens, interval):
        stop = min(start + interval, n_tokens)
        with torch.cuda.device_of(logits):
            decoder.advance(stop - start)
        new_ids, new_nll = _fetch(decoder, start, stop)
        is_end = new_ids == tokenizer.end_id
        after_end = ended[:, None] | (is_end.cumsum(1) > is_end)
        after_end |= np.arange(start, stop) >= batch.max_tokens[active, None]
        ids[active, start:stop] = np.where(after_end, tokenizer.pad_id, new_ids)
        nll[active, start:stop] = np.where(after_end, 0, new_nll)
        at_end = is_end.any(1) | (stop >= batch.max_tokens[active])
        if progress:
            progress(group * int((at_end & ~ended).sum()))
        ended |= at_end
        if ended.all():
            break
        if ended.mean() > MAX_ENDED_FRACTION:
            kept = np.flatnonzero(~ended)
            active, ended = active[kept], ended[kept]
            decoder.select_rows(torch.as_tensor(kept).to(device, non_blocking=True))
    return ids, nll


def _fetch(decoder: Decoder, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the nll of tokens `start` to `stop`, (B, stop - start) each.

    Waits for the device, once.
    """
    nll = decoder.nll[:, start:stop]
    both = torch.stack([decoder.tokens[:, start:stop].to(nll.dtype), nll]).cpu().numpy()
    return both[0].astype(int), both[1]


def _token_nll(logits: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood (B,) of tokens (B,) under logits (B, V)."""
    return logits.logsumexp(-1) - logits.gather(-1, token[:, None])[:, 0]
