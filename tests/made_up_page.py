"""Pages of made-up words, for tests of layout and rendering."""

import dataclasses

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.layout.typesetter import lay_out
from tests.made_up import made_up_words


def settings(**changed):
    """Return a `SampleConfig` with these changes."""
    return dataclasses.replace(SampleConfig(), **changed)


def made_up_pages(n_words=30, **changed):
    """Lay out this many words; return the pages."""
    words = made_up_words(n_words)
    hand = HandStatistics.from_words([word.points for word in words], [word.text for word in words])
    return list(
        lay_out(
            [PlacedWord(word.text, word.points) for word in words],
            settings(**changed),
            hand.x_height,
        )
    )
