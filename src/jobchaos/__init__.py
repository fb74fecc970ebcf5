"""jobchaos: does a background job survive duplicates, overlaps and crashes?

Every name is imported on first use, so that loading the pytest plugin costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobchaos.checking import check
    from jobchaos.core.attempts import attempt
    from jobchaos.core.finding import Finding
    from jobchaos.core.job import Job
    from jobchaos.core.leases import lease
    from jobchaos.core.red_flag import RedFlag
    from jobchaos.core.retry_policy import RetryPolicy
    from jobchaos.core.schedule import Schedule
    from jobchaos.core.settings import Settings
    from jobchaos.core.verdict import Verdict
    from jobchaos.errors import InconclusiveError, JobChaosError, UsageError
    from jobchaos.explore import strategies
    from jobchaos.fake_clock import FakeClock
    from jobchaos.stores.directory import DirectoryStore
    from jobchaos.stores.function import FunctionStore
    from jobchaos.stores.memory import MemoryStore
    from jobchaos.stores.sqlite import SQLiteStore
    from jobchaos.suite.idempotent import idempotent_effect
    from jobchaos.throttling import throttled

__all__ = [
    "DirectoryStore",
    "FakeClock",
    "Finding",
    "FunctionStore",
    "InconclusiveError",
    "Job",
    "JobChaosError",
    "MemoryStore",
    "RedFlag",
    "RetryPolicy",
    "SQLiteStore",
    "Schedule",
    "Settings",
    "UsageError",
    "Verdict",
    "attempt",
    "check",
    "idempotent_effect",
    "lease",
    "strategies",
    "throttled",
]

_HOMES = {
    "DirectoryStore": "jobchaos.stores.directory",
    "FakeClock": "jobchaos.fake_clock",
    "Finding": "jobchaos.core.finding",
    "FunctionStore": "jobchaos.stores.function",
    "InconclusiveError": "jobchaos.errors",
    "Job": "jobchaos.core.job",
    "JobChaosError": "jobchaos.errors",
    "MemoryStore": "jobchaos.stores.memory",
    "RedFlag": "jobchaos.core.red_flag",
    "RetryPolicy": "jobchaos.core.retry_policy",
    "SQLiteStore": "jobchaos.stores.sqlite",
    "Schedule": "jobchaos.core.schedule",
    "Settings": "jobchaos.core.settings",
    "UsageError": "jobchaos.errors",
    "Verdict": "jobchaos.core.verdict",
    "attempt": "jobchaos.core.attempts",
    "check": "jobchaos.checking",
    "idempotent_effect": "jobchaos.suite.idempotent",
    "lease": "jobchaos.core.leases",
    "throttled": "jobchaos.throttling",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("jobchaos")
    if name == "strategies":
        return importlib.import_module("jobchaos.explore.strategies")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'jobchaos' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
