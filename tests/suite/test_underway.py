"""Which executions go on beside each other."""

from __future__ import annotations

import threading

from jobchaos.suite.seen import Seen
from jobchaos.suite.underway import Underway
from tests.plugin.tiny import TERMS


def seen() -> Seen:
    return Seen(("shop.send", 1), None, TERMS)


def test_what_goes_on_within_an_execution_leaves_it_alone() -> None:
    underway, outer, inner, later = Underway(), seen(), seen(), seen()
    with underway.execution(outer, ()), underway.execution(inner, (outer,)):
        pass
    with underway.execution(later, ()):
        pass
    assert outer.alone
    assert inner.alone
    assert later.alone


def test_what_goes_on_beside_an_execution_does_not() -> None:
    underway, first, second, child = Underway(), seen(), seen(), seen()
    with underway.execution(first, ()):
        with underway.execution(second, ()):
            pass
        with underway.execution(child, (first,)):
            pass
    assert not first.alone
    assert not second.alone
    assert child.alone


def test_other_threads_are_waited_for() -> None:
    underway, begun, go_on = Underway(), threading.Event(), threading.Event()
    ended = []

    def work() -> None:
        with underway.execution(seen(), ()):
            begun.set()
            go_on.wait(20)
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(20)
    go_on.set()
    underway.wait(20)
    assert ended
    thread.join()
