"""CTC decoding and alignment."""

import itertools

import numpy as np
import pytest

from cursivetransformer.recognition import ctc


def log_probs(rows):
    return np.log(np.array(rows) / np.sum(rows, axis=1, keepdims=True) + 1e-30)


def spelt(path):
    return tuple(c for c, group in itertools.groupby(path) if c != ctc.BLANK)


def test_the_likeliest_path_is_merged_and_its_blanks_dropped():
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    assert ctc.greedy_decode(log_probs(np.eye(3)[path] + 0.01)) == [1, 1, 2] == list(spelt(path))
    assert ctc.greedy_decode(log_probs(np.eye(3)[[0, 0]])) == []


def test_a_beam_finds_a_text_whose_paths_are_each_unlikely():
    # The textbook case: two blanks are the likeliest path (0.36), but three paths spell "a", and
    # their probabilities sum to 0.64.
    frames = log_probs([[0.6, 0.4], [0.6, 0.4]])
    assert ctc.greedy_decode(frames) == [] and ctc.beam_search(frames, 4) == [1]


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_likeliest_of_all_texts(seed):
    rng = np.random.default_rng(seed)
    frames = log_probs(rng.random((5, 3)) ** 3)
    texts = {}
    for path in itertools.product(range(3), repeat=5):
        texts[spelt(path)] = texts.get(spelt(path), 0) + np.exp(
            sum(frames[t, c] for t, c in enumerate(path))
        )
    assert tuple(ctc.beam_search(frames, 200)) == max(texts, key=texts.get)
    assert sum(texts.values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_a_text_is_aligned_along_its_likeliest_path(seed):
    rng = np.random.default_rng(seed)
    frames = log_probs(rng.random((6, 3)) ** 3)
    for text in ((1, 2), (1, 1), (2, 1, 2)):
        paths = [path for path in itertools.product(range(3), repeat=6) if spelt(path) == text]
        best = max(paths, key=lambda path: sum(frames[t, c] for t, c in enumerate(path)))
        runs = [list(run) for _, run in itertools.groupby(range(6), key=best.__getitem__)]
        middles = [np.mean(run) for run in runs if best[run[0]] != ctc.BLANK]
        np.testing.assert_allclose(ctc.align(frames, text), middles)


def test_a_text_that_needs_more_frames_than_there_are_has_no_alignment():
    frames = log_probs(np.ones((2, 3)))
    assert ctc.align(frames, [1, 1]) is None and ctc.align(frames, [1, 2]).tolist() == [0, 1]
