"""Which executions are delivered anew, how, and in which order."""

from __future__ import annotations

from jobchaos.suite.planning import PER_SIGNATURE, Candidate, plan, schedules_for
from jobchaos.suite.seen import Act, Seen
from tests.plugin.tiny import TERMS


def act(kind: str = "sql", shape: str = "UPDATE users", *, durable: bool = True, writes: bool = True) -> Act:
    return Act(kind, shape, "jobs.py:1", shape, "send", writes, durable)


READ = act(shape="SELECT users", durable=False, writes=False)
WRITE = act()
UNCOMMITTED = act(durable=False)
COMMIT = act(shape="COMMIT")
MAIL = act("mail", "mail")
MOCK = act("mock", "client()")


def tokens(*acts: Act) -> list[str]:
    return [str(schedule) for schedule in schedules_for(acts)]


def candidate(nodeid: str, *acts: Act, task: str = "send", number: int = 1, seconds: float = 1.0) -> Candidate:
    return Candidate(nodeid, Seen((task, number), None, TERMS, acts=list(acts)), seconds, alone=True)


def test_what_changes_nothing_is_left_alone() -> None:
    assert tokens(READ, READ) == []


def test_a_single_write_is_only_delivered_twice() -> None:
    assert tokens(READ, WRITE) == ["A A"]


def test_one_kill_for_each_gap_between_durable_writes() -> None:
    kills = [token for token in tokens(READ, WRITE, READ, UNCOMMITTED, UNCOMMITTED, COMMIT, READ) if "kill" in token]
    assert kills == ["A2!kill A"]


def test_a_foreign_effect_within_a_transaction_makes_a_gap() -> None:
    assert tokens(UNCOMMITTED, MAIL, COMMIT) == ["A A", "A2!kill A", "A2!terminate A", "A1!lost A"]


def test_gaps_behind_mocks_come_last_when_there_are_too_many() -> None:
    kills = [token for token in tokens(*[MOCK] * 8, WRITE, WRITE) if "kill" in token]
    assert len(kills) == 8
    assert "A9!kill A" in kills


def test_executions_with_equal_effects_are_looked_at_in_a_few_tests_only() -> None:
    many = [candidate(f"test_{number}", WRITE, seconds=9 - number) for number in range(9)]
    assert [one.nodeid for one in plan(many)] == ["test_8", "test_7"]
    assert PER_SIGNATURE == 2


def test_equal_effects_in_a_row_count_once() -> None:
    assert len(plan([candidate(f"test_{number}", *[WRITE] * number) for number in range(1, 9)])) == PER_SIGNATURE


def test_mails_and_new_rows_come_first() -> None:
    some = [
        candidate("mock", MOCK),
        candidate("update", WRITE),
        candidate("insert", act(shape="INSERT users")),
        candidate("mail", MAIL),
    ]
    assert [one.nodeid for one in plan(some)] == ["mail", "insert", "update", "mock"]


def test_only_the_tasks_that_are_asked_for() -> None:
    some = [candidate("a", WRITE, task="shop.tasks.send"), candidate("b", WRITE, task="shop.tasks.pay", number=2)]
    for pattern, tests in {
        "shop.tasks.send": ["a"],
        "send": ["a"],
        "shop.*": ["a", "b"],
        "pay#2": ["b"],
        "pay#1": [],
        "other": [],
    }.items():
        assert [one.nodeid for one in plan(some, pattern)] == tests, pattern


def test_two_copies_overlap_where_the_first_one_has_looked_and_not_yet_acted() -> None:
    assert [str(one) for one in schedules_for([READ, READ, WRITE], may_overlap=True)] == ["A A", "A2 B A"]
    assert [str(one) for one in schedules_for([WRITE, READ], may_overlap=True)] == ["A A"]
