"""Symptoms: what one run with faults shows, against runs of the same test without. A pure function."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jobchaos.core.compare import Ignore
from jobchaos.core.diff import Change, Diff
from jobchaos.core.schedule import Fault, Schedule
from jobchaos.probes.mocks import RAN_OUT
from jobchaos.suite.comparison import LEDGERS, difference, unsteady_tables
from jobchaos.suite.seen import Act, Recording, Seen, Target

_FAMILY = {None: "1", Fault.KILL: "3", Fault.TERMINATE: "3", Fault.LOST: "5"}
_COMPARED = frozenset({"sql", "redis", "file", "mail", "http", "queue"})
"""Kinds of effects whose consequences are part of the state. What is equal there was idempotent."""
_MEANINGLESS = frozenset({"mock", "line", "sleep"})
_NO_MORE = re.compile(
    r"Stop(Async)?Iteration\b|RuntimeError: (coroutine|generator|async generator) raised Stop(Async)?It"
)
"""What a test says if a fake other than a mock has no more answers, such as one of respx."""
ASSERTION, COUNTS = "JC940", "JC941"


@dataclass(frozen=True, slots=True)
class Symptom:
    """What is wrong after one schedule of one execution in one test. Of plain parts, as it travels between processes.

    Attributes:
        grade: `A`, the state differs or a foreign effect or a new row is repeated; `B`, an assertion fails and an
            effect is repeated that cannot be compared; `C`, an assertion fails and nothing else is wrong.
        code: The finding's code.
        task: The task that is to blame: the innermost one whose effects are wrong.
        site: Where it is defined.
        schedule: The token.
        nodeid: The test.
        target: The execution that was interfered with.
        keys: What tells the wrong effects apart from others, over all tests.
        effects: The wrong effects for people, each with its place in the code.
        changes: How the state differs.
        failure: What the test itself says, if it fails.
        real: What makes it happen in production; empty if nothing need be said.
        system: The job system.
    """

    grade: str
    code: str
    task: str
    site: str
    schedule: str
    nodeid: str
    target: Target
    keys: tuple[str, ...]
    effects: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    failure: str
    real: str
    system: str

    def plain(self) -> dict[str, Any]:
        """As a dict that can be sent to another process."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Symptom:
        """The opposite of `plain`."""
        changes = tuple(Change(**change) for change in plain["changes"])
        effects = tuple(map(tuple, plain["effects"]))
        target = (plain["target"][0], plain["target"][1])
        return cls(**{**plain, "changes": changes, "effects": effects, "target": target, "keys": tuple(plain["keys"])})


@dataclass(frozen=True, slots=True)
class Controls:
    """Two runs of a test without any fault.

    Attributes:
        first: The one that others are compared with.
        second: Shows what differs by time and chance.
    """

    first: Recording
    second: Recording

    def same_work(self, expected: Seen, seen: Seen) -> bool:
        """False if an execution is not the one that was meant, or cannot be expected to do the same.

        Workers may take two messages of the same task in any order: what tells is the first effect, if it has no
        values that differ by chance. And a task that fails, as the test wants, may find other answers the next time,
        and then does what it could not do before.
        """
        first, second = _beginning(expected), _beginning(self.second.find(expected.target))
        is_other = first == second != _beginning(seen) != []
        return not is_other and (seen.failed or not expected.failed)

    def is_led_astray(self, expected: Seen, seen: Seen, run: Recording, failure: str) -> bool:
        """True if a fake had no more answers, or another one than before: no real far end would have."""
        runs_out = (_runs_out(seen) or _NO_MORE.match(failure) is not None) and not _runs_out(expected)
        return runs_out or (run.contradicted and not self.first.contradicted)

    def unsteady(self, ignore: Ignore) -> frozenset[str]:
        """Tables in which each run leaves other rows, and that are not compared."""
        return unsteady_tables(self.first.final, self.second.final, ignore)

    def differences(self, target: Target, run: Recording, *, passed: bool, ignore: Ignore) -> Diff | None:
        """How a run's state differs, right after the execution and at the test's end; None if nobody can tell.

        A test that fails has not done all that it wanted to. But what others have received by then, they have received.
        """
        after = None
        if self.first.is_retried(target[0]) or not run.is_retried(target[0]):  # else more has happened by then
            after = difference(
                self.first.after.get(target), self.second.after.get(target), run.after.get(target), ignore
            )
        final = difference(self.first.final, self.second.final, run.final, ignore)
        if final is not None and not passed:
            extra = (change for change in final.changes if change.store in LEDGERS and change.kind == "extra")
            final = Diff(tuple(extra), ())
        return after or final or (final if after is None else after)


