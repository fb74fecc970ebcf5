"""Probes of drivers for suites as they are, for tasks that use psycopg, PyMySQL, mysqlclient or redis-py themselves."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable
from typing import Any

from jobchaos.core.effect import Foreign
from jobchaos.core.pending import Pending
from jobchaos.core.ports import Control, Worker
from jobchaos.probes.base import BaseProbe, Patches
from jobchaos.probes.mysqlclient import MySQLClientProbe
from jobchaos.probes.onlooking import Onlooking, is_called_by_a_library
from jobchaos.probes.psycopg import PsycopgProbe
from jobchaos.probes.psycopg2 import Psycopg2Probe
from jobchaos.probes.psycopg2_connection import ProbedConnection, probed_connection
from jobchaos.probes.pymysql import PyMySQLProbe
from jobchaos.probes.redis_commands import SILENT
from jobchaos.probes.redis_link import Link
from jobchaos.probes.redis_places import Places
from jobchaos.probes.redis_protocol import Command, name_of
from jobchaos.probes.redis_scripts import Scripts
from jobchaos.probes.redis_unit import Unit, published


class PsycopgOnlooker(Onlooking, PsycopgProbe):
    """Statements and commits through psycopg 3, sync or async."""

    def _watch_waits(self, blocking: type[Any], awaited: type[Any]) -> None:
        """They wait in earnest."""

    def _watch_connect(self, owner: type[Any]) -> None:
        """Likewise."""


class Psycopg2Onlooker(Onlooking, Psycopg2Probe):
    """Statements and commits through psycopg2, on all connections that are opened from now on, by whomever.

    A fixture may open one for the tasks of many tests.
    """

    def watch(self) -> None:
        """See `LibraryProbe.watch`."""
        super().watch()
        self.patches.set(ProbedConnection, "probe", self)

    def _watch_waits(self, extensions: Any) -> None:
        """They wait in earnest."""

    def _connect(self, dsn: Any = None, connection_factory: Any = None, *args: Any, **options: Any) -> Any:
        return self._genuine(dsn, probed_connection(connection_factory), *args, **options)


class PyMySQLOnlooker(Onlooking, PyMySQLProbe):
    """Statements and commits through PyMySQL."""

    in_earnest = True


class MySQLClientOnlooker(Onlooking, MySQLClientProbe):
    """Statements and commits through mysqlclient."""

    in_earnest = True

    def is_in_transaction(self, connection: Any) -> bool:
        """See `ServerProbe.is_in_transaction`: whoever has begun it may not have been seen."""
        if not connection.open:
            return False
        try:
            return tuple(self.ask(connection, "SELECT @@in_transaction")) == ((1,),)
        except self.errors.Error:  # MySQL does not know that
            number = f"trx_mysql_thread_id = {int(connection.thread_id())}"
            return bool(self.ask(connection, f"SELECT 1 FROM information_schema.innodb_trx WHERE {number}"))  # noqa: S608

    def ended(self, connection: Any, session: Any, text: str, error: Exception | None) -> None:
        """See `MySQLProbe.ended`: the server is asked instead."""


class RedisOnlooker(BaseProbe):
    """Commands and pipelines of redis-py, valkey-py and fakeredis, sync or async."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._control: Control | None = None
        self._places = Places()
        self._links: weakref.WeakKeyDictionary[Any, Link] = weakref.WeakKeyDictionary()
        self._scripts = Scripts()

    def install(self, control: Control) -> None:
        """See `Probe.install`."""
        self._control = control
        for name in ("redis.client", "redis.asyncio.client", "valkey.client", "valkey.asyncio.client"):
            module = sys.modules.get(name)
            client = getattr(module, "Redis", None) or getattr(module, "Valkey", None)
            if module is not None and client is not None:
                self._replace(client, "execute_command", lambda _client, *words, **_: [words])
                self._replace(module.Pipeline, "execute", lambda pipeline, *_, **__: _queued(pipeline))

    def remove(self) -> None:
        """See `Probe.remove`."""
        self._patches.undo()
        self._links.clear()
        self._control = None

    def _replace(self, owner: type, name: str, words_of: Callable[..., list[Any]]) -> None:
        genuine = vars(owner)[name]

        @functools.wraps(genuine)
        def watched(client: Any, *args: Any, **kwargs: Any) -> Any:
            worker = None if self._control is None else self._control.current()
            commands = [] if worker is None else [_command(words) for words in words_of(client, *args, **kwargs)]
            commands = [command for command in commands if name_of(command) not in SILENT]
            if worker is None or not commands or is_called_by_a_library():
                return genuine(client, *args, **kwargs)
            return self._step(worker, client, commands, functools.partial(genuine, client, *args, **kwargs))

        self._patches.set(owner, name, watched)

    def _step(self, worker: Worker, client: Any, commands: list[Command], call: Callable[[], Any]) -> Any:
        link = self._link(client)
        unit = Unit.of(commands, link, self._scripts, is_transaction=len(commands) > 1)
        for resource in unit.reaches(link):
            worker.touch(resource)
        pending = worker.begin(unit.effect(link), ConnectionError)
        result = call()  # what fails is no less a step, and the state tells what it has left
        if inspect.isawaitable(result):
            return _awaited(result, functools.partial(_done, worker, pending, unit))
        _done(worker, pending, unit)
        return result

    def _link(self, client: Any) -> Link:
        pool = client.connection_pool
        if pool not in self._links:
            link = self._links[pool] = self._places.link(pool.connection_class(**pool.connection_kwargs))
            host = pool.connection_kwargs.get("host")
            if self._control is not None and host and isinstance(link.access, str):  # else it is a fake in this process
                self._control.check_host(host)
        return self._links[pool]


def _done(worker: Worker, pending: Pending, unit: Unit) -> None:
    for message in filter(None, map(published, unit.commands)):
        worker.record(Foreign("pubsub", ("channel", "message"), message))
    pending.done()


async def _awaited(result: Any, done: Callable[[], None]) -> Any:
    answer = await result
    done()
    return answer


def _queued(pipeline: Any) -> list[Any]:
    return [one[0] if isinstance(one, tuple) else one.args for one in pipeline.command_stack]


def _command(words: Any) -> Command:
    first, *rest = (word if isinstance(word, bytes) else str(word).encode() for word in words)
    return (*first.split(), *rest)
