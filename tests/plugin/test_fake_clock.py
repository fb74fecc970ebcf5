"""fake_clock: virtual time in the test function, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import threading
import time

import pytest

from tests.plugin.conftest import Runs

NEW_YEAR = """
import asyncio, datetime, queue, threading, time
from asyncio import sleep as asleep
from datetime import timedelta, timezone
from time import sleep, time as seconds

HOUR = 3600
START = datetime.datetime(2030, 1, 1, tzinfo=timezone.utc)
class Shop:
    now = staticmethod(time.time)
    def sleep(self, seconds, wait=time.sleep): wait(seconds)
pytestmark = pytest.mark.jobchaos(now=START)
"""


@pytest.mark.parametrize(
    "body",
    [
        "assert fake_clock.now() == START == datetime.datetime.now(timezone.utc)",
        "assert fake_clock.now().utcoffset() == timedelta(0)",
        "fake_clock.advance(60); assert fake_clock.now() == START + timedelta(minutes=1)",
        "fake_clock.advance(0.5); assert time.time() == seconds() == START.timestamp() + 0.5",
        "before = time.monotonic(); fake_clock.advance(61); assert time.monotonic() - before == 61",
        "time.sleep(2 * HOUR); sleep(0.25); assert fake_clock.sleeps == [7200, 0.25]",
        "sleep(HOUR); assert fake_clock.now() == START + timedelta(hours=1)",
        "asyncio.run(asyncio.sleep(HOUR)); assert fake_clock.now() == START + timedelta(hours=1)",
        "asyncio.run(asyncio.sleep(HOUR)); asyncio.run(asleep(1)); assert fake_clock.sleeps == [HOUR, 1]",
        "assert not threading.Event().wait(HOUR); assert fake_clock.now() == START + timedelta(hours=1)",
        "assert fake_clock.sleeps == []",
        "Shop().sleep(HOUR); assert Shop.now() == START.timestamp() + 3600",
        "with pytest.raises(queue.Empty): queue.Queue().get(timeout=5)\n    assert seconds() == START.timestamp() + 5",
        "assert type(fake_clock.now()) is type(datetime.datetime.now()) is type(START)",
    ],
)
def test_time_moves_when_told_to(runs: Runs, body: str) -> None:
    result = runs(f"{NEW_YEAR}\ndef test(fake_clock):\n    {body}\n", "--durations=0", "-vv")
    result.assert_outcomes(passed=1)
    assert all(float(text) < 60 for text in re.findall(r"(\d+\.\d+)s (?:setup|call|teardown)", result.stdout.str()))
    assert "s call" in result.stdout.str()


def test_the_timeouts_of_a_coroutine_are_virtual(runs: Runs) -> None:
    code = """
async def job():
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(HOUR), 60)

def test(fake_clock):
    asyncio.run(job())
    assert fake_clock.now() == START + timedelta(minutes=1)
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=1)


def test_a_loop_that_was_there_before_works(runs: Runs) -> None:
    code = """
@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()

def test(fake_clock, loop):
    loop.run_until_complete(asyncio.sleep(HOUR))
    loop.run_until_complete(asyncio.wait_for(loop.run_in_executor(None, int), 5))
    loop.run_until_complete(loop.shutdown_default_executor())
    assert fake_clock.sleeps == [HOUR]
    assert fake_clock.now() == START + timedelta(hours=1)

async def waits(now, limit):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), limit)
    await asyncio.gather(asyncio.sleep(10), asyncio.sleep(20))
    await asyncio.to_thread(time.sleep, 30)
    later = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(40, later.set_result, None)
    await later

def test_its_timeouts_are_virtual(fake_clock, loop):
    loop.run_until_complete(waits(fake_clock.now, HOUR))
    loop.run_until_complete(loop.shutdown_default_executor())
    assert fake_clock.now() == START + timedelta(hours=1, seconds=20 + 30 + 40)

def test_it_is_itself_again(loop):
    before = loop.time()
    loop.run_until_complete(asyncio.sleep(0))
    assert loop.time() - before < 60
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=3)


def test_coroutines_that_a_plugin_runs_are_in_virtual_time(runs: Runs) -> None:
    code = """
import anyio
pytestmark = [pytest.mark.jobchaos(now=START), pytest.mark.anyio]

@pytest.fixture
def anyio_backend(): return "asyncio"

async def test(fake_clock):
    with anyio.move_on_after(HOUR):
        await anyio.sleep_forever()
    await anyio.sleep(60)
    assert fake_clock.now() == START + timedelta(hours=1, minutes=1)
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=1)


def test_threads_of_the_test_see_it_and_others_do_not(runs: Runs) -> None:
    code = """
def serve(requests, replies):
    while requests.get():
        replies.put(time.time())

@pytest.fixture(scope="module")
def server():
    requests, replies = queue.Queue(), queue.Queue()
    thread = threading.Thread(target=serve, args=(requests, replies))
    thread.start()
    yield requests, replies
    requests.put(None)
    thread.join()

def test(fake_clock, server):
    found = []
    thread = threading.Thread(target=lambda: (time.sleep(60), found.append(fake_clock.now())))
    thread.start()
    thread.join()
    assert found == [START + timedelta(minutes=1)]
    assert fake_clock.sleeps == [60]
    requests, replies = server
    requests.put("time?")
    assert replies.get(timeout=HOUR) < START.timestamp()
    assert fake_clock.now() == START + timedelta(minutes=1)

@pytest.fixture
def worker():
    requests, replies = queue.Queue(), queue.Queue()
    thread = threading.Thread(target=serve, args=(requests, replies))
    thread.start()
    yield requests, replies
    requests.put(None)
    thread.join()

def test_a_thread_of_its_own_fixture_is_one(worker, fake_clock):
    requests, replies = worker
    requests.put("time?")
    assert replies.get() == START.timestamp()
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=2)


@pytest.mark.parametrize(("worker", "told"), [("celery_session_worker", 1), ("celery_worker", 0)])
def test_a_worker_that_cannot_follow_it_is_told(runs: Runs, worker: str, told: int) -> None:
    scope = "session" if told else "function"
    code = f"""
