"""The number of threads, chosen on an imagined machine of eight cores."""

import pytest
import torch

from cursivetransformer.training import threads
from cursivetransformer.training.threads import ThreadTuner


class Machine:
    """Does work at a speed that depends on the number of threads and on the cores that are free."""

    def __init__(self, monkeypatch, cores=8):
        self.now, self.free, self.n_threads = 0.0, cores, cores
        monkeypatch.setattr(threads.torch, "get_num_threads", lambda: self.n_threads)
        monkeypatch.setattr(threads.torch, "set_num_threads", self.set_threads)

    def set_threads(self, n):
        self.n_threads = n

    @property
    def speed(self):
        # A thread that shares its core holds all others up.
        crowded = self.n_threads > self.free
        return self.n_threads**0.8 / (5 if crowded else 1)

    def work(self, tuner, seconds):
        """Work for some time; return what was done a second."""
        start, done = self.now, 0.0
        while self.now - start < seconds:
            self.now += 1 / self.speed
            done += 1
            tuner.note(1)
        return done / (self.now - start)


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_a_machine_of_ones_own_gets_all_its_threads(machine):
    tuner = ThreadTuner(0, lambda: machine.now)
    machine.work(tuner, 60)
    assert tuner.n_threads == machine.n_threads == 8
    assert machine.work(tuner, 600) == pytest.approx(8**0.8), "and no trial disturbs it again"


def test_a_shared_machine_gets_fewer_and_more_again_when_it_is_left(machine):
    tuner = ThreadTuner(0, lambda: machine.now)
    machine.work(tuner, 100)
    machine.free = 5  # another program starts
    machine.work(tuner, 60)
    assert tuner.n_threads == 4
    assert machine.work(tuner, 600) > 0.9 * 4**0.8
    machine.free = 8
    machine.work(tuner, threads.MAX_DOUBT_SECONDS + 60)
    assert tuner.n_threads == 8


def test_what_comes_after_has_all_threads_again(machine):
    machine.free = 5
    with ThreadTuner(0, lambda: machine.now) as tuner:
        machine.work(tuner, 60)
        assert machine.n_threads == 4
    assert machine.n_threads == 8


def test_a_given_number_is_kept(machine):
    machine.free = 1
    with ThreadTuner(3, lambda: machine.now) as tuner:
        machine.work(tuner, 100)
    assert tuner.n_threads == machine.n_threads == 3


def test_other_work_in_between_does_not_count(machine):
    tuner = ThreadTuner(0, lambda: machine.now)
    for _ in range(30):
        machine.work(tuner, 10)
        machine.now += 1000
        tuner.pause()
    assert tuner.n_threads == 8


def test_one_thread_is_no_choice(monkeypatch):
    machine = Machine(monkeypatch, cores=1)
    tuner = ThreadTuner(0, lambda: machine.now)
    machine.work(tuner, 10)
    assert tuner.n_threads == 1 and torch.get_num_threads() == 1
