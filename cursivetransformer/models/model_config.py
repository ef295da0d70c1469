"""The shape of a model: what its weights need to have their sizes."""

from dataclasses import asdict, dataclass
from typing import Any

from cursivetransformer.config.train import Config
from cursivetransformer.data.tokenizer import Tokenizer

# Fields of `ModelConfig` that are settings of a run under the same name.
SETTINGS = ("model", "n_layer", "n_embd", "n_head", "n_ctx_head", "n_embd_context")


@dataclass
class ModelConfig:
    """The shape of a model.

    Attributes:
        model: "offset" for `OffsetGPT`, "token" for `TokenGPT`.
        n_layer: blocks.
        n_embd: width of the model, C.
        n_head: heads of the self-attention.
        n_ctx_head: heads of the cross-attention to the text.
        n_embd_context: width of the encoded text.
        slot_sizes: number of ids of each of an offset's tokens. The next three ids are WORD, END
            and PAD.
        n_chars: number of character ids, including the padding 0.
        space_id: character id of the space.
        mean_width: mean width of a character, in canvas heights.
        max_length: tokens of context.
        max_text: characters of context, with a space after each word.
        authors: names of the writers that the model tells apart. The first name is writer 1;
            writer 0 is anybody else.
    """

    model: str
    n_layer: int
    n_embd: int
    n_head: int
    n_ctx_head: int
    n_embd_context: int
    slot_sizes: list[int]
    n_chars: int
    space_id: int
    mean_width: float
    max_length: int
    max_text: int
    authors: list[str]

    @classmethod
    def from_settings(
        cls,
        settings: Config,
        tokenizer: Tokenizer,
        mean_width: float,
        max_text: int,
        authors: list[str],
    ) -> "ModelConfig":
        """Build the shape from a run's settings, its tokenizer, and three measures of its bank."""
        return cls(
            **{name: getattr(settings, name) for name in SETTINGS},
            slot_sizes=[int(size) for size in tokenizer.slot_sizes],
            n_chars=tokenizer.n_chars,
            space_id=int(tokenizer.encode_text(" ")[0]),
            mean_width=float(mean_width),
            max_length=settings.max_seq_length,
            max_text=max_text,
            authors=list(authors),
        )

    @property
    def word_id(self) -> int:
        """Token id of WORD, the first after those of all slots."""
        return sum(self.slot_sizes)

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.word_id + 3

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for a checkpoint."""
        return asdict(self)
