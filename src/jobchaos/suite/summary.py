"""Summary: what zero-change mode has come to, over all processes of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobchaos.suite.causes import Cause, group
from jobchaos.suite.replays import Replayed
from jobchaos.suite.seen import Recording
from jobchaos.suite.symptoms import Symptom


@dataclass(slots=True)
class Summary:
    """Grows while the session goes on.

    Attributes:
        systems: The job systems in use.
        unknown: Import names of those in versions that jobchaos does not know, each with the reason.
        tests: How many tests were watched.
        executing: How many of them execute tasks.
        reasons: Why others do not: reason to number of tests.
        refused: Tests that were not run again, each with the reason.
        unsteady: Tests that leave rows behind, each with the tables, which were not compared.
        symptoms: What is wrong.
        left_out: `task in test`, for which no time was left.
        replayed: How many tests were run again.
        runs: How many runs that took.
        seconds: How long.
        stopped: Why there was no second pass; empty if there was.
        replaying: Whether the second pass is going on.
    """

    systems: tuple[str, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    tests: int = 0
    executing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    unsteady: dict[str, str] = field(default_factory=dict)
    symptoms: list[Symptom] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    replayed: int = 0
    runs: int = 0
    seconds: float = 0.0
    stopped: str = ""
    replaying: bool = False

    def count(self, seen: Mapping[str, Recording]) -> None:
        """The first pass is over."""
        self.tests += len(seen)
        self.executing += sum(bool(recording.executions) for recording in seen.values())
        for recording in seen.values():
            if not recording.executions:
                self.reasons.update(recording.remarks)

    def take(self, replayed: Replayed) -> None:
        """The second pass is over."""
        self.symptoms += replayed.symptoms
        self.refused.update(replayed.refused)
        self.unsteady.update(replayed.unsteady)
        self.left_out += [f"{one.target[0]} in {one.nodeid}" for one in replayed.left_out]
        self.replayed += replayed.tests
        self.runs += replayed.runs
        self.seconds += replayed.seconds

    @property
    def causes(self) -> list[Cause]:
        """What is to be mended, the gravest first."""
        return group(self.symptoms)

    @property
    def gates(self) -> bool:
        """True if the session is to fail."""
        return any(cause.gates for cause in self.causes)

    def plain(self) -> dict[str, Any]:
        """In a form that can be sent to another process."""
        return {
            "systems": list(self.systems),
            "unknown": self.unknown,
            "tests": self.tests,
            "executing": self.executing,
            "reasons": dict(self.reasons),
            "refused": self.refused,
            "unsteady": self.unsteady,
            "symptoms": [symptom.plain() for symptom in self.symptoms],
            "left_out": self.left_out,
            "replayed": self.replayed,
            "runs": self.runs,
            "seconds": self.seconds,
            "stopped": self.stopped,
        }

    def add(self, plain: dict[str, Any]) -> None:
        """Take in what another process has come to."""
        self.systems = tuple(dict.fromkeys((*self.systems, *plain["systems"])))
        self.unknown.update(plain["unknown"])
        self.reasons.update(plain["reasons"])
        self.refused.update(plain["refused"])
        self.unsteady.update(plain["unsteady"])
        self.symptoms += map(Symptom.of, plain["symptoms"])
        self.left_out += plain["left_out"]
        self.stopped = self.stopped or plain["stopped"]
        self.seconds = max(self.seconds, plain["seconds"])
        for name in ("tests", "executing", "replayed", "runs"):
            setattr(self, name, getattr(self, name) + plain[name])
