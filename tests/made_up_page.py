"""Pages of made-up words, for tests of what is done with pages."""

import dataclasses

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.layout.typesetter import lay_out
from tests.made_up import made_up_words


def settings(**changed):
    """A `SampleConfig`."""
    return dataclasses.replace(SampleConfig(), **changed)


def made_up_pages(n_words=30, **changed):
    """`page.Page`s of that many words."""
    words = made_up_words(n_words)
    hand = HandStatistics.of([word.points for word in words], [word.text for word in words])
    return list(
        lay_out(
            [PlacedWord(word.text, word.points) for word in words],
            settings(**changed),
            hand.x_height,
        )
    )
