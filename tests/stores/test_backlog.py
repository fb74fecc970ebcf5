"""Backlog: which keys and locks of messages are taken, and for how long."""

from __future__ import annotations

import math

import pytest

from jobchaos.core.effect import Foreign
from jobchaos.core.sent import Again, Done, Sent, Underway
from jobchaos.stores.backlog import Backlog

COLUMNS = ("queue", "task", "arguments")


def foreign(message: Sent | Underway | Done | Again) -> Foreign:
    identity = message.identity if isinstance(message, Sent) else None
    return Foreign("queue", COLUMNS, ("mail", "notify", ""), identity, message)


def told(*messages: Sent | Underway | Done | Again) -> Backlog:
    backlog = Backlog(lambda sent: sent.task != "unknown")
    for message in messages:
        backlog.record(foreign(message))
    return backlog


def sent(copy: str = "A", *, key: str = "k", lock: str = "", at: int = 0, task: str = "notify") -> Sent:
    return Sent(copy, "RQ", task, key=key, lock=lock, at=at)


OWN_IS_DONE, DONE = Done("A"), Done("A", key_until=90)


@pytest.mark.parametrize(
    ("messages", "is_refused"),
    [
        ([sent()], True),
        ([sent(key="other")], False),
        ([sent("B")], True),
        ([sent(), OWN_IS_DONE, Underway("A")], True),
        ([sent(), OWN_IS_DONE, Underway("A", has_key=False)], False),
        ([sent(), sent(key="other"), OWN_IS_DONE, Underway("A", has_key=False), Done("A")], False),
        ([sent(), OWN_IS_DONE, Underway("A", has_key=False), Underway("A")], True),
        ([sent(), OWN_IS_DONE, DONE], True),
        ([sent(), OWN_IS_DONE, Done("A", key_until=50)], False),
        ([sent(), OWN_IS_DONE, Done("A", key_until=math.inf)], True),
        ([sent(), OWN_IS_DONE, Done("A"), Again("A")], False),
        ([sent(task="unknown")], True),
    ],
    ids=[
        *("waits", "another key", "of another copy", "runs", "runs, and has freed it", "is done", "waits for a retry"),
        *("is kept", "was kept", "is kept for ever", "is delivered again", "is never run"),
    ],
)
def test_whether_a_second_one_is_refused(messages: list[Sent | Underway | Done | Again], is_refused: bool) -> None:
    assert told(*messages).knows(foreign(sent("C", at=60))) is is_refused


@pytest.mark.parametrize(
    ("messages", "waits"),
    [
        ([sent("B", lock="x"), Done("B"), sent(lock="x")], True),
        ([sent(lock="x"), sent("B", lock="x"), Done("B")], False),
        ([sent(lock="x"), sent("B", lock="x"), Done("B"), Underway("B", "x")], True),
        ([sent(lock="x"), sent("B", lock="x"), Done("B"), Underway("B", "x"), Done("B")], False),
        ([sent(lock="x"), Underway("B", "y")], False),
        ([sent(lock="x"), Underway("A", "x")], False),
    ],
    ids=["was sent before", "was sent after", "runs", "is done", "another lock", "its own"],
)
def test_whether_a_message_waits_for_its_lock(messages: list[Sent | Underway | Done | Again], waits: bool) -> None:
    assert told(*messages, Done("A")).knows(foreign(Underway("A", "x"))) is waits


def test_what_is_sent_twice_with_a_key_is_one_message() -> None:
    backlog = told(sent(), sent(), sent(key=""), sent(key=""))
    assert len(backlog.line("A").sent) == 3


def test_what_decides_what_follows_is_told_apart() -> None:
    failed = told(sent(), Done("A", "no"), DONE)
    assert failed.snapshot() == told(sent(), OWN_IS_DONE, DONE).snapshot()
    assert len({failed.hidden, told(sent(), OWN_IS_DONE, DONE).hidden, told(OWN_IS_DONE).hidden}) == 3