@pytest.fixture(scope="{scope}")
def {worker}(): ...

def test({worker}, fake_clock): ...
"""
    result = runs(NEW_YEAR + code, "-W", "always::pytest.PytestWarning")
    result.assert_outcomes(passed=1, warnings=told)
    assert ("real time" in result.stdout.str()) is bool(told)


def test_setup_and_teardown_see_real_time(runs: Runs) -> None:
    code = """
@pytest.fixture
def around(fake_clock):
    assert time.time() < START.timestamp()
    yield
    assert time.time() < START.timestamp()
    assert fake_clock.sleeps == [1]

def test(around): time.sleep(1)

def test_without_it(): assert time.time() < START.timestamp()
"""
    result = runs(NEW_YEAR + code, "-W", "always::pytest.PytestWarning")
    result.assert_outcomes(passed=2)


def test_who_measures_a_time_across_the_ends_of_a_test_gets_to_its_end(runs: Runs) -> None:
    """As the loops of workers do that a fixture starts and stops."""
    code = """
@pytest.fixture(params=[1, 2])
def loop():
    beats, stop = [], threading.Event()
    def turn():
        while not stop.is_set():
            began = time.monotonic()
            while (passed := time.monotonic() - began) < 0.02:
                assert passed >= 0
                time.sleep(0.01)
            beats.append(time.time())
    thread = threading.Thread(target=turn)
    thread.start()
    yield beats
    assert time.time() < START.timestamp()
    seen = len(beats)
    while thread.is_alive() and len(beats) < seen + 3:
        pass
    assert START.timestamp() + HOUR <= beats[-1] < START.timestamp() + 2 * HOUR
    stop.set()
    thread.join()

def test(loop, fake_clock):
    fake_clock.advance(HOUR)
    assert len(loop) > 10
"""
    runs(NEW_YEAR + code, "-W", "error").assert_outcomes(passed=2)


def test_every_test_begins_anew(runs: Runs) -> None:
    code = """
@pytest.mark.parametrize("number", range(3))
def test(fake_clock, number):
    assert (fake_clock.now(), fake_clock.sleeps) == (START, [])
    time.sleep(5)
    fake_clock.advance(5)
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=3)


def test_without_a_marker_it_begins_now(runs: Runs) -> None:
    code = """
import time
before = time.time()
def test(fake_clock):
    assert 0 <= fake_clock.now().timestamp() - before < 600
    assert fake_clock.now() == fake_clock.now()
"""
    runs(code).assert_outcomes(passed=1)


def test_a_check_begins_at_its_time(runs: Runs) -> None:
    code = """
times = []

def job():
    sleep(30)
    times.append(datetime.datetime.now(timezone.utc))
    jobs.sets(5)

def test(run_twice, fake_clock):
    fake_clock.advance(60)
    run_twice(job)
    assert times[0] == START + timedelta(seconds=90)
    assert fake_clock.now() == START + timedelta(seconds=60)  # a check's time is its own
    assert fake_clock.sleeps == []
    sleep(1)
    assert fake_clock.sleeps == [1]
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=1)


def test_a_check_still_finds_the_locks_of_the_project(runs: Runs) -> None:
    code = """
LOCK = threading.Lock()

def job():
    if not LOCK.acquire(timeout=60):
        raise TimeoutError
    jobs.sets(5)
    LOCK.release()

def test(run_with_timeouts, fake_clock):
    with LOCK:
        assert not LOCK.acquire(timeout=60)
    run_with_timeouts(job, within=30)
"""
    result = runs(NEW_YEAR + code, "-W", "always::pytest.PytestWarning")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*JC402 timeout: job() waits 60 s when LOCK stays locked *"])


def test_it_works_under_hypothesis(runs: Runs) -> None:
    code = """
from hypothesis import given, strategies

@given(strategies.integers(0, 10**6))
def test(fake_clock, number):
    before = fake_clock.now()
    time.sleep(number)
    assert fake_clock.now() - before == timedelta(seconds=number)
"""
    runs(NEW_YEAR + code).assert_outcomes(passed=1)


@pytest.mark.parametrize("seconds", ["-1", "float('inf')", "float('nan')", "'1'", "True", "None"])
def test_a_wrong_number_is_refused(runs: Runs, seconds: str) -> None:
    result = runs(f"def test(fake_clock): fake_clock.advance({seconds})")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: fake_clock.advance() takes a number of seconds that is not negative*"])


def test_it_tells_when_it_works(runs: Runs) -> None:
    code = """
@pytest.fixture
def too_early(fake_clock): fake_clock.now()

def test_early(too_early): pass

def test_late(request): request.getfixturevalue("fake_clock").advance(1)
"""
    result = runs(code)
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(["*fake_clock only works while the test function itself runs*"] * 2)


ENDINGS = ["assert False", "pytest.skip('enough')", "raise SystemExit", "raise KeyboardInterrupt"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_whatever_happens(runs: Runs, ending: str) -> None:
    before = (time.time, time.sleep, datetime.datetime, threading.Thread.start, asyncio.sleep)
    with pytest.raises(KeyboardInterrupt) if "Keyboard" in ending else contextlib.nullcontext():
        runs(f"def test(fake_clock): {ending}")
    assert (time.time, time.sleep, datetime.datetime, threading.Thread.start, asyncio.sleep) == before
