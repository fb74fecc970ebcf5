"""Outages: each call is out for good, and for all but the last of its tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobchaos.core.call import NO_CALLS, Call
from jobchaos.core.effect import Effect
from jobchaos.core.finding import Finding
from jobchaos.core.retry_policy import RetryPolicy
from jobchaos.core.retrying import Retrying
from jobchaos.core.schedule import Fault, Run, Schedule
from jobchaos.oracle.tries import tries
from jobchaos.trials import Covered, Trial, Trials

_FAMILY = "retry"
_CLAIM = ", for good, and for all but its last try"


@dataclass(slots=True)
class Outages:
    """Tries outages of one job.

    Attributes:
        trials: Runs and judges.
        retrying: How the job is retried.
        thorough: Whether to let a call be out for each number of tries, and not for the largest alone.
    """

    trials: Trials
    retrying: Retrying
    thorough: bool

    def extend(self, covered: Covered, effects: Sequence[Effect], caught: frozenset[int | None]) -> None:
        """Add them to what was covered of single failures.

        Args:
            covered: What was covered, to be added to.
            effects: Those of one clean run.
            caught: Positions of effects whose failure the job has survived in the same attempt. Without a policy,
                only these are tried: others end each attempt in the way that one has.
        """
        places: dict[Call, int] = {}
        for position, effect in enumerate(effects):
            if effect.kind not in NO_CALLS and (self.retrying or position in caught):
                places.setdefault(Call.of(effect), position)
        counts = [self._one_call(covered, position) for position in places.values()]
        if places and self.retrying:
            covered.claim += _CLAIM
        self._never_retried(covered, counts)
        covered.findings += self._advice(counts)

    def _one_call(self, covered: Covered, position: int) -> tuple[int, int]:
        """Let one call be out; return how many deliveries it fails in if it is for good, and the most tries in one."""
        trial = self._try(covered, Run("A", position, Fault.DOWN))
        if trial is None:
            return 0, 0
        made = tries(trial.run.trace)
        total = sum(len(delivery.failed) for delivery in made)
        for number, _ in enumerate(self.retrying.fatal, 1):
            self._try(covered, Run("A", position, Fault.FATAL, count=number if number > 1 else 0))
        if self.retrying and not trial.run.completed and trial.code != "JC506":
            for count in range(2, total) if self.thorough else range(max(2, total - 1), total):
                self._try(covered, Run("A", position, Fault.DOWN, count=count))
            if self._has_jitter():
                self._late(covered, position)
        return len(made), max((len(delivery.failed) for delivery in made), default=0)

    def _late(self, covered: Covered, position: int) -> None:
        """Likewise with retries as late as they may be: where time ends them, there are fewer."""
        trial = self._try(covered, Run("A", position, Fault.DOWN, late=True))
        total = 0 if trial is None else sum(len(delivery.failed) for delivery in tries(trial.run.trace))
        if total > 1:
            self._try(covered, Run("A", position, Fault.DOWN, count=total - 1, late=True))

    def _try(self, covered: Covered, outage: Run) -> Trial | None:
        covered.planned += 1
        if self.trials.exhausted:
            covered.complete = False
            return None
        trial = self.trials.run(_FAMILY, Schedule((outage,)))
        covered.trials.append(trial)
        return trial

    def _has_jitter(self) -> bool:
        return any(policy.has_jitter for policy in self.retrying.policies)

    def _never_retried(self, covered: Covered, counts: Sequence[tuple[int, int]]) -> None:
        own = self.retrying.own
        if own is None or own.source or own.executions == 1 or not counts or any(most != 1 for _, most in counts):
            return
        text = f"{self.trials.job} tries no call again, where its own policy has {own.executions} tries"
        covered.findings.append(Finding("JC510", text))

    def _advice(self, counts: Sequence[tuple[int, int]]) -> list[Finding]:
        """What could be better about policies that were seen at work."""
        findings: list[Finding] = []
        seen = {
            "queue": max((deliveries for deliveries, _ in counts), default=0),
            "job": max((most for _, most in counts), default=0),
        }
        for policy in self.retrying.policies:
            findings += _advice(self.trials.job, policy, seen[policy.level])
        return findings


def _advice(job: str, policy: RetryPolicy, executions: int) -> list[Finding]:
    if executions < 2:
        return []
    findings: list[Finding] = []
    delays = [policy.delay(number) for number in range(1, min(executions, 20))]
    where = policy.source or ("its own retries" if policy.level == "job" else "the queue's retries")
    if len(delays) > 1 and delays[-1].high <= delays[0].high:
        text = f"{job}: waits {delays[0]} each time ({where}); what is down for long is then hammered for as long"
        findings.append(Finding("JC720", text, fix="let the delays grow: RetryPolicy.exponential, backoff, jitter"))
    if all(delay.low == delay.high for delay in delays):
        text = f"{job}: waits exactly {delays[0]} ({where}); jobs that failed together come back together"
        findings.append(Finding("JC721", text, fix="add jitter: what failed together then comes back apart"))
    return findings
