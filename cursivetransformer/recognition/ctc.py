"""Decoding and alignment for connectionist temporal classification (Graves et al. 2006, ICML).

A network gives the log-probabilities of C classes, BLANK and the characters, for each of T frames.
A path has one class for each frame. To read a path, merge repeated classes, then drop the blanks:
"_aa_ab" spells "aab". There is no language model, so nothing is read that is not in the ink.
"""

from collections.abc import Sequence

import numpy as np

BLANK = 0

Prefix = tuple[int, ...]
# Log-probabilities of the paths that end in a blank, and of those that end in the last character.
PrefixScore = tuple[float, float]


def greedy_decode(log_probs: np.ndarray) -> list[int]:
    """Return the class ids that the likeliest path spells. log_probs: (T, C)."""
    best = log_probs.argmax(-1)
    return best[(best != BLANK) & (best != np.append(-1, best[:-1]))].tolist()


def beam_search(log_probs: np.ndarray, width: int) -> list[int]:
    """Return the class ids of the likeliest text, summed over all paths that spell it.

    This is prefix search (Graves et al. 2006, section 3.2) with a beam. A prefix has two
    probabilities, because its last character may repeat only after a blank: of the paths that end
    in a blank, and of the paths that end in that character.

    Args:
        log_probs: (T, C) log-probabilities.
        width: number of prefixes kept at each frame.
    """
    beam: dict[Prefix, PrefixScore] = {(): (0.0, -np.inf)}
    for frame in log_probs:
        # A class outside the best ones can hardly be part of one of the best texts.
        classes = np.argsort(-frame)[: width + 1].tolist()
        extended: dict[Prefix, PrefixScore] = {}
        for prefix, (blank, char) in beam.items():
            total = np.logaddexp(blank, char)
            for c in classes:
                p = frame[c]
                if c == BLANK:
                    _add(extended, prefix, total + p, -np.inf)
                elif prefix and c == prefix[-1]:
                    _add(extended, prefix, -np.inf, char + p)
                    _add(extended, (*prefix, c), -np.inf, blank + p)
                else:
                    _add(extended, (*prefix, c), -np.inf, total + p)
        ranked = sorted(extended.items(), key=lambda item: -np.logaddexp(*item[1]))
        beam = dict(ranked[:width])
    best, _ = max(beam.items(), key=lambda item: np.logaddexp(*item[1]))
    return list(best)


def _add(beam: dict[Prefix, PrefixScore], prefix: Prefix, blank: float, char: float) -> None:
    """Add the probabilities of more paths to those of a prefix."""
    old_blank, old_char = beam.get(prefix, (-np.inf, -np.inf))
    beam[prefix] = (np.logaddexp(old_blank, blank), np.logaddexp(old_char, char))


def align(log_probs: np.ndarray, ids: Sequence[int]) -> np.ndarray | None:
    """Find the frames of each character on the likeliest path that spells a text.

    This is the algorithm of Viterbi (1967) over the states of Graves et al. 2006, section 4.1: the
    characters with a blank before, between and after them.

    Args:
        log_probs: (T, C) log-probabilities.
        ids: the n class ids of the text.

    Returns:
        (n,) the mean frame of each character, or None where T frames are too few for the text.
    """
    states = np.full(2 * len(ids) + 1, BLANK)
    states[1::2] = ids
    steps, score = _viterbi(log_probs, states)
    # A path ends in the last blank or in the last character.
    state = len(states) - (1 if score[-1] > score[-2] else 2)
    if not np.isfinite(score[state]):
        return None
    backward = [state]
    for t in range(len(log_probs) - 1, 0, -1):
        state -= steps[t, state]
        backward.append(state)
    path = np.array(backward[::-1])
    return np.array([np.flatnonzero(path == s).mean() for s in range(1, len(states), 2)])


def _viterbi(log_probs: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best step into each state at each frame, (T, S), and the last scores, (S,).

    A step of 0 stays in a state, 1 comes from the state before it, and 2 skips the blank between
    two different characters.
    """
    may_skip = np.append([False, False], (states[2:] != BLANK) & (states[2:] != states[:-2]))
    score = np.full(len(states), -np.inf)
    score[:2] = log_probs[0, states[:2]]
    steps = np.zeros((len(log_probs), len(states)), int)
    for t in range(1, len(log_probs)):
        stay = score
        advance = np.append(-np.inf, score[:-1])
        skip = np.where(may_skip, np.append([-np.inf] * 2, score[:-2]), -np.inf)
        candidates = np.stack([stay, advance, skip])
        steps[t] = candidates.argmax(0)
        score = candidates.max(0) + log_probs[t, states]
    return steps, score
