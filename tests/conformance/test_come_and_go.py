"""Probes that have no contract, as they have no effects that last, leave everything as it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.job import Job
from jobchaos.core.ports import Probe
from jobchaos.core.red_flag import RedFlag
from jobchaos.core.settings import Settings
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.jitter import JitterProbe
from jobchaos.probes.lines import LineProbe
from jobchaos.probes.logs import LogProbe
from jobchaos.probes.red_flags import RedFlagProbe
from jobchaos.suite import watching
from jobchaos.watching import probes_for
from tests.test_architecture import WITHOUT_LASTING_EFFECTS


def without_lasting_effects(stage: Stage) -> list[Probe]:
    """Those that have no contract."""
    bindings = Bindings()
    entropy = EntropyProbe(bindings)
    flag = RedFlag.log()
    job, settings = Job(print), Settings()
    probes = probes_for([job], VirtualClock(0), stage, bindings, entropy, settings, lambda: False)
    probes += [RedFlagProbe(flag, [], bindings), JitterProbe(lambda: None)]
    probes += [LineProbe(lambda _: False), LogProbe(lambda: False)]
    return [each for each in [*probes, *watching._probes()] if type(each).__name__ in WITHOUT_LASTING_EFFECTS]


def everything() -> dict[tuple[str, str], object]:
    """The functions and classes that names in all loaded modules, and in their classes, stand for."""
    found: dict[tuple[str, str], object] = {}
    for module in list(sys.modules.values()):
        classes = (value for value in vars(module).values() if issubclass(type(value), type))  # wakes no lazy object
        for owner in [module, *classes]:
            place = f"{module.__name__}.{getattr(owner, '__qualname__', '')}"
            found |= {(place, name): value for name, value in vars(owner).items() if callable(value)}
    return found


def come_and_go(probes: Sequence[Probe], stage: Stage) -> None:
    for probe in probes:
        probe.remove()  # it was not installed
        probe.install(stage)
        probe.remove()


def test_those_without_a_contract_leave_everything_as_it_was() -> None:
    stage = Stage(VirtualClock(0), World(lambda _: None))
    probes = without_lasting_effects(stage)
    assert {type(each).__name__ for each in probes} == WITHOUT_LASTING_EFFECTS
    come_and_go(probes, stage)  # whatever is imported, or marked for ever by whom they listen to
    before = everything()
    come_and_go(probes, stage)
    after = everything()
    places = {place for place, _ in before}  # others have been imported meanwhile, for whatever reason
    names = before.keys() | {(place, name) for place, name in after if place in places}
    changed = {name for name in names if before.get(name) is not after.get(name)}
    assert not changed, f"something is left behind: {sorted(changed)[:9]}"
