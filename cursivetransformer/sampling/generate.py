"""Words -> their ink, in tiny steps: prefill, then draw one token for every word at a time.

Every word is a row of its own, so a page is written in the time of its longest word. Knows no lines and no pictures.
"""

from dataclasses import dataclass

import numpy as np
import torch

from cursivetransformer.ink.preview import ink_svg
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.utils.errors import UserError

ROWS_AT_ONCE = 128  # words written together: bounds the memory for a text of any length
MOST_OFFSETS_PER_CHAR = (
    60  # a word that takes more has gone astray: the densest of a real bank takes 38, most take 23
)
FEWEST_OFFSETS = 90  # allowed to any word
STALE_SHARE = (
    0.25  # finished rows are dropped from the cache when they are more than this share of it
)


@dataclass
class GeneratedWord:
    """A word as a model wrote it; a notebook shows its ink.

    points: (n, 3), the left edge at x = 0, the baseline at y = 0; finished: it came to its END;
    nll: minus the log-probability of its tokens at temperature 1, in nats; reading: what a recognizer
    reads, None if none was asked; versions: how many were drawn; replaces: the word that it was
    written anew for, or None.
    """

    text: str
    points: np.ndarray
    finished: bool
    nll: float = 0.0
    reading: str | None = None
    versions: int = 1
    replaces: "GeneratedWord | None" = None

    @property
    def doubtful(self) -> bool:
        """Whether it may be misspelt: it was misread, or did not come to its end."""
        return not self.finished or self.reading not in (None, self.text)

    def __repr__(self) -> str:
        read = "" if self.reading is None else f", read as {self.reading!r}"
        return f"<{self.text!r}{read}, {len(self.points)} points>"

    def _repr_svg_(self) -> str:
        return ink_svg(self.points)


def in_rows(words, group):
    """Words in rows of `group`; a last row that lacks some is filled with words from the front."""
    filled = words + [words[i % len(words)] for i in range(-len(words) % group)]
    return [filled[i : i + group] for i in range(0, len(filled), group)]


def generate_words(model, tokenizer, words, group=1, **options):
    """Write each of `words` (a list of texts without spaces); returns a list of `GeneratedWord`.

    group: words in a row, which must be a number that the model was trained on; options: those of `generate_rows`.
    """
    rows = generate_rows(model, tokenizer, in_rows(words, group), **options)
    return [word for row in rows for word in row][: len(words)]


@torch.inference_mode()
def generate_rows(
    model,
    tokenizer,
    rows,
    streams=None,
    authors=0,
    primer=None,
    temperature=0.6,
    top_k=0,
    top_p=0.95,
    seed=0,
    progress=None,
):
    """Write rows of words, each row a list of texts and all of one length; returns lists of `GeneratedWord`.

    authors: who writes, one for all rows or one for each, as in `ModelConfig.authors` from 1, 0 for nobody known. primer: a `Word` or
    `GeneratedWord` whose ink is put before every row to set its style, or None. temperature: 0 takes the likeliest
    token. top_k, top_p: draw from the likeliest tokens only. The same seed on the same device gives the same ink; streams: for each
    row a tuple of whole numbers that, with the seed, choose its random numbers, so that its ink does not depend on its
    neighbours (default: its index). progress: called with the number of words finished since its last call.
    """
    streams = [(i,) for i in range(len(rows))] if streams is None else streams
    authors = np.broadcast_to(authors, len(rows))
    written = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        allowed = _allowed_tokens(model, tokenizer, part, primer)
        uniforms = np.stack(
            [
                np.random.default_rng([seed, *loader]).random(allowed.max(), np.float32)
                for loader in streams[start : start + ROWS_AT_ONCE]
            ]
        )
        tokens, nll = _decode(
            model,
            tokenizer,
            part,
            authors[start : start + ROWS_AT_ONCE],
            primer,
            allowed,
            uniforms,
            (temperature, top_k, top_p),
            progress,
        )
        written += [_to_words(tokenizer, *row) for row in zip(part, tokens, nll)]
    return written


