"""Tokenizers: offsets and texts survive encoding and decoding, within the stated error."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cursivetransformer.bank.word import Word
from cursivetransformer.data.tokenizer import (
    MAX_RADIUS,
    TOKENIZERS,
    default_radius_edges,
    fold_text,
    make_tokenizer,
    tokenizer_from_state,
)
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets

ROUNDING = 1e-6  # of float32
every_tokenizer = pytest.mark.parametrize("name", list(TOKENIZERS))
radii = st.one_of(st.just(0.0), st.floats(1e-5, 3.9))
offset_lists = st.lists(
    st.tuples(radii, st.floats(-np.pi, np.pi), st.integers(0, 1)), min_size=1, max_size=40
)


def as_offsets(polar: Sequence[tuple[float, float, float]] | np.ndarray) -> np.ndarray:
    """Return (r, theta, pen) as (n, 3) offsets."""
    r, theta, pen = np.array(polar, np.float64).T
    return np.column_stack([r * np.cos(theta), r * np.sin(theta), pen]).astype(np.float32)


@every_tokenizer
@given(offset_lists)
def test_round_trip_stays_within_the_stated_error(
    name: str, drawn: list[tuple[float, float, int]]
) -> None:
    tokenizer, offsets = make_tokenizer(name, "ab"), as_offsets(drawn)
    tokens, clamped = tokenizer.encode_offsets(offsets)
    decoded = tokenizer.decode_offsets(tokens)
    assert clamped == 0
    assert (
        np.hypot(*(decoded - offsets)[:, :2].T) <= tokenizer.error_bound(offsets) + ROUNDING
    ).all()
    np.testing.assert_array_equal(decoded[:, 2], offsets[:, 2])
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize("name", ["polar", "shoot_then_point"])
@given(offset_lists)
def test_decoded_offsets_are_fixed_points(name: str, drawn: list[tuple[float, float, int]]) -> None:
    """A bin's center falls into its own bin, so ink that was decoded once never changes again."""
    tokenizer = make_tokenizer(name, "ab")
    once = tokenizer.decode_offsets(tokenizer.encode_offsets(as_offsets(drawn))[0])
    twice = tokenizer.decode_offsets(tokenizer.encode_offsets(once)[0])
    moved = once[:, :2].any(axis=1)  # an offset of length 0 has no direction to keep
    np.testing.assert_allclose(twice[moved], once[moved], atol=1e-4)


@every_tokenizer
def test_words_come_back_within_the_sum_of_the_errors(name: str, words: list[Word]) -> None:
    tokenizer = make_tokenizer(name, "".join(word.text for word in words))
    sample = [points_to_offsets(downsample(word.points, 0.65)) for word in words[:150]]
    tokens = tokenizer.encode_words(sample)
    assert tokens[0] == tokenizer.word_id and tokens[-1] == tokenizer.end_id
    for offsets, decoded in zip(sample, tokenizer.decode_words(tokens), strict=True):
        moved = np.hypot(*(offsets_to_points(decoded) - offsets_to_points(offsets))[:, :2].T)
        assert (moved <= np.cumsum(tokenizer.error_bound(offsets)) + 1e-4).all()
        np.testing.assert_array_equal(decoded[:, 2], offsets[:, 2])


@every_tokenizer
def test_there_is_no_seam_at_pi(name: str) -> None:
    tokenizer = make_tokenizer(name, "a")
    just_below, just_above, at = np.pi - 1e-4, -np.pi + 1e-4, -np.pi
    tokens, _ = tokenizer.encode_offsets(
        as_offsets([(0.03, just_below, 1), (0.03, just_above, 1), (0.03, at, 1)])
    )
    assert (tokens == tokens[0]).all()


def test_theta_uses_every_bin_evenly() -> None:
    tokenizer = make_tokenizer("polar", "a")
    theta = np.linspace(-np.pi, np.pi, 220_000, endpoint=False)
    tokens, _ = tokenizer.encode_offsets(
        as_offsets(np.column_stack([np.full_like(theta, 0.03), theta, np.ones_like(theta)]))
    )
    counts = np.bincount(tokens[:, 0])
    assert len(counts) == 220 and counts.min() >= 998 and counts.max() <= 1002


