"""Watching: the probes of one check."""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from jobchaos.clock.held import all_held_clocks
from jobchaos.clock.loop import virtual_loop
from jobchaos.clock.virtual import VirtualClock
from jobchaos.core.job import Job
from jobchaos.core.ports import Control, Probe
from jobchaos.core.red_flag import RedFlag
from jobchaos.core.settings import Settings
from jobchaos.probes.aiohttp import AiohttpProbe
from jobchaos.probes.aiosmtplib import AiosmtplibProbe
from jobchaos.probes.aiosqlite import AiosqliteProbe
from jobchaos.probes.arq import ArqProbe
from jobchaos.probes.asyncpg import AsyncpgProbe
from jobchaos.probes.bindings import Bindings
from jobchaos.probes.celery_results import CeleryResultsProbe
from jobchaos.probes.django import DjangoProbe
from jobchaos.probes.django_cache import DjangoCacheProbe
from jobchaos.probes.django_mail import DjangoMailFileProbe, DjangoMailProbe
from jobchaos.probes.django_tasks import DjangoTasksProbe
from jobchaos.probes.dramatiq import DramatiqProbe
from jobchaos.probes.entropy import EntropyProbe
from jobchaos.probes.event_loops import EventLoopProbe
from jobchaos.probes.file_locks import FileLockProbe
from jobchaos.probes.files import FileProbe
from jobchaos.probes.held_clocks import HeldClockProbe
from jobchaos.probes.http import HTTPProbe
from jobchaos.probes.httpx import HTTPXProbe
from jobchaos.probes.huey import HueyProbe
from jobchaos.probes.huey_limits import HueyLimitProbe
from jobchaos.probes.huey_locks import HueyLockProbe
from jobchaos.probes.kombu import KombuProbe
from jobchaos.probes.lock_names import LockNames
from jobchaos.probes.locks import LockProbe
from jobchaos.probes.moto import MotoProbe
from jobchaos.probes.mysqlclient import MySQLClientProbe
from jobchaos.probes.procrastinate import ProcrastinateProbe
from jobchaos.probes.psycopg import PsycopgProbe
from jobchaos.probes.psycopg2 import Psycopg2Probe
from jobchaos.probes.psycopg_pool import PsycopgPoolProbe
from jobchaos.probes.pymysql import PyMySQLProbe
from jobchaos.probes.red_flags import RedFlagProbe
from jobchaos.probes.redis import RedisProbe
from jobchaos.probes.requests import RequestsMockProbe, RequestsProbe
from jobchaos.probes.rq import RQProbe
from jobchaos.probes.selects import SelectProbe
from jobchaos.probes.sleep import SleepProbe
from jobchaos.probes.smtp import SMTPProbe
from jobchaos.probes.sockets import SocketProbe
from jobchaos.probes.spawn import SpawnProbe
from jobchaos.probes.sqlalchemy import SQLAlchemyProbe
from jobchaos.probes.sqlite import SQLiteProbe
from jobchaos.probes.subprocesses import SubprocessProbe
from jobchaos.probes.taskiq import TaskiqProbe
from jobchaos.probes.transports import TransportProbe
from jobchaos.probes.turns import Turns
from jobchaos.probes.unwatched import unwatched_drivers
from jobchaos.probes.waits import WaitProbe
from jobchaos.stores import postgres_driver
from jobchaos.stores.leading import led_to
from jobchaos.stores.reachable import places


def probes_for(
    jobs: Sequence[Job],
    clock: VirtualClock,
    control: Control,
    bindings: Bindings,
    entropy: EntropyProbe,
    settings: Settings,
    is_garbage: Callable[[], bool],
) -> list[Probe]:
    """All probes but those for lines, in the order in which they are to be installed.

    Args:
        jobs: Whose locks and clocks to look for.
        clock: Virtual time.
        control: The check.
        bindings: Finds other names of what the probes replace.
        entropy: Hands out random values.
        settings: Of the check.
        is_garbage: Whether what attempts leave of their temporary files is nobody's.
    """
    named = [place for job in jobs for place in places(job.body)]
    return [
        *_clients(),
        *_job_systems(follow=settings.follow),
        SQLiteProbe(bindings),
        PsycopgProbe(),
        Psycopg2Probe(bindings),
        AsyncpgProbe(postgres_driver.connect),
        *_above_drivers(),
        *_of_sockets(bindings),
        FileProbe(bindings, torn_writes=settings.torn_writes, is_garbage=is_garbage),
        SleepProbe(bindings),
        *_of_locks(named, jobs, Turns(clock)),
        EventLoopProbe(bindings, functools.partial(virtual_loop, clock, control.current, lambda: control.shares_time)),
        HeldClockProbe(named, all_held_clocks),
        *(RedFlagProbe(flag, named, bindings) for flag in _flags(jobs)),
        *_of_processes(bindings),
        entropy,
        bindings,
    ]


def _of_sockets(bindings: Bindings) -> list[Probe]:
    sockets = SocketProbe()
    return [sockets, SelectProbe(bindings, sockets), TransportProbe()]


def _of_locks(named: Sequence[MutableMapping[str, Any]], jobs: Sequence[Job], turns: Turns) -> list[Probe]:
    names = LockNames(lambda: (*named, *led_to(*(job.body for job in jobs))))
    return [LockProbe(names, turns), WaitProbe(named, turns), FileLockProbe()]


def _of_processes(bindings: Bindings) -> list[Probe]:
    """Those of threads and processes that the job starts itself."""
    return [SpawnProbe(bindings), SubprocessProbe()]


def _clients() -> list[Probe]:
    """Those of libraries that speak to servers."""
    return [
        PyMySQLProbe(),
        MySQLClientProbe(),
        *unwatched_drivers(),
        RedisProbe(),
        SMTPProbe(),
        AiosmtplibProbe(),
        HTTPProbe(),
        MotoProbe(),
        RequestsProbe(),
        RequestsMockProbe(),
        HTTPXProbe(),
        AiohttpProbe(),
    ]


def _job_systems(*, follow: bool) -> list[Probe]:
    return [
        KombuProbe(follow=follow),
        *(CeleryResultsProbe(backend) for backend in ("redis", "rpc")),
        RQProbe(follow=follow),
        DramatiqProbe(follow=follow),
        HueyProbe(follow=follow),
        HueyLockProbe(),
        HueyLimitProbe(),
        ArqProbe(follow=follow),
        TaskiqProbe(follow=follow),
        ProcrastinateProbe(follow=follow),
        *(DjangoTasksProbe(package, follow=follow) for package in ("django.tasks", "django_tasks")),
    ]


def _above_drivers() -> list[Probe]:
    """Those of what stands between jobs and the drivers of databases."""
    return [
        SQLAlchemyProbe(),
        PsycopgPoolProbe(),
        AiosqliteProbe(),
        DjangoProbe(),
        *(DjangoMailProbe(backend) for backend in ("locmem", "console", "dummy")),
        DjangoMailFileProbe(),
        DjangoCacheProbe(),
    ]


def _flags(jobs: Sequence[Job]) -> list[RedFlag]:
    """The red flags that have to be seen when they are raised."""
    flags = (job.retrying.flag for job in jobs)
    return [flag for flag in flags if flag is not None and flag.is_seen_at_once]
