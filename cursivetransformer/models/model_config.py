"""The shape of a model: what its weights need to have their sizes."""

from dataclasses import asdict, dataclass
from typing import Any

from cursivetransformer.config.args import check_value, setting_fields
from cursivetransformer.config.train import Config
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.utils.schema import Count, Positive

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
    n_layer: Count
    n_embd: Count
    n_head: Count
    n_ctx_head: Count
    n_embd_context: Count
    slot_sizes: list[Count]
    n_chars: Count
    space_id: Count
    mean_width: Positive
    max_length: Count
    max_text: Count
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

    def check(self, tokenizer: Tokenizer, n_weights: int) -> None:
        """Check the shape of a stored model, before memory is taken for it.

        Args:
            tokenizer: that is stored with it.
            n_weights: number of weights that are stored with it.

        Raises:
            ValueError: the shape is not one that a run may have, or does not fit what is stored.
            UserError: likewise.
        """
        for setting in setting_fields(Config):
            if setting.name in SETTINGS:
                name = f"model_config.{setting.name}"
                check_value(setting, getattr(self, setting.name), name)
        if self.n_embd % self.n_head or self.n_embd % self.n_ctx_head:
            raise ValueError("model_config.n_embd is no multiple of the numbers of heads")
        fitting = (
            ("slot_sizes", [int(n) for n in tokenizer.slot_sizes]),
            ("n_chars", tokenizer.n_chars),
            ("space_id", int(tokenizer.encode_text(" ")[0])),
        )
        for name, value in fitting:
            if getattr(self, name) != value:
                raise ValueError(f"model_config.{name} is not that of the tokenizer")
        if self._min_weights() > n_weights:
            raise ValueError("model_config is that of a larger model than the weights are of")

    def _min_weights(self) -> int:
        """Return a number of weights that a model of this shape has at least."""
        positions = self.max_length if self.model == "token" else 0
        rows = positions + self.vocab_size + len(self.authors)
        text_rows = self.n_chars + self.max_text
        return (
            4 * self.n_layer * self.n_embd**2 + rows * self.n_embd + text_rows * self.n_embd_context
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
