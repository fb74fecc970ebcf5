"""Probes of the user's own are installed, and refused with a reason if they are none."""

from __future__ import annotations

import pytest

from jobchaos import check
from jobchaos.core.effect import Effect
from jobchaos.core.ports import Control, Worker
from jobchaos.errors import UsageError
from jobchaos.probes.base import BaseProbe


class Arriving(BaseProbe):
    """Makes one effect of each attempt."""

    def __init__(self) -> None:
        self.control: Control | None = None

    def install(self, control: Control) -> None:
        self.control = control

    def remove(self) -> None:
        self.control = None

    def enter(self, worker: Worker) -> None:
        worker.begin(Effect("arrival", f"{worker.copy} arrives", durable=True), RuntimeError).done()


def test_effects_of_a_probe_of_ones_own_are_steps() -> None:
    probe = Arriving()
    verdict = check(lambda: None, probes=[probe], faults=["duplicate"])
    assert verdict.status == "holds"
    assert "1 step" in verdict.claim
    assert probe.control is None


def test_what_is_no_probe_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is not a probe: it has no install, remove.*BaseProbe"):
        check(lambda: None, probes=["requests"])  # type: ignore[list-item]


def test_the_fixture_must_return_a_list(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.fixture
        def jobchaos_probes(): return None
        def test(run_twice): run_twice(print)
        """
    )
    result = pytester.runpytest("-n0", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*the fixture jobchaos_probes must return a list of probes; it returned None*"])
