"""Lines of the project's own code are steps, and only those."""

from __future__ import annotations

import json
import sys

from jobchaos.core.project import is_project_file
from jobchaos.probes.lines import LineProbe
from tests.probes.conftest import Watch, effects, seen

counter: list[int] = []


def count() -> None:
    known = len(counter)
    json.dumps([known])
    counter.append(known)


def test_each_line_is_a_durable_step(watch: Watch) -> None:
    run = watch(count, "A", LineProbe(is_project_file))
    assert seen(run) == ["known = len(counter)", "json.dumps([known])", "counter.append(known)"]
    assert all(effect.durable for effect in effects(run))
    site = effects(run)[0].site
    assert site is not None
    assert (site.file, site.function) == (__file__, "count")


def test_a_worker_can_be_paused_before_a_line(watch: Watch) -> None:
    counter.clear()
    watch(count, "A2 B A", LineProbe(is_project_file))
    assert counter == [0, 0]


def test_a_worker_can_be_killed_before_a_line(watch: Watch) -> None:
    counter.clear()
    watch(count, "A2!kill A", LineProbe(is_project_file))
    assert counter == [0]


def test_tracing_is_off_afterwards(watch: Watch) -> None:
    trace = sys.gettrace()
    watch(count, "A B", LineProbe(is_project_file))
    assert sys.gettrace() is trace
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(tool) for tool in (3, 4)] == [None, None]


def test_two_probes_one_after_the_other_see_the_same(watch: Watch) -> None:
    first = seen(watch(count, "A", LineProbe(is_project_file)))
    assert seen(watch(count, "A", LineProbe(is_project_file))) == first