def test_decoding_has_no_bias() -> None:
    tokenizer = make_tokenizer("polar", "a")
    r = np.random.default_rng(0).uniform(0.0005, 0.05, 200_000)
    offsets = np.column_stack([r, np.zeros_like(r), np.ones_like(r)]).astype(np.float32)
    error = tokenizer.decode_offsets(tokenizer.encode_offsets(offsets)[0])[:, 0] - offsets[:, 0]
    assert abs(error.mean()) < 5e-6 and np.abs(error).max() <= 0.0005 + ROUNDING


@every_tokenizer
def test_large_radii_are_clamped_and_counted(name: str) -> None:
    tokenizer = make_tokenizer(name, "a")
    tokens, clamped = tokenizer.encode_offsets(
        as_offsets([(MAX_RADIUS * 1.01, 0.5, 1), (70.0, 0.5, 0), (1.0, 0.5, 1)])
    )
    r = np.hypot(*tokenizer.decode_offsets(tokens)[:, :2].T)
    assert (
        clamped == 2
        and r[0] == pytest.approx(tokenizer.radius_centers[-1])
        and r[1] == pytest.approx(r[0])
    )


@every_tokenizer
def test_repeated_points_stay_where_they_were(name: str) -> None:
    tokenizer = make_tokenizer(name, "a")
    tokens, _ = tokenizer.encode_offsets(np.array([[0, 0, 1], [0, 0, 0]], np.float32))
    np.testing.assert_array_equal(tokenizer.decode_offsets(tokens), [[0, 0, 1], [0, 0, 0]])


@every_tokenizer
@given(st.data())
@settings(max_examples=30)
def test_slots_say_which_ids_may_stand_where(name: str, data: st.DataObject) -> None:
    tokenizer = make_tokenizer(name, "a")
    tokens, _ = tokenizer.encode_offsets(as_offsets(data.draw(offset_lists)))
    mask = tokenizer.slot_mask()
    for slot in range(tokenizer.n_slots):
        assert mask[slot, tokens[:, slot]].all()
    assert (
        mask[0, tokenizer.word_id]
        and mask[0, tokenizer.end_id]
        and not mask[:, tokenizer.pad_id].any()
    )
    with pytest.raises(ValueError):
        tokenizer.decode_offsets(np.roll(tokens.reshape(-1), 1))


def test_radius_edges_ascend_without_gaps() -> None:
    edges = default_radius_edges()
    steps = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == MAX_RADIUS and (steps > 0).all()
    assert (steps[52:] > steps[51:-1]).all(), "beyond the linear part bins must grow"


def test_a_word_cut_short_keeps_its_whole_offsets() -> None:
    tokenizer = make_tokenizer("polar", "a")
    tokens = tokenizer.encode_words([as_offsets([(0.1, 0, 1), (0.1, 1, 0)])])
    assert len(tokenizer.decode_words(tokens[:-2])[0]) == 1


@every_tokenizer
def test_a_tokenizer_comes_back_from_its_state(name: str) -> None:
    tokenizer = make_tokenizer(name, "héllo")
    again = tokenizer_from_state(tokenizer.state())
    offsets = as_offsets([(0.02, 1.1, 1), (0.7, -2, 0)])
    np.testing.assert_array_equal(
        again.encode_offsets(offsets)[0], tokenizer.encode_offsets(offsets)[0]
    )
    np.testing.assert_array_equal(again.encode_text("hé l"), tokenizer.encode_text("hé l"))
    for changes, key in [
        (dict(slot_sizes=[1, 2, 3]), "slot_sizes"),
        (dict(name="round"), "name"),
        (dict(alphabet="ba "), "alphabet"),
        (dict(radius_edges=[]), "radius_edges"),
        (dict(radius_edges=tokenizer.radius_edges[::-1].tolist()), "radius_edges"),
    ]:
        with pytest.raises(ValueError, match=f"tokenizer.{key}"):
            tokenizer_from_state(replace(tokenizer.state(), **changes))


def test_text_and_its_ids() -> None:
    tokenizer = make_tokenizer("polar", "cab")
    assert tokenizer.alphabet == " abc" and tokenizer.n_chars == 5
    assert tokenizer.encode_text("a b").tolist() == [2, 1, 3]
    assert tokenizer.unknown_characters("abxcyx") == "xy"
    with pytest.raises(KeyError):
        tokenizer.encode_text("x")


def test_typographic_characters_are_folded_unless_they_were_learnt() -> None:
    assert fold_text("“It’s” – so…", "Itso") == '"It\'s" - so...'
    assert fold_text("“It’s”", "“”’") == "“It’s”"
    assert fold_text("e\u0301", "é") == "é"
