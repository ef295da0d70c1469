"""Which models there are, and the shape of one. What they have in common:

nats(packed, width)      the sum of the losses of a `packing.PackedBatch` batch, to train on
begin(prompt, text, ...) a state and the logits of the first token, to write with
next(state, token)       the logits of the token after it
looks(prompt, text, ...) which characters each part of known ink looks at
"""

from dataclasses import asdict, dataclass

from cursivetransformer.models.offset_gpt import OffsetGPT
from cursivetransformer.models.token_gpt import TokenGPT


@dataclass
class ModelConfig:
    """The shape of a model, and what it must know of the tokens and of the hand.

    slot_sizes: ids of each of an offset's tokens; WORD, END and PAD are the next three ids. n_chars: character ids, the
    padding 0 counted in; space_id: that of the space. mean_width: of a character, in canvas heights. max_length: tokens of
    context; max_text: characters of context, with a space after each word. authors: the names of the writers that it can tell apart;
    writer 0 is any other, the first name is writer 1.
    """

    model: str
    n_layer: int
    n_embd: int
    n_head: int
    n_ctx_head: int
    n_embd_context: int
    slot_sizes: list
    n_chars: int
    space_id: int
    mean_width: float
    max_length: int
    max_text: int
    authors: list

    @classmethod
    def from_settings(cls, settings, tokenizer, mean_width, max_text, authors):
        """The shape that the settings of a run (a `config.Config`) ask for, with what they leave open."""
        named = ("model", "n_layer", "n_embd", "n_head", "n_ctx_head", "n_embd_context")
        return cls(
            **{name: getattr(settings, name) for name in named},
            slot_sizes=[int(size) for size in tokenizer.slot_sizes],
            n_chars=tokenizer.n_chars,
            space_id=int(tokenizer.encode_text(" ")[0]),
            mean_width=float(mean_width),
            max_length=settings.max_seq_length,
            max_text=max_text,
            authors=list(authors),
        )

    @property
    def word_id(self):
        """Id of WORD, the first after all slots'."""
        return sum(self.slot_sizes)

    @property
    def vocab_size(self):
        """Number of token ids."""
        return self.word_id + 3

    def as_dict(self):
        """Plain values, for a checkpoint."""
        return asdict(self)


def make_model(config, tokenizer):
    """A model with new weights, of the shape that `config` says, for the tokens of `tokenizer`."""
    return (
        OffsetGPT(config, tokenizer.ink_table()) if config.model == "offset" else TokenGPT(config)
    )
