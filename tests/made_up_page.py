"""Pages of made-up words, for tests of what is done with pages."""

import dataclasses

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.normalize import Hand
from cursivetransformer.layout.page import Ink
from cursivetransformer.layout.typesetter import lay_out
from tests.made_up import made_up_words


def settings(**changed):
    """A `SampleConfig`."""
    return dataclasses.replace(SampleConfig(), **changed)


def made_up_pages(n_words=30, **changed):
    """`page.Page`s of that many words."""
    words = made_up_words(n_words)
    hand = Hand.of([word.points for word in words], [word.text for word in words])
    return list(
        lay_out([Ink(word.text, word.points) for word in words], settings(**changed), hand.x_height)
    )
