"""The stage: which hosts may be reached, what ends a check, and that probes are removed whatever happens."""

from __future__ import annotations

import pytest

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.ports import Control
from jobchaos.core.trace import Happening
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.errors import ForeignHostError
from jobchaos.probes.base import BaseProbe


class Logged(BaseProbe):
    """Says when it is installed and removed."""

    def __init__(self, name: str, log: list[str], *, fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails

    def install(self, control: Control) -> None:
        self.log.append(f"+{self.name}")
        if self.fails:
            raise RuntimeError("cannot")

    def remove(self) -> None:
        self.log.append(f"-{self.name}")


def stage(*hosts: str) -> Stage:
    return Stage(VirtualClock(5), World(lambda _: None), hosts)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "", "mail.test"])
def test_this_machine_and_allowed_hosts_may_be_reached(host: str) -> None:
    stage("mail.test").check_host(host)


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "localhost.example.com", "128.0.0.1", "127.0.0.1.example.com"]
)
def test_other_hosts_may_not(host: str) -> None:
    watched = stage("mail.test")
    with pytest.raises(ForeignHostError, match=host):
        watched.check_host(host)
    assert isinstance(watched.error, ForeignHostError)


def test_probes_are_removed_in_reverse_order_also_after_errors() -> None:
    log: list[str] = []
    probes = [Logged("a", log), Logged("b", log, fails=True), Logged("c", log)]
    with pytest.raises(RuntimeError, match="cannot"), stage().watching(probes):
        pass
    assert log == ["+a", "+b", "-b", "-a"]


def test_events_can_be_amended_until_the_trace_is_taken() -> None:
    watched = stage()
    amend = watched.note(Happening.FINISHED, "A", 1, None, "soon")
    amend("now")
    watched.oddity("JC906", "twice")
    watched.oddity("JC906", "twice")
    trace, oddities = watched.take_trace()
    assert [(event.detail, event.at) for event in trace.events] == [("now", 5)]
    assert oddities == (("JC906", "twice"),)
    assert watched.take_trace() == (type(trace)(()), ())


def test_probes_are_called_where_they_do_something() -> None:
    watched, log = stage(), list[str]()
    silent, own, foreign = Logged("silent", log), Logged("own", log), Foreign()
    own.settle = lambda: log.append("own")  # type: ignore[method-assign]
    with watched.watching([silent, own]):
        assert watched.heeding("settle") == [own]
        watched.add(foreign)  # type: ignore[arg-type]
        assert watched.heeding("settle") == [own, foreign]


class Foreign:
    """A probe that is not derived from ours, and so does not say what it does nothing at."""

    def install(self, control: Control) -> None: ...

    def remove(self) -> None: ...