def _to_words(tokenizer, texts, ids, nll):
    """The drawn ids of one row and the nats of each -> a `GeneratedWord` for each of its texts; those it did not come to are empty."""
    inks = tokenizer.decode_words(np.append(tokenizer.word_id, ids[ids != tokenizer.pad_id]))
    ended = len(inks) if tokenizer.end_id in ids else len(inks) - 1
    empty = np.zeros((0, 3), np.float32)
    starts = np.append(
        0, ids[:-1] == tokenizer.word_id
    ).cumsum()  # a word's nats are its own and its end's
    nll = np.bincount(starts, nll, len(texts))
    return [
        GeneratedWord(
            text,
            _placed(offsets_to_points(inks[i])) if i < len(inks) else empty,
            i < ended,
            float(nll[i]),
        )
        for i, text in enumerate(texts)
    ]


def _placed(points):
    """Generated points, moved so that the left edge of the ink is x = 0: the model knows it only roughly."""
    if len(points):
        points[:, 0] -= points[:, 0].min()
    return points


def _allowed_tokens(model, tokenizer, rows, primer):
    """(B,) how many tokens each row may take before it counts as astray."""
    offsets = [
        sum(max(FEWEST_OFFSETS, MOST_OFFSETS_PER_CHAR * len(word)) for word in row) for row in rows
    ]
    allowed = np.array(offsets) * tokenizer.n_slots + len(rows[0])  # WORD and END count too
    if model.bounded:
        allowed = np.minimum(
            allowed,
            model.config.max_length
            - np.count_nonzero(prompt_of(tokenizer, primer) != tokenizer.pad_id),
        )
    return allowed


def prompt_of(tokenizer, primer):
    """(P, slots) the groups before the first token that is drawn: WORD, or WORD primer WORD."""
    word = np.full((1, tokenizer.n_slots), tokenizer.pad_id)
    word[0, 0] = tokenizer.word_id
    if primer is None:
        return word
    return np.concatenate(
        [word, tokenizer.encode_offsets(points_to_offsets(primer.points))[0], word]
    )


def context_of(model, tokenizer, rows, primer):
    """(B, S) character ids of what each row spells, primer first, a space after each word. Raises `UserError` where that is too long."""
    prefix = [primer.text] if primer else []
    texts = [tokenizer.encode_text(" ".join(prefix + row) + " ") for row in rows]
    if max(map(len, texts)) > model.config.max_text:
        word = max((word for row in rows for word in row), key=len)
        raise UserError(
            f"this model reads at most {model.config.max_text - 1} characters at once; break the word {word[:30]!r} "
            f"({len(word)} characters)"
        )
    context = np.zeros((len(texts), max(map(len, texts))), np.int64)
    for row, text in zip(context, texts):
        row[: len(text)] = text
    return context


class TokenConstraints:
    """Which ids may come next in each row: a slot's own; WORD after a word that is not the last; END after the last.

    filling: PADs that a WORD is followed by, see `fills_words` of the models.
    """

    def __init__(self, tokenizer, n_rows, group, filling, device):
        self.tokenizer, self.filling = tokenizer, filling
        self.written = np.zeros(n_rows, int)  # tokens since the last WORD and its filling
        self.words_left = np.full(n_rows, group - 1)  # after the present one
        slots = tokenizer.slot_mask()
        slots[:, [tokenizer.word_id, tokenizer.end_id]] = False
        # Each slot; then the first one with WORD, the first one with END, and filling.
        self.masks = np.concatenate([slots, slots[:1], slots[:1], np.zeros_like(slots[:1])])
        self.masks[-3, tokenizer.word_id] = self.masks[-2, tokenizer.end_id] = self.masks[
            -1, tokenizer.pad_id
        ] = True
        self.masks = torch.as_tensor(self.masks, device=device)

    def allowed(self):
        """(B, V) booleans. A word of no ink is no word, so it cannot end at once."""
        n_slots = self.tokenizer.n_slots
        slot = self.written % n_slots
        may_end = (slot == 0) & (self.written > 0)
        state = np.where(may_end, n_slots + (self.words_left == 0), slot)
        state[self.written < 0] = n_slots + 2
        return self.masks[torch.as_tensor(state, device=self.masks.device)]

    def accept(self, ids):
        """Count the (B,) ids that were drawn."""
        new_word = ids == self.tokenizer.word_id
        self.written = np.where(new_word, -self.filling, self.written + 1)
        self.words_left = self.words_left - new_word

    def select_rows(self, rows):
        self.written, self.words_left = self.written[rows], self.words_left[rows]


