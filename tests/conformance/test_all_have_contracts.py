"""Every store and every probe of ours has its contract among our tests, or says here why it can have none."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jobchaos.probes
import jobchaos.stores
from jobchaos.clock.virtual import VirtualClock
from jobchaos.conformance import LedgerContract, ProbeContract, StoreContract
from jobchaos.core.job import Job
from jobchaos.core.ports import Probe
from jobchaos.core.red_flag import RedFlag
from jobchaos.core.settings import Settings
from jobchaos.engine.stage import Stage
from jobchaos.engine.world import World
from jobchaos.probes.base import BaseProbe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.jitter import JitterProbe
from jobchaos.probes.lines import LineProbe
from jobchaos.probes.red_flags import RedFlagProbe
from jobchaos.stores.base import BaseStore
from jobchaos.suite import watching
from jobchaos.watching import probes_for

TESTS = Path(__file__).parent.parent
NEVER_RESTORED = {"DjangoTables", "SQLAlchemyTables", "ServerTables", "RedisKeys"}
"""Stores that a suite's own fixtures restore."""
WITHOUT_LASTING_EFFECTS = {
    *("EntropyProbe", "EventLoopProbe", "HeldClockProbe", "JitterProbe", "SleepProbe"),  # time and chance
    *("FileLockProbe", "LockProbe", "SelectProbe", "SocketProbe", "SubprocessProbe"),  # waiting
    *("TransportProbe", "WaitProbe"),
    *("CeleryResultsProbe", "DjangoMailFileProbe"),  # what would differ from run to run
    *("LineProbe", "RedFlagProbe", "SpawnProbe", "UnwatchedProbe", "Bindings"),  # what is looked at besides
    *("DjangoStatementProbe", "SQLAlchemyStatementProbe"),  # statements of suites, which run one after the other
    *("PsycopgOnlooker", "Psycopg2Onlooker", "PyMySQLOnlooker", "RedisOnlooker"),
}
"""Probes which have none that a contract could count."""


def kinds(package: types.ModuleType, base: type) -> set[str]:
    """The names of all classes of a package below a base that can have instances."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    ours = (kind for kind in _below(base) if kind.__module__.startswith(f"{package.__name__}."))
    return {kind.__name__ for kind in ours if not inspect.isabstract(kind)}


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def with_contracts() -> set[str]:
    """What the classes in our tests are called after that are, by whatever way, contracts."""
    found = set()
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")]
    for text in texts:
        if "Contract" not in text:
            continue
        contracts = {kind.__name__ for kind in (StoreContract, LedgerContract, ProbeContract)}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and contracts & {ast.unparse(base) for base in node.bases}:
                contracts.add(node.name)
        found |= {re.sub("^(Test|Check)", "", name) for name in contracts}
    return found


def test_every_store_has_its_contract() -> None:
    assert kinds(jobchaos.stores, BaseStore) - with_contracts() == NEVER_RESTORED


def test_every_probe_has_its_contract() -> None:
    assert kinds(jobchaos.probes, BaseProbe) - with_contracts() == WITHOUT_LASTING_EFFECTS


def without_lasting_effects(stage: Stage) -> list[Probe]:
    """Those that have no contract."""
    bindings = Bindings()
    entropy = EntropyProbe(bindings)
    flag = RedFlag.log()
    job, settings = Job(print), Settings()
    probes = probes_for([job], VirtualClock(0), stage, bindings, entropy, settings)
    probes += [RedFlagProbe(flag, [], bindings), JitterProbe(lambda: None), LineProbe(lambda _: False)]
    return [each for each in [*probes, *watching._probes()] if type(each).__name__ in WITHOUT_LASTING_EFFECTS]


def everything() -> dict[tuple[str, str], object]:
    """What the names in all loaded modules stand for, and those in their classes."""
    found: dict[tuple[str, str], object] = {}
    for module in list(sys.modules.values()):
        classes = (value for value in vars(module).values() if issubclass(type(value), type))  # wakes no lazy object
        for owner in [module, *classes]:
            place = f"{module.__name__}.{getattr(owner, '__qualname__', '')}"
            found |= {(place, name): value for name, value in vars(owner).items()}
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
    changed = {place for place in before.keys() | after.keys() if before.get(place) is not after.get(place)}
    assert not changed, f"something is left behind: {sorted(changed)[:9]}"
