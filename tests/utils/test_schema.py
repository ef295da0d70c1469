"""Plain values of a file become a dataclass only if each has the type of its field."""

from dataclasses import dataclass, field

import pytest

from cursivetransformer.utils.schema import Count, Fraction, Number, from_plain
from cursivetransformer.utils.wording import quote


@dataclass
class Shelf:
    n_books: Count
    full: Fraction = 0.0
    heights: list[Number] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


def test_values_that_fit_come_back():
    values = {"n_books": 3, "full": 1, "heights": [1.5, 2], "places": {"a": "b"}}
    assert from_plain(Shelf, values) == Shelf(3, 1, [1.5, 2], {"a": "b"})
    assert from_plain(Shelf, {"n_books": 0}) == Shelf(0)


@pytest.mark.parametrize(
    "values, key",
    [
        ({"n_books": True}, "shelf.n_books"),
        ({"n_books": "3"}, "shelf.n_books"),
        ({"n_books": 3.0}, "shelf.n_books"),
        ({"n_books": -1}, "shelf.n_books"),
        ({"n_books": 2**64}, "shelf.n_books"),
        ({}, "shelf.n_books"),
        ({"n_books": 1, "full": 1.1}, "shelf.full"),
        ({"n_books": 1, "full": float("nan")}, "shelf.full"),
        ({"n_books": 1, "heights": [1, float("inf")]}, "shelf.heights.1"),
        ({"n_books": 1, "heights": 5}, "shelf.heights"),
        ({"n_books": 1, "places": {"a": 5}}, "shelf.places.a"),
        ({"n_books": 1, "colour": "red"}, "shelf.colour"),
        ([1], "shelf"),
        (None, "shelf"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values, key):
    with pytest.raises(ValueError, match=f"^{key}[: ]"):
        from_plain(Shelf, values, "shelf")


def test_what_a_message_quotes_is_short_and_plain():
    assert quote("Zoë") == "Zoë"
    assert quote("\x1b[31m\ud800") == r"\x1b[31m\ud800"
    assert len(quote("x" * 10_000)) < 300
