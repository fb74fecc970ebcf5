"""Seen: what one test was seen to execute, and with which effects. Plain values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobchaos.core.effect import Effect, Site
from jobchaos.core.snapshot import State
from jobchaos.core.terms import Terms
from jobchaos.probes.onlooking import UNCOMMITTED

_TABLE = re.compile(r"\b(?:into|update|from|join)\s+([\w\"`\[\].]+)", re.IGNORECASE)
_VERB = re.compile(r"\s*(\w+)")
_DIGITS = re.compile(r"\d+")
_FOREIGN = ("mail", "http", "queue")

Target = tuple[str, int]
"""A task's name, and which of its executions in the test is meant, from 1."""


@dataclass(frozen=True, slots=True)
class Act:
    """One effect, as it is told apart from others over all tests.

    Attributes:
        kind: The probe's noun: `sql`, `mail`, `http`, `file`, `mock`, `cache`.
        shape: What happens, without the values: `INSERT orders`, `POST https://pay.example/charges`.
        where: The line of the user's code that caused it, `file:line`; empty if unknown.
        label: What happens, with the values.
        task: The innermost task that was being executed.
        writes: Whether it changes anything outside.
        durable: Whether that survives the death of the worker.
    """

    kind: str
    shape: str
    where: str
    label: str = field(compare=False)
    task: str
    writes: bool
    durable: bool

    @classmethod
    def of(cls, effect: Effect, task: str, *, applied: bool = True) -> Act:
        """What an effect of a task is; one that was refused changes nothing, but is a step all the same."""
        where = "" if effect.site is None else str(effect.site)
        writes, durable = effect.writes and applied, effect.durable and applied
        return cls(effect.kind, _shape(effect), where, effect.label, task, writes, durable)

    @property
    def is_foreign(self) -> bool:
        """True if others have received something that nobody can take back."""
        return self.kind in _FOREIGN and self.writes

    @property
    def table(self) -> str:
        """The table that a statement names; empty for other kinds."""
        return self.shape.partition(" ")[2].lower() if self.kind == "sql" else ""

    @property
    def inserts(self) -> bool:
        """True for a statement that adds rows."""
        return self.kind == "sql" and self.shape.startswith("INSERT ")


@dataclass(slots=True)
class Seen:
    """One execution of a task.

    Attributes:
        target: The task, and which of its executions in the test this is.
        site: Where the task's function is defined.
        terms: What the system would do with it in production.
        within: The task that executed it; empty for the test itself.
        acts: Its effects, and those of tasks executed within it, in order.
        may_overlap: Whether two copies of it can run at the same time here.
        failed: Whether it has failed, or asked to be executed once more.
        alone: Whether nothing else was executed meanwhile, as several workers do: then what the state is at its end is
            no matter of chance.
    """

    target: Target
    site: Site | None
    terms: Terms
    within: str = ""
    acts: list[Act] = field(default_factory=list)
    may_overlap: bool = False
    failed: bool = False
    alone: bool = True

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for executions that do the same: the task and its effects, each run of equal ones told once."""
        acts: list[Act] = []
        for act in self.acts:
            if not acts or acts[-1] != act:
                acts.append(act)
        return (self.target[0], tuple(acts))


@dataclass(slots=True)
class Recording:
    """What was seen during one test.

    Attributes:
        executions: The executions of tasks, in the order in which they began.
        after: The state right after an execution that is looked at, all its deliveries included.
        final: The state at the end of the test function; None if it could not be read.
        fired: Whether what had been planned for this run took place.
        errors: What further deliveries have raised.
        contradicted: Whether a fake has answered the same request, by its key, in two ways.
        hosts: Hosts other than this machine that a task has reached.
        remarks: Why tasks may have stayed unseen: `enqueued RQ`, `patched`, `on_commit`.
    """

    executions: list[Seen] = field(default_factory=list)
    after: dict[Target, State] = field(default_factory=dict)
    final: State | None = None
    fired: bool = False
    errors: list[str] = field(default_factory=list)
    contradicted: bool = False
    hosts: set[str] = field(default_factory=set)
    remarks: set[str] = field(default_factory=set)

    def find(self, target: Target) -> Seen | None:
        """The execution that is meant; None if it did not take place."""
        return next((seen for seen in self.executions if seen.target == target), None)

    def is_retried(self, task: str) -> bool:
        """True if a task was executed again within one of its own executions, as eager systems do with what fails."""
        return any(seen.within == task == seen.target[0] for seen in self.executions)

    @property
    def outline(self) -> tuple[object, ...]:
        """Equal for two runs that executed the same tasks with the same kinds of effects."""
        return tuple((seen.target, tuple((act.kind, act.shape) for act in seen.acts)) for seen in self.executions)


def short(site: Mapping[str, object] | Site | str | None) -> str:
    """A place in the code without the folders that are the same for all."""
    text = str(site or "")
    relative = os.path.relpath(text) if text.startswith(os.sep) else text
    return text if relative.startswith("..") else relative


def _shape(effect: Effect) -> str:
    if effect.kind in ("sql", UNCOMMITTED):
        verb, table = _VERB.match(effect.label), _TABLE.search(effect.label)
        name = "" if table is None else re.sub(r'["`\[\]]', "", table.group(1)).rpartition(".")[2]
        return f"{'' if verb is None else verb.group(1).upper()} {name}".strip()
    if effect.kind == "http":
        return _DIGITS.sub("#", effect.label.partition("?")[0])
    if effect.kind == "redis":
        return _DIGITS.sub("#", " ".join(effect.label.split()[:2]))
    if effect.kind == "file":
        return effect.label.partition(" ")[0]
    if effect.label.startswith("PUBLISH "):
        return "PUBLISH"
    if effect.kind in ("cache", "queue"):
        return effect.label.partition("(")[0]
    return effect.kind if effect.kind == "mail" else effect.label
