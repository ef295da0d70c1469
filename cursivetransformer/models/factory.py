"""The two models, and how to make one."""

from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.models.base import Model
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.offset_gpt import OffsetGPT
from cursivetransformer.models.token_gpt import TokenGPT


def make_model(config: ModelConfig, tokenizer: Tokenizer) -> Model:
    """Make a model of the shape `config`, with new weights, for the tokens of `tokenizer`."""
    if config.model == "offset":
        return OffsetGPT(config, tokenizer.ink_table())
    return TokenGPT(config)
