"""Threads that nobody controls: waited for while they are at work, and not when they wait themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from jobchaos.probes.bystanders import Bystanders


@pytest.fixture
def bystanders() -> Bystanders:
    found = Bystanders()
    found.exclude()  # the thread that runs the test
    return found


@contextmanager
def thread(target: Callable[[], object], stop: threading.Event) -> Iterator[threading.Thread]:
    running = threading.Thread(target=target)
    running.start()
    try:
        yield running
    finally:
        stop.set()
        running.join()


class Attempts:
    """Succeeds at the last of so many attempts."""

    def __init__(self, needed: int) -> None:
        self.made = 0
        self._needed = needed

    def __call__(self, seconds: float) -> bool:
        self.made += 1
        return self.made >= self._needed


def test_nobody_is_not_waited_for(bystanders: Bystanders) -> None:
    attempts = Attempts(2)
    assert not bystanders.end(attempts)
    assert attempts.made == 1


def test_who_is_at_work_is_waited_for(bystanders: Bystanders) -> None:
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        while not stop.is_set():
            pass

    with thread(work, stop):
        begun.wait()
        attempts = Attempts(50)
        assert bystanders.end(attempts)
        assert attempts.made == 50


def test_who_waits_is_believed_after_a_moment(bystanders: Bystanders) -> None:
    stop = threading.Event()

    def wait() -> None:
        stop.wait()

    with thread(wait, stop) as waiting:
        for who in (None, waiting):
            attempts = Attempts(10_000)
            assert not bystanders.end(attempts, who)
            assert 20 <= attempts.made < 10_000


def test_who_is_controlled_is_none(bystanders: Bystanders) -> None:
    stop, ready = threading.Event(), threading.Event()

    def controlled() -> None:
        bystanders.exclude()
        ready.set()
        stop.wait()
        bystanders.include()

    with thread(controlled, stop):
        ready.wait()
        assert not bystanders.end(Attempts(2))


def test_threads_without_a_line_of_the_projects_are_none(bystanders: Bystanders) -> None:
    stop = threading.Event()
    with thread(stop.wait, stop) as foreign:
        attempts = Attempts(2)
        assert not bystanders.end(attempts)
        assert attempts.made == 1
        assert bystanders.end(Attempts(2), foreign)  # unless it is the one that is waited for


def test_whom_a_job_has_started_is_one_and_so_is_whom_that_one_starts(bystanders: Bystanders) -> None:
    stop = threading.Event()
    inner = threading.Thread(target=stop.wait)

    def start_another() -> None:
        bystanders.started(inner, by_worker=False)
        inner.start()

    outer = threading.Thread(target=start_another)
    bystanders.started(outer, by_worker=True)
    assert not bystanders.are_jobs
    outer.start()
    outer.join()
    attempts = Attempts(10_000)
    assert bystanders.are_jobs
    assert not bystanders.end(attempts)
    assert attempts.made >= 20  # it was given a moment
    stop.set()
    inner.join()
    assert not bystanders.are_jobs
