"""Waiting for several sockets at once: what never becomes ready is simulated, in virtual time."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from select import select as early_select

import pytest

from jobchaos.core.result import RunResult
from jobchaos.core.trace import Happening
from jobchaos.probes.selects import SelectProbe
from jobchaos.probes.sockets import SocketProbe
from jobchaos.probes.subprocesses import SubprocessProbe
from tests.probes.conftest import Watch

SECOND = 10**9
Wait = Callable[[socket.socket, "float | None"], bool]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def selects(sock: socket.socket, timeout: float | None) -> bool:
    return bool(select.select([sock], [], [], timeout)[0])


def selects_early(sock: socket.socket, timeout: float | None) -> bool:
    return bool(early_select([sock], [], [], timeout)[0])


def uses_a_selector(sock: socket.socket, timeout: float | None) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def polls(sock: socket.socket, timeout: float | None) -> bool:
    with selectors.PollSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout))


WAITS = [selects, selects_early, uses_a_selector, polls]
ADVICE = ["select.select(..., timeout)"] * 2 + ["selector.select(timeout=...)"] * 2


def watched(watch: Watch, job: Callable[[], object], token: str) -> RunResult:
    sockets = SocketProbe()
    return watch(job, token, sockets, SelectProbe(watch.bindings, sockets))


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize(("token", "ready", "at"), [("A", True, 0), ("A0!hang", False, 5), ("A0!late", False, 5)])
def test_it_finds_nothing_ready_when_its_time_is_over(
    watch: Watch, pair: tuple[socket.socket, socket.socket], wait: Wait, token: str, ready: bool, at: float
) -> None:
    found: list[bool] = []
    pair[1].send(b"x")
    run = watched(watch, lambda: found.append(wait(pair[0], 5)), token)
    assert found == [ready]
    assert run.trace.events[-1].at == at * SECOND


@pytest.mark.parametrize(("wait", "advice"), list(zip(WAITS, ADVICE, strict=True)))
def test_without_a_timeout_it_is_told_what_to_set_and_where(
    watch: Watch, pair: tuple[socket.socket, socket.socket], wait: Wait, advice: str
) -> None:
    copy = watched(watch, lambda: wait(pair[0], None), "A0!hang").copies["A"]
    assert not copy.completed
    assert copy.hung is not None
    assert copy.hung.site is not None
    assert (copy.hung.timeout, copy.hung.site.function, copy.hung.advice) == (None, wait.__name__, advice)


@pytest.mark.parametrize("token", ["A0!hang", "A0!late"])
def test_who_waits_for_an_answer_that_does_not_come_need_not_wait_in_earnest(
    watch: Watch, pair: tuple[socket.socket, socket.socket], token: str
) -> None:
    def job() -> None:
        pair[0].sendall(b"x")
        if not selects(pair[0], 3600):
            raise TimeoutError

    pair[1].send(b"an answer")
    run = watched(watch, job, token)
    raised = [(event.at, event.detail) for event in run.trace.events if event.happening is Happening.RAISED]
    assert raised[0] == (3600 * SECOND, "TimeoutError")


def test_what_is_really_silent_takes_virtual_time(watch: Watch, pair: tuple[socket.socket, socket.socket]) -> None:
    run = watched(watch, lambda: selects(pair[0], 0.01), "A")
    assert run.trace.events[-1].at == SECOND // 100


def test_pipes_and_looks_are_left_alone(watch: Watch, pair: tuple[socket.socket, socket.socket]) -> None:
    read, write = os.pipe()

    def job() -> None:
        selects(pair[0], 0)
        subprocess.run([sys.executable, "-c", ""], capture_output=True, check=True)
        assert select.select([], [write], [], 5) == ([], [write], [])

    with contextlib.closing(os.fdopen(read)), contextlib.closing(os.fdopen(write, "w")):
        copy = watch(job, "A0!hang2", SelectProbe(watch.bindings, SocketProbe()), SubprocessProbe()).copies["A"]
    assert copy.hung is not None
    assert copy.hung.far == "pipe:a pipe"
