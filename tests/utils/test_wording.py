"""Words of messages."""

from cursivetransformer.utils.wording import plural


def test_a_count_has_the_noun_that_it_needs():
    assert [plural(n, "word") for n in (0, 1, 2)] == ["0 words", "1 word", "2 words"]
    assert [plural(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
