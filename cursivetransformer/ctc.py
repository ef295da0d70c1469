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
        classes = np.argsort(-frame)[:width + 1]
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


def _add(prefixes, prefix, blank, char):
    before = prefixes.get(prefix, (-np.inf, -np.inf))
    prefixes[prefix] = (np.logaddexp(before[0], blank), np.logaddexp(before[1], char))
