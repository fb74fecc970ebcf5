"""Every broken job on Redis is found, with the right code and a minimal schedule; every sound one passes in silence."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import fakeredis.aioredis
import pytest
import redis
import redis.asyncio

from jobchaos.checking import check
from jobchaos.core.settings import Settings
from jobchaos.errors import UsageError
from tests.backends import redis_site as site
from tests.backends.redis_broken import BROKEN, Broken, sends_a_message_twice, waits_for_what_it_has_taken
from tests.backends.redis_sound import SOUND, watches_what_it_reads


@pytest.fixture(params=["server", pytest.param("fakeredis", marks=pytest.mark.thorough)])
def client(request: pytest.FixtureRequest, jobchaos_redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a database as the jobs expect it."""
    if request.param == "server":
        monkeypatch.setattr(site, "connect", lambda: redis.Redis.from_url(jobchaos_redis))
        monkeypatch.setattr(site, "connect_async", lambda: redis.asyncio.Redis.from_url(jobchaos_redis))
    else:
        server = fakeredis.FakeServer()
        monkeypatch.setattr(site, "connect", lambda: fakeredis.FakeRedis(server=server))
        monkeypatch.setattr(site, "connect_async", lambda: fakeredis.aioredis.FakeRedis(server=server))
    with site.connect() as client:
        site.set_up(client)
        yield client


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.job.__name__)
def test_a_broken_job_is_found(case: Broken, client: Any) -> None:
    verdict = check(case.job, faults=["duplicate", "concurrent", "crash"], settings=Settings(profile="quick"))
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert verdict.status == "fails", verdict
    assert case.findings.items() <= found.items(), found
    crashes = [finding for finding in verdict.findings if finding.code.startswith("JC3")]
    in_memory = isinstance(client, fakeredis.FakeRedis) and case.job is not sends_a_message_twice  # it uses no key
    assert all(bool(finding.confirmed) is not in_memory for finding in crashes)


def test_who_is_delivered_again_and_waits_for_ever_is_told_so(client: Any) -> None:
    verdict = check(waits_for_what_it_has_taken, faults=["duplicate"], settings=Settings(profile="quick"))
    (finding,) = verdict.findings
    assert finding.code == "JC104"
    assert "never completes" in finding.message
    assert finding.message.endswith("when it is delivered twice"), finding.message


@pytest.mark.parametrize("job", SOUND, ids=lambda job: job.__name__)
def test_a_sound_job_is_not_reported(job: Callable[[], Any], client: Any) -> None:
    verdict = check(job, faults=["duplicate", "concurrent", "crash"], settings=Settings(profile="quick"))
    assert verdict.status == "holds", (verdict.findings, verdict.notes)
    assert verdict.schedules_run > 0


def test_who_begins_again_while_keys_are_watched_does_as_the_client_says(client: Any) -> None:
    verdict = check(watches_what_it_reads, faults=["retry"], settings=Settings(profile="quick"))
    assert verdict.status == "holds", verdict.findings


class BusyError(Exception):
    """Somebody else holds the lock: the queue is to deliver the job again, later."""


def pays_under_a_lock(*, at_most_once: bool) -> None:
    """Trusts that it still has the lock, or sees to it that it does not matter."""
    client = site.connect()
    if not client.set("lock", "me", nx=True, ex=60):
        raise BusyError
    if at_most_once:
        client.hsetnx("order:7", "paid", 1)
    elif not client.hexists("order:7", "paid"):
        client.hincrby("order:7", "paid", 1)
    client.delete("lock")


@pytest.mark.usefixtures("client")
def test_a_lock_that_runs_out_lets_another_one_in() -> None:
    trusts, minds = (functools.partial(pays_under_a_lock, at_most_once=once) for once in (False, True))
    verdict = check(trusts, faults=["concurrent", "expiry"], settings=Settings(profile="quick"))
    found = {finding.code: str(finding.schedule) for finding in verdict.findings if finding.gates}
    assert found == {"JC612": "A2 +61s B A"}, verdict
    verdict = check(minds, faults=["concurrent", "expiry"], settings=Settings(profile="quick"))
    assert verdict.status == "holds", verdict.findings


def test_a_fake_server_cannot_be_shared_with_processes() -> None:
    server = fakeredis.FakeServer()
    with pytest.raises(UsageError, match="fakeredis keeps its keys in the memory of one process"):
        check(lambda: fakeredis.FakeRedis(server=server).incr("n"), settings=Settings(isolation="process"))


@pytest.mark.parametrize("seconds", [59, 61])
def test_keys_of_a_fake_server_expire_in_virtual_time(seconds: int) -> None:
    server = fakeredis.FakeServer()
    found: list[object] = []

    def job() -> None:
        client = fakeredis.FakeRedis(server=server)
        client.set("lease", "mine", ex=60)
        time.sleep(seconds)
        found.append(client.get("lease"))
        client.delete("lease")

    verdict = check(job, faults=["duplicate"], settings=Settings(profile="quick", isolation="thread"))
    assert verdict.status == "holds", verdict.findings
    assert set(found) == {b"mine" if seconds < 60 else None}
