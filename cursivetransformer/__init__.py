"""cursivetransformer: a personal handwriting, learnt by a small GPT and written out again."""

__version__ = "0.1.0"
