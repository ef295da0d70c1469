"""The two models, and how to make one.

Both have the methods

    nll(packed, width)                            summed loss of a `PackedBatch`, to train on
    prefill(prompt, text, authors, capacity)      a decoding state, and the first token's logits
    decode_one_token(state, token)                the logits of the token after `token`
    cross_attention_weights(prompt, text, author) how much each group of known ink attends to each
                                                  character of its text
    hidden_matrices()                             matrices between hidden layers, which Muon trains
"""

from typing import TypeAlias

from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.models.model_config import ModelConfig
from cursivetransformer.models.offset_gpt import OffsetGPT
from cursivetransformer.models.token_gpt import TokenGPT

Model: TypeAlias = OffsetGPT | TokenGPT


def make_model(config: ModelConfig, tokenizer: Tokenizer) -> Model:
    """Make a model of the shape `config`, with new weights, for the tokens of `tokenizer`."""
    if config.model == "offset":
        return OffsetGPT(config, tokenizer.ink_table())
    return TokenGPT(config)
