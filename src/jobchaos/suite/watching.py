"""Watching: the probes of a suite, and the adapters of the job systems that it uses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from jobchaos import adapters
from jobchaos.core.adapter import Adapter, Learner
from jobchaos.core.ports import Probe
from jobchaos.probes.aiohttp import AiohttpProbe
from jobchaos.probes.arq import ArqProbe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.django_cache import DjangoCacheProbe
from jobchaos.probes.django_mail import DjangoMailFileProbe, DjangoMailProbe
from jobchaos.probes.django_statements import DjangoStatementProbe
from jobchaos.probes.dramatiq import DramatiqProbe
from jobchaos.probes.drivers_onlooking import (
    MySQLClientOnlooker,
    Psycopg2Onlooker,
    PsycopgOnlooker,
    PyMySQLOnlooker,
    RedisOnlooker,
)
from jobchaos.probes.files import FileProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.huey import HueyProbe
from jobchaos.probes.kombu import KombuProbe
from jobchaos.probes.mocks import MockProbe
from jobchaos.probes.procrastinate import ProcrastinateProbe
from jobchaos.probes.requests import RequestsMockProbe, RequestsProbe
from jobchaos.probes.rq import RQProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlalchemy_sessions import SQLAlchemySessionProbe
from jobchaos.probes.sqlalchemy_statements import SQLAlchemyStatementProbe
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.probes.taskiq import TaskiqProbe
from jobchaos.suite.director import Director
from jobchaos.suite.named import Named
from jobchaos.suite.passing import Passing

_QUEUES = (KombuProbe, RQProbe, DramatiqProbe, HueyProbe, ArqProbe, TaskiqProbe, ProcrastinateProbe)


class Watcher:
    """Watches a session: probes from the moment on at which a job system is there, which may be late.

    Args:
        director: Is handed the executions.
        named: Patterns of functions that are tasks. See `Named`.
    """

    def __init__(self, director: Director, named: Sequence[str]) -> None:
        self.systems: dict[str, Adapter] = {}
        """The job systems that the program has imported."""
        self._director = director
        self._named = Named(named, director.around)
        self._watched: set[str] = set()
        self._undo = contextlib.ExitStack()
        self._modules = 0

    def refresh(self) -> None:
        """Watch, also systems that were imported meanwhile. Costs next to nothing if no module was."""
        if len(sys.modules) == self._modules:
            return
        self._modules = len(sys.modules)
        for adapter in adapters.present():
            if adapter.name in self._watched:
                continue
            if not self._watched:
                self._undo.enter_context(self._director.watch.watching(_probes()))
            known = self.systems.setdefault(adapter.name, adapter)
            self._watched.add(adapter.name)
            self._undo.enter_context(known.executions(self._director.around))
        self._named.refresh(self._learners)

    @property
    def unknown(self) -> dict[str, str]:
        """Import names of systems in versions that are not known, each with the reason."""
        return adapters.unknown()

    @property
    def learned(self) -> list[object]:
        """Functions that have turned out to be tasks so far; their calls are seen only since then."""
        return [function for learner in self._learners for function, _, _ in learner.learned]

    @property
    def _learners(self) -> list[Learner]:
        """RQ and arq come before APScheduler, which their users have as a clock."""
        return [adapter for adapter in reversed(self.systems.values()) if isinstance(adapter, Learner)]

    def close(self) -> None:
        """Take everything away again, until the next `refresh`."""
        self._named.close()
        self._undo.close()
        self._watched.clear()
        self._modules = 0


def _probes() -> list[Probe]:
    bindings = Bindings()
    return [
        SQLiteProbe(bindings, outside=True),
        SQLAlchemyProbe(),
        SQLAlchemyStatementProbe(),
        SQLAlchemySessionProbe(),
        SMTPProbe(),
        HTTPProbe(),
        RequestsProbe(),
        RequestsMockProbe(),
        HTTPXProbe(),
        AiohttpProbe(),
        FileProbe(bindings),
        DjangoStatementProbe(),
        PsycopgOnlooker(),
        Psycopg2Onlooker(bindings),
        PyMySQLOnlooker(),
        MySQLClientOnlooker(),
        RedisOnlooker(),
        *(DjangoMailProbe(backend) for backend in ("locmem", "console", "dummy")),
        DjangoMailFileProbe(),
        DjangoCacheProbe(),
        MockProbe(),
        *(Passing(probe()) for probe in _QUEUES),
        bindings,
    ]
