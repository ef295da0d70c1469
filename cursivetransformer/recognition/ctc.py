"""Connectionist temporal classification (Graves et al. 2006, ICML): from a row of character probabilities to a text.

A network gives for each of T frames the probabilities of C classes: BLANK and the characters. A path is a class for each frame;
it spells what is left when repeated classes are merged and blanks dropped, so that "_aa_ab" is "aab". No language model
anywhere: what is not in the ink is not read.
"""

import numpy as np

BLANK = 0


def greedy(log_probs):
    """(T, C) -> the class ids that the likeliest path spells."""
    best = log_probs.argmax(-1)
    return best[(best != BLANK) & (best != np.append(-1, best[:-1]))].tolist()


def beam(log_probs, width):
    """(T, C) -> the class ids of the likeliest text, over all paths that spell it, among the `width` best kept at each frame.

    Prefix search (Graves et al. 2006, section 3.2) with a beam. A prefix has two probabilities: of paths that end in a blank, and
    that end in its last character, since only after a blank may that character come again.
    """
    prefixes = {(): (0.0, -np.inf)}
    for frame in log_probs:
        # A class outside the best ones can hardly be part of one of the best texts.
        classes = np.argsort(-frame)[: width + 1]
        grown = {}
        for prefix, (blank, char) in prefixes.items():
            total = np.logaddexp(blank, char)
            for c in classes.tolist():
                p = frame[c]
                if c == BLANK:
                    _add(grown, prefix, total + p, -np.inf)
                elif prefix and c == prefix[-1]:
                    _add(grown, prefix, -np.inf, char + p)
                    _add(grown, (*prefix, c), -np.inf, blank + p)
                else:
                    _add(grown, (*prefix, c), -np.inf, total + p)
        prefixes = dict(sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))[:width])
    return list(max(prefixes, key=lambda prefix: np.logaddexp(*prefixes[prefix])))


def align(log_probs, ids):
    """(T, C) and the n class ids of a text -> (n,) the middle of the frames that each has on the likeliest path that spells it, or None
    where T frames are too few for it (the algorithm of Viterbi 1967 over the states of Graves et al. 2006, section 4.1)."""
    states = np.full(2 * len(ids) + 1, BLANK)
    states[1::2] = ids
    # From a state's own, the one before it, and, past a blank between two characters that differ, the one before that.
    skips = np.append([False, False], (states[2:] != BLANK) & (states[2:] != states[:-2]))
    score, came = np.full(len(states), -np.inf), np.zeros((len(log_probs), len(states)), int)
    score[:2] = log_probs[0, states[:2]]
    for t in range(1, len(log_probs)):
        before = np.stack(
            [
                score,
                np.append(-np.inf, score[:-1]),
                np.where(skips, np.append([-np.inf] * 2, score[:-2]), -np.inf),
            ]
        )
        came[t] = before.argmax(0)
        score = before.max(0) + log_probs[t, states]
    path = [len(states) - (1 if score[-1] > score[-2] else 2)]
    if not np.isfinite(score[path[0]]):
        return None
    for t in range(len(log_probs) - 1, 0, -1):
        path.append(path[-1] - came[t, path[-1]])
    path = np.array(path[::-1])
    return np.array([np.flatnonzero(path == state).mean() for state in range(1, len(states), 2)])


def _add(prefixes, prefix, blank, char):
    before = prefixes.get(prefix, (-np.inf, -np.inf))
    prefixes[prefix] = (np.logaddexp(before[0], blank), np.logaddexp(before[1], char))