def symptom(
    nodeid: str, target: Target, schedule: Schedule, controls: Controls, run: Recording, failure: str, ignore: Ignore
) -> Symptom | None:
    """Judge one run; None if nothing is wrong.

    Args:
        nodeid: The test.
        target: The execution that was interfered with.
        schedule: How.
        controls: The same test without.
        run: What was seen.
        failure: What the test itself says; empty if it passes.
        ignore: What to leave out of comparisons.
    """
    expected, seen = controls.first.find(target), run.find(target)
    if not run.fired or expected is None or seen is None or not controls.same_work(expected, seen):
        return None
    diff = controls.differences(target, run, passed=not failure, ignore=ignore)
    diff = None if diff is None else _without_executed(diff, run)
    if diff is not None and controls.is_led_astray(expected, seen, run, failure):
        diff = _without_consequences(diff, seen)
    repeated = _more(seen.acts, expected.acts)
    unsteady = {table.lower() for table in controls.unsteady(ignore)} if repeated else set()

    def is_compared(act: Act) -> bool:
        return diff is not None and act.kind in _COMPARED and act.table not in unsteady

    blamed: Sequence[Act] = ()
    if diff:
        grade, code = "A", _code(schedule, diff)
        blamed = _culprits(diff, repeated, _more(expected.acts, seen.acts)) or repeated
    elif blamed := [act for act in repeated if not is_compared(act) and _counts(act)]:
        grade, code = "A", f"JC{_family(schedule)}01"
    elif failure:
        blamed = [act for act in repeated if act.durable and act.kind not in _MEANINGLESS and not is_compared(act)]
        grade, code = ("B", ASSERTION) if blamed else ("C", COUNTS)
        blamed = blamed or repeated
    else:
        return None
    return _symptom(grade, code, nodeid, schedule, seen, run, blamed, diff, failure)


def _symptom(
    grade: str,
    code: str,
    nodeid: str,
    schedule: Schedule,
    seen: Seen,
    run: Recording,
    blamed: Sequence[Act],
    diff: Diff | None,
    failure: str,
) -> Symptom:
    tasks = {act.task for act in blamed}
    task = tasks.pop() if len(tasks) == 1 else seen.target[0]
    owner = next((other for other in run.executions if other.target[0] == task), seen)
    changes = diff.changes if diff else ()
    keys = [f"{act.kind} {act.shape} {act.where}" for act in blamed] or [
        f"{change.kind} {change.store} {change.table}" for change in changes
    ]
    faults = {run.fault for run in schedule.runs if run.fault is not None}
    return Symptom(
        grade=grade,
        code=code,
        task=task,
        site="" if owner.site is None else str(owner.site),
        schedule=str(schedule),
        nodeid=nodeid,
        target=seen.target,
        keys=tuple(dict.fromkeys(keys)),
        effects=tuple(dict.fromkeys((act.label, act.where) for act in blamed)),
        changes=changes,
        failure=failure,
        real="" if Fault.LOST in faults else seen.terms.makes_real(killed=bool(faults), code=code),
        system=seen.terms.system,
    )


def _beginning(seen: Seen | None) -> list[str]:
    return [] if seen is None else [act.label for act in seen.acts[:1]]


def _runs_out(seen: Seen) -> bool:
    """True if a mock had no more answers: what is then left undone, no real far end would leave so."""
    return any(act.label.endswith(RAN_OUT) for act in seen.acts)


def _without_consequences(diff: Diff, seen: Seen) -> Diff:
    """Only what was there too often before a fake had no answer, or another one; what follows, that has caused."""
    done = [act for act in itertools.takewhile(lambda act: not act.label.endswith(RAN_OUT), seen.acts) if act.writes]
    extra = (change for change in diff.changes if change.kind == "extra")
    return Diff(tuple(change for change in extra if any(_explains(act, change) for act in done)), diff.equal)


def _without_executed(diff: Diff, run: Recording) -> Diff:
    """A message whose task the test executes, too, is judged by what that does."""
    executed = {_own_name(seen.target[0]) for seen in run.executions}
    changes = tuple(
        change
        for change in diff.changes
        if change.store != "queue" or _own_name(str(change.row.get("task"))) not in executed
    )
    return Diff(changes, diff.equal)


def _own_name(task: str) -> str:
    """A task's name without its module: `shop.tasks.send`, `shop.tasks:send` of TaskIQ."""
    return re.split("[.:]", task)[-1]


def _more(acts: Iterable[Act], others: Iterable[Act]) -> list[Act]:
    """What changes something and happened more often, once each."""
    count, other = Counter(act for act in acts if act.writes), Counter(act for act in others if act.writes)
    return [act for act in count if count[act] > other[act] and act.shape != "COMMIT"]


def _counts(act: Act) -> bool:
    """True for what is wrong if it happens again, whatever the state is."""
    return act.durable and (act.inserts or act.is_foreign)


def _culprits(diff: Diff, repeated: Sequence[Act], omitted: Sequence[Act]) -> list[Act]:
    """The effects that explain a difference."""
    found = [act for act in repeated if any(_explains(act, change) for change in diff.changes)]
    return found or [act for act in omitted if any(_explains(act, change) for change in diff.changes)]


def _explains(act: Act, change: Change) -> bool:
    if change.store == "pubsub":
        return act.kind == "redis" and act.label.startswith("PUBLISH")
    if act.kind == "sql":
        return act.table == change.table.lower()
    if act.kind == "file" and change.store == "files":
        return str(change.row.get("path", "")).rsplit("/", 1)[-1] in act.label
    return act.kind in (change.store, change.store.removesuffix("s"))


def _family(schedule: Schedule) -> str:
    if len(schedule.copies) > 1:
        return "2"
    return _FAMILY[next((run.fault for run in schedule.runs if run.fault is not None), None)]


def _code(schedule: Schedule, diff: Diff) -> str:
    ledgers = [change for change in diff.changes if change.store in LEDGERS]
    kind = "03"
    if ledgers:
        kind = "01" if any(change.kind == "extra" for change in ledgers) else "02"
    return f"JC{_family(schedule)}{kind}"
