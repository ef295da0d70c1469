"""How many threads torch computes with, chosen by measuring.

On a machine of its own a step is fastest with a thread on every core. Where another program keeps
a core busy, that is several times slower than one thread less: torch splits every operation into
equal parts, its threads wait for the last part in a busy loop, and the part on the busy core comes
late, hundreds of times in a step.

The number of threads changes the order of sums, so the last digits of a result may depend on it.
"""

import time
from collections.abc import Callable

import torch

TRIAL_INTERVALS = 3  # for each number of threads in a round; the first one is not timed
TRIAL_ROUNDS = 2
SLOWER = 0.75  # of the speed of the last trial, below which there is another one
WATCH_SECONDS = 2.0  # in which the speed is measured between trials
# Until fewer threads than there are cores are doubted: the other program may have ended.
MIN_DOUBT_SECONDS, MAX_DOUBT_SECONDS = 15.0, 240.0


class ThreadTuner:
    """Chooses the number of torch's threads while a work of many equal intervals goes on.

    As a context, it gives torch back all its threads at the end, unless their number was given.

    Args:
        n_threads: number of threads to keep; 0 chooses among those that torch has and fewer.
        clock: returns the time in seconds.

    Attributes:
        n_threads: the present number.
    """

    def __init__(self, n_threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        if n_threads:
            torch.set_num_threads(n_threads)
        self.n_threads = most = torch.get_num_threads()
        self._clock = clock
        # Halves, for a trial of each number would take long on many cores.
        self._candidates = [most >> i for i in range(most.bit_length())] if not n_threads else []
        self._trial: list[int] = []  # numbers of threads of the intervals still to come
        self._rates: dict[int, list[float]] = {}  # work a second, by number of threads
        self._last = clock()  # when the last interval ended
        self._begin_trial()
        self._doubt_seconds = MIN_DOUBT_SECONDS

    def __enter__(self) -> "ThreadTuner":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._candidates:
            self._use(self._candidates[0])

    def pause(self) -> None:
        """Begin an interval now: what was done since the last one was other work."""
        self._last = self._clock()

    def note(self, work: float) -> None:
        """End an interval.

        Args:
            work: what was done in it, such as a number of tokens.
        """
        if len(self._candidates) < 2:
            return
        now = self._clock()
        seconds, self._last = max(now - self._last, 1e-9), now
        if self._trial:
            self._note_trial(work / seconds)
        else:
            self._watch(work, seconds)

    def _begin_trial(self) -> None:
        if len(self._candidates) < 2:
            return
        one_round = [n for n in self._candidates for _ in range(TRIAL_INTERVALS)]
        self._trial = one_round * TRIAL_ROUNDS
        self._rates = {n: [] for n in self._candidates}
        self._use(self._trial[0])

    def _note_trial(self, rate: float) -> None:
        n = self._trial.pop(0)
        # The first interval with a number of threads starts them, and warms their caches.
        if len(self._trial) % TRIAL_INTERVALS != TRIAL_INTERVALS - 1:
            self._rates[n].append(rate)
        if self._trial:
            self._use(self._trial[0])
            return
        means = {n: sum(rates) / len(rates) for n, rates in self._rates.items()}
        best = max(means, key=lambda n: means[n])
        self._use(best)
        self._expected = means[best]
        self._watched_work = self._watched_seconds = 0.0
        self._trial_ended = self._last

    def _watch(self, work: float, seconds: float) -> None:
        """Begin a trial if the work has become slow, or might be faster by now."""
        self._watched_work += work
        self._watched_seconds += seconds
        if self._watched_seconds < WATCH_SECONDS:
            return
        rate = self._watched_work / self._watched_seconds
        self._watched_work = self._watched_seconds = 0.0
        if rate < SLOWER * self._expected:
            self._doubt_seconds = MIN_DOUBT_SECONDS
            self._begin_trial()
        elif self.n_threads < self._candidates[0]:
            if self._last - self._trial_ended > self._doubt_seconds:
                self._doubt_seconds = min(2 * self._doubt_seconds, MAX_DOUBT_SECONDS)
                self._begin_trial()

    def _use(self, n_threads: int) -> None:
        if n_threads != self.n_threads:
            self.n_threads = n_threads
            torch.set_num_threads(n_threads)