def _decode(model, tokenizer, rows, authors, primer, allowed, uniforms, filters, progress=None):
    """Draw the tokens of all rows, at most `allowed` (B,) of each. luck: (B, most) in [0, 1). Returns (B, most) ids, PAD behind,
    and (B, most) minus the log-probability of each, 0 behind."""
    device = next(model.parameters()).device
    prompt = torch.as_tensor(prompt_of(tokenizer, primer), device=device)
    text = torch.as_tensor(context_of(model, tokenizer, rows, primer), device=device)
    drawn, nll = np.full(uniforms.shape, tokenizer.pad_id), np.zeros(uniforms.shape, np.float32)
    uniforms = torch.as_tensor(uniforms, device=device)
    filling = (tokenizer.n_slots - 1) * model.fills_words
    grammar = TokenConstraints(tokenizer, len(rows), len(rows[0]), filling, device)
    alive = np.arange(len(rows))  # which row each row of the state writes
    ended = np.zeros(len(rows), bool)  # of those
    state, logits = model.prefill(
        prompt, text, torch.tensor(authors, device=device), FEWEST_OFFSETS
    )
    for n in range(drawn.shape[1]):
        logits = logits.masked_fill(~grammar.allowed(), -torch.inf)
        token = draw(probabilities(logits, *filters), uniforms[:, n])
        ids = np.where(ended, tokenizer.pad_id, token.cpu().numpy())
        grammar.accept(ids)
        drawn[alive, n] = ids
        nll[alive, n] = np.where(
            ended, 0, (logits.logsumexp(-1) - logits.gather(-1, token[:, None])[:, 0]).cpu().numpy()
        )
        ends = ~ended & ((ids == tokenizer.end_id) | (n + 1 >= allowed[alive]))
        if progress:
            progress(len(rows[0]) * int(ends.sum()))
        ended |= ends
        if ended.all():
            break
        if ended.mean() > STALE_SHARE:
            going = np.flatnonzero(~ended)
            grammar.select_rows(going)
            alive, ended = alive[going], ended[going]
            going = torch.as_tensor(going, device=device)
            state.select_rows(going)
            token, uniforms = token[going], uniforms[going]
        logits = model.decode_one_token(state, token)
    return drawn, nll


def probabilities(logits, temperature=1.0, top_k=0, top_p=1.0):
    """(B, V) logits -> (B, V) probabilities: temperature, then top-k, then nucleus sampling (Holtzman et al. 2019, arXiv:1904.09751).

    With temperature 0 the likeliest token has probability 1.
    """
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    p = torch.softmax(logits.float() / temperature, dim=-1)
    if top_k and top_k < p.shape[-1]:
        p = p.masked_fill(p < p.topk(top_k).values[:, -1:], 0)
    if top_p < 1:
        ordered, order = p.sort(dim=-1, descending=True)
        # A token stays while those before it hold less than top_p, so the likeliest always does.
        cut = ordered.cumsum(-1) - ordered >= top_p * ordered.sum(-1, keepdim=True)
        p = p.scatter(-1, order, ordered.masked_fill(cut, 0))
    return p / p.sum(-1, keepdim=True)


def draw(p, uniforms):
    """(B, V) probabilities and (B,) numbers in [0, 1) -> (B,) token ids, by the inverse of the cumulative distribution."""
    cumulative = p.cumsum(-1)
    # Just below 1, so that rounding never leads past the last token that has a probability.
    target = uniforms.clamp(max=1 - 1e-6)[:, None] * cumulative[:, -1:]
    return (cumulative <= target).sum(-1)
