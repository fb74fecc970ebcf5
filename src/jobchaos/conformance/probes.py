"""ProbeContract: what the engine relies on in every probe."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from jobchaos.conformance.trial_run import TrialRun
from jobchaos.core.effect import Effect, Mode
from jobchaos.core.ports import Probe
from jobchaos.core.trace import Happening
from jobchaos.probes.bindings import Bindings

_CACHES = {"__slotnames__"}  # what copyreg leaves on a class when an instance is first copied


class ProbeContract:
    """Tests of one probe, by a job that has exactly one effect, which changes something outside.

    Attributes:
        failures: Hook. What the job may raise when its call fails: the client's own exceptions.
        patched: Hook. Classes and modules that the probe changes while it is installed.
        survives_forks: Hook. False if what the job changes is in the memory of this process.
        recorded: How many foreign effects were recorded so far: for the `state` of a probe that sends nothing on.
    """

    failures: tuple[type[Exception], ...] = (OSError,)
    patched: Sequence[object] = ()
    survives_forks = True
    recorded = 0

    def make(self, bindings: Bindings) -> Sequence[Probe]:
        """Hook. The probe, after others that it needs.

        Args:
            bindings: Replaces functions in modules that have imported them by name.
        """
        raise NotImplementedError("return [MyProbe()]")

    def job(self) -> object:
        """Hook. The one effect: a row, a message, a request. It must be able to happen again and again."""
        raise NotImplementedError("call the library that the probe watches")

    def state(self) -> int:
        """Hook. How often the job's effect has happened so far, as those outside see it."""
        raise NotImplementedError("count what the job has done")

    # --- it comes and goes -------------------------------------------------------------------------------------------

    def test_it_has_all_methods_of_a_probe(self) -> None:
        for probe in self.make(Bindings()):
            missing = [name for name in vars(Probe) if not name.startswith("_") and not hasattr(probe, name)]
            assert not missing, f"{type(probe).__name__} lacks {', '.join(missing)}; derive it from BaseProbe"

    def test_everything_is_as_before_when_it_is_removed(self) -> None:
        before = [dict(vars(owner)) for owner in self.patched]
        self._run("A")
        for owner, attributes in zip(self.patched, before, strict=True):
            changed = {name for name, value in vars(owner).items() if attributes.get(name) is not value} - _CACHES
            assert not changed | (attributes.keys() - vars(owner).keys()), f"{owner}: {sorted(changed)} stay changed"

    def test_it_can_be_removed_although_it_was_not_installed(self) -> None:
        for probe in self.make(Bindings()):
            probe.remove()
        self.job()

    def test_who_is_not_controlled_is_not_touched(self) -> None:
        before, errors = self.state(), []

        def aside() -> None:
            try:
                self.job()
            except BaseException as error:  # noqa: BLE001 - told by the test
                errors.append(error)

        def other_thread() -> None:
            thread = threading.Thread(target=aside)
            thread.start()
            thread.join()

        run = self._run("A", other_thread)
        assert errors == []
        assert self.state() == before + 1
        assert run.result.trace.effects() == ()

    # --- what it sees ------------------------------------------------------------------------------------------------

    def test_one_call_is_one_effect_that_lasts(self) -> None:
        before = self.state()
        run = self._run("A")
        (effect,) = [effect for effect in run.result.trace.effects("A") if effect.durable]
        assert self.state() == before + 1
        assert effect.kind
        assert effect.label, "reports would show nothing"
        assert any(touch.mode is not Mode.READ for touch in effect.touches), (
            "nobody would know that it changes something"
        )
        assert effect.site is not None, "no line of the job's file was found"
        assert run.result.oddities == ()

    def test_two_runs_are_told_alike(self) -> None:
        one, other = (self._run("A").result.trace.effects() for _ in range(2))
        assert [effect._replace(foreign=None) for effect in one] == [effect._replace(foreign=None) for effect in other]

    def test_a_resource_is_announced_before_it_changes(self) -> None:
        before = self.state()
        run = self._run("A")
        touched = {touch.resource for effect in run.result.trace.effects() for touch in effect.touches}
        announced = run.notes.first_seen
        for resource in touched:
            covering = [other for other in announced if _covers(other, resource) or _covers(resource, other)]
            assert covering, f"{resource} is touched, and was not announced"
            assert any(announced[other] == before for other in covering), f"{resource} was announced too late"

    def test_a_foreign_effect_is_recorded_once(self) -> None:
        effects = self._run("A").result.trace.effects()
        records = self._run("A").notes.records
        assert len(records) <= sum(effect.durable for effect in effects)
        for record in records:
            assert len(record.columns) == len(record.values)

    # --- what it lets others do --------------------------------------------------------------------------------------

    def test_a_worker_killed_before_its_call_changes_nothing(self) -> None:
        def stubborn() -> None:
            try:
                self.job()
            finally:
                self.job()  # what a process that is dead would not get to

        position, before = self._position(), self.state()
        run = self._run(f"A{position}!kill", stubborn)
        assert self.state() == before
        assert not run.result.copies["A"].completed

    def test_a_failed_call_raises_the_clients_error_and_changes_nothing(self) -> None:
        position, before = self._position(), self.state()
        raised = self._raised(f"A{position}!fail")
        assert self.state() == before
        self._require_the_clients(raised)

    def test_a_lost_answer_raises_the_clients_error_after_the_change(self) -> None:
        position, before = self._position(), self.state()
        raised = self._raised(f"A{position}!lost")
        assert self.state() == before + 1
        self._require_the_clients(raised)

    def test_a_parked_worker_lets_another_one_pass(self) -> None:
        before = self.state()
        run = self._run("A0 B A")
        assert self.state() == before + 2
        assert run.result.completed
        events = run.result.trace.events
        order = [event.copy for event in events if event.happening is Happening.EFFECT and _lasts(event.effect)]
        assert order == ["B", "A"]

    def test_it_works_in_processes_that_really_die(self) -> None:
        if not self.survives_forks or not hasattr(os, "fork"):
            return
        position, before = self._position(), self.state()
        threaded = self._run("A").result.trace.effects()
        forked = self._run("A", forked=True).result
        assert [effect.label for effect in forked.trace.effects()] == [effect.label for effect in threaded]
        assert forked.oddities == ()
        assert self.state() == before + 2
        self._run(f"A{position}!kill", forked=True)
        assert self.state() == before + 2
        assert self._run("A").result.completed, "the parent cannot go on after its child was killed"

    # --- inside ------------------------------------------------------------------------------------------------------

    def _run(self, token: str, job: Callable[[], object] | None = None, *, forked: bool = False) -> TrialRun:
        bindings = Bindings()
        run = TrialRun.of(job or self.job, token, self.make(bindings), bindings, self.state, forked=forked)
        self.recorded += len(run.notes.records)
        return run

    def _position(self) -> int:
        """How many effects come before the one that lasts: a BEGIN, say."""
        effects = self._run("A").result.trace.effects()
        return next(number for number, effect in enumerate(effects) if effect.durable)

    def _raised(self, token: str) -> list[Exception]:
        """What the job raises under a schedule."""
        raised = []

        def telling() -> None:
            try:
                self.job()
            except Exception as error:
                raised.append(error)
                raise

        self._run(token, telling)
        return raised

    def _require_the_clients(self, raised: Sequence[Exception]) -> None:
        assert raised, f"the job raised nothing; its client would raise {self.failures}"
        assert isinstance(raised[0], self.failures), f"the job raised {raised[0]!r}, and none of {self.failures}"


def _covers(wide: str, narrow: str) -> bool:
    return narrow == wide or narrow.startswith(wide if wide.endswith(":") else f"{wide}/")


def _lasts(effect: Effect | None) -> bool:
    return effect is not None and effect.durable
