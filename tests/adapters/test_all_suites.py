"""Small applications whose suites nobody has changed: exactly what is broken is reported, once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from jobchaos.suite.sends import ADVICE, SENDS
from tests.adapters.reality import forget, redis_url
from tests.adapters.small_suite import causes, run
from tests.adapters.suites import ARQ, RQ, SUITES, Suite


@pytest.fixture(params=SUITES, ids=lambda suite: suite.system)
def suite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite]:
    """One whose system is installed; arq has no broker for tests."""
    suite: Suite = request.param
    for package in suite.needs:
        pytest.importorskip(package)
    if suite is not ARQ:
        yield suite
        return
    redis = pytest.importorskip("redis")
    url, name = redis_url(), f"jobchaos_test_{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("JOBCHAOS_TEST_BROKER", url)
    monkeypatch.setenv("JOBCHAOS_TEST_NAME", name)
    yield suite
    with redis.Redis.from_url(url) as connection:
        forget(connection, name)


def test_exactly_the_broken_job_is_reported(suite: Suite, pytester: pytest.Pytester) -> None:
    result = run(pytester, app=suite.app, test_app=suite.tests)
    assert causes(result) == [("JC103", "A", suite.broken)]
    result.assert_outcomes(passed=suite.count)
    result.stdout.fnmatch_lines([f"{suite.system}: {suite.count} of {suite.count} tests execute tasks, *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_tasks_that_nobody_executes_are_explained(suite: Suite, pytester: pytest.Pytester) -> None:
    result = run(pytester, app=suite.app, test_app=f"def test_unheard():\n    {suite.unheard}\n")
    assert causes(result) == []
    assert result.ret == pytest.ExitCode.OK
    text = " ".join(" ".join(result.outlines).split())
    assert f"{suite.system}: 0 of 1 tests execute tasks" in text
    advice = f"JC944 1 test without any task: sent to a broker that nobody works off; for {suite.system}, "
    assert advice + ADVICE[suite.system] in text


TELLS = {
    "TaskIQ": (
        """
silent = Silent()


@silent.task
async def unheard(points): ...


@broker.task
async def tells(points):
    await unheard.kiq(points)
""",
        "asyncio.run(app.tells.kiq(5))",
    ),
    "Procrastinate": (
        """
@app.task
async def tells(points):
    await set_to.defer_async(points=points)
""",
        "asyncio.run(app.tells(points=5))",
    ),
    "Huey": (
        """
@huey.task()
def tells(points):
    set_to.schedule((points,), delay=60)
""",
        "app.tells(5)",
    ),
    "RQ": (
        """
def tells(points):
    later.enqueue(set_to, points)
""",
        "app.at_once.enqueue(app.tells, 5)",
    ),
    "Dramatiq": (
        """
@dramatiq.actor
def tells(points):
    set_to.send(points)
""",
        "app.tells(5)",
    ),
}
"""A task that sends another one, which nobody executes, and how it is executed itself."""


def test_a_message_sent_again_is_found_if_nobody_executes_it(suite: Suite, pytester: pytest.Pytester) -> None:
    if suite.system not in TELLS:
        pytest.skip("its messages are executed, or they are none")
    app, call = TELLS[suite.system]
    result = run(pytester, app=suite.app + app, test_app=f"import asyncio\n\ndef test_tells():\n    {call}\n")
    ((code, grade, task),) = causes(result)
    assert (code, grade, task[-5:]) == ("JC101", "A", "tells")


DIRECTLY = {
    "RQ": ("app.{}(5)", "app.later.enqueue(app.{}, 5)"),
    "Dramatiq": ("app.{}.fn(5)", ""),
    "Huey": ("app.{}.func(5)", ""),
    "arq": ("app.{}({{}}, 5)", ""),
    "TaskIQ": ("app.{}.original_func(5)", ""),
    "Procrastinate": ("app.{}.func(5)", ""),
    "Django tasks": ("app.{}.func(5)", ""),
    "APScheduler": ("app.{}(5)", "app.BackgroundScheduler(timezone='UTC').add_job(app.{}, args=[5])"),
}
"""How a test calls a task's plain function itself, and what shows of some only later that they are tasks."""


def directly(suite: Suite, *, tell: bool) -> str:
    """Tests that call the broken and the sound task's function themselves, and only then show that they are tasks."""
    call, send = DIRECTLY[suite.system]
    tests = "import asyncio, inspect\n"
    for name in ("credit", "set_to"):
        tests += f"""
def test_{name}():
    result = {call.format(name)}
    if inspect.iscoroutine(result):
        asyncio.run(result)
    assert points() == 5
"""
    if send and tell:
        tests += f"""
def test_sent():
    {send.format("credit")}
    {send.format("set_to")}
"""
    return tests


def test_direct_calls_of_plain_functions_are_seen(suite: Suite, pytester: pytest.Pytester) -> None:
    result = run(pytester, app=suite.app, test_app=directly(suite, tell=True))
    assert causes(result) == [("JC103", "A", suite.broken)]
    result.stdout.fnmatch_lines([f"{suite.system}: 2 of * tests execute tasks, *"])
    replay = ("--jobchaos-only", suite.broken, "--jobchaos-replay", "A A", "test_app.py::test_credit")
    again = run(pytester, *replay, app=suite.app, test_app=directly(suite, tell=True))
    assert causes(again) == [("JC103", "A", suite.broken)]


LAZY = """
class Lazy:
    def __getattribute__(self, name):
        raise RuntimeError(f"asked for {name} before it was configured")


lazy = Lazy()
"""


def test_lazy_objects_beside_what_is_learned_end_nothing(suite: Suite, pytester: pytest.Pytester) -> None:
    if not DIRECTLY[suite.system][1]:
        pytest.skip("its tasks are known by themselves")
    pytester.makepyfile(test_a=f"{LAZY}\n\ndef test_lazy(): ...\n")
    result = run(pytester, app=suite.app, test_app=directly(suite, tell=True))
    assert causes(result) == [("JC103", "A", suite.broken)]
    result.assert_outcomes(passed=4)


def test_functions_that_nothing_but_the_user_says_are_tasks(suite: Suite, pytester: pytest.Pytester) -> None:
    if not DIRECTLY[suite.system][1]:
        pytest.skip("its tasks are known by themselves")
    silent = run(pytester, app=suite.app, test_app=directly(suite, tell=False))
    assert causes(silent) == []
    text = " ".join(" ".join(silent.outlines).split())
    assert (
        "functions that tests call themselves are seen if they are sent in the suite or named in jobchaos_tasks" in text
    )
    told = run(pytester, "-o", "jobchaos_tasks=app.credit*", app=suite.app, test_app=directly(suite, tell=False))
    assert causes(told) == [("JC103", "A", suite.broken)]


DRAWN = """
from hypothesis import HealthCheck, given, settings, strategies

@settings(max_examples=1, database=None, suppress_health_check=list(HealthCheck))
@given(strategies.just(5))
def test_drawn(points):
    with open("runs", "a") as runs:
        runs.write("x")
    app.set_to(points)

def test_sent():
    app.later.enqueue(app.set_to, 5)
"""


def test_what_must_not_be_run_again_is_not_run_again_for_its_direct_calls(pytester: pytest.Pytester) -> None:
    pytest.importorskip("rq")
    pytest.importorskip("fakeredis")
    run(pytester, app=RQ.app, test_app=DRAWN).assert_outcomes(passed=2)
    assert (pytester.path / "runs").read_text() == "x"


METHOD = """
class Account:
    def adds(self, points):
        run(f"UPDATE users SET points = points + {points}")
"""


def test_methods_that_the_user_says_are_tasks(pytester: pytest.Pytester) -> None:
    pytest.importorskip("rq")
    pytest.importorskip("fakeredis")
    tests = "\ndef test_adds():\n    app.Account().adds(5)\n"
    result = run(pytester, "-o", "jobchaos_tasks=Account.*", app=RQ.app + METHOD, test_app=tests)
    assert causes(result) == [("JC103", "A", "app.Account.adds")]


ANOTHER = """
from huey import MemoryHuey

another = MemoryHuey(immediate=True)


@another.task()
def adds_elsewhere(points):
    run(f"UPDATE users SET points = points + {points}")
"""


WITHOUT_EXTRAS = """
import sys

for extra in ("redis", "pika", "pylibmc", "taskiq_redis", "sqlalchemy", "psycopg", "gevent", "peewee", "pymongo"):
    sys.modules[extra] = None
"""


@pytest.mark.thorough
def test_what_a_system_has_as_extras_need_not_be_there(suite: Suite, pytester: pytest.Pytester) -> None:
    if suite.system in ("RQ", "arq", "Procrastinate"):
        pytest.skip("it does not work without its driver itself")
    result = run(pytester, app=WITHOUT_EXTRAS + suite.app, test_app=suite.tests)
    assert causes(result) == [("JC103", "A", suite.broken)]
    result.assert_outcomes(passed=suite.count)


@pytest.mark.thorough
def test_two_systems_in_one_project(suite: Suite, pytester: pytest.Pytester) -> None:
    pytest.importorskip("huey")
    if suite.system == "Huey":
        pytest.skip("it would be the same one twice")
    tests = f"{suite.tests}\ndef test_elsewhere():\n    app.adds_elsewhere(5)\n"
    result = run(pytester, app=suite.app + ANOTHER, test_app=tests)
    assert sorted(causes(result)) == sorted([("JC103", "A", suite.broken), ("JC103", "A", "adds_elsewhere")])
    result.stdout.fnmatch_lines([f"*Huey*: {suite.count + 1} of {suite.count + 1} tests execute tasks, *"])


FAR = {
    "Celery": "__import__('celery').Celery(broker='amqp://broker.example.com//')",
    "RQ": "__import__('rq').Queue(connection=__import__('redis').Redis(host='broker.example.com'))",
    "Dramatiq": "__import__('types').SimpleNamespace("
    "broker=__import__('dramatiq.brokers.redis').brokers.redis.RedisBroker(host='broker.example.com'))",
    "Huey": "__import__('huey').RedisHuey(host='broker.example.com')",
    "arq": "__import__('arq').ArqRedis(host='broker.example.com')",
    "TaskIQ": "__import__('types').SimpleNamespace("
    "broker=__import__('taskiq_redis').ListQueueBroker('redis://broker.example.com'))",
    "Procrastinate": "__import__('procrastinate').App(connector=__import__('procrastinate').PsycopgConnector("
    "conninfo='host=broker.example.com dbname=shop', kwargs={'autocommit': True})).configure_task('send')",
    "Procrastinate by arguments": "__import__('procrastinate').App(connector=__import__('procrastinate')"
    ".PsycopgConnector(kwargs={'host': 'broker.example.com'})).configure_task('send')",
    "APScheduler": "__import__('types').SimpleNamespace(_jobstores={'default': __import__('types').SimpleNamespace("
    "engine=__import__('types').SimpleNamespace(url=__import__('sqlalchemy').make_url('mysql://broker.example.com')))})",
}
"""What sends to a broker that does not exist, by system."""


@pytest.mark.parametrize("system", FAR)
def test_a_broker_on_another_machine_is_known_without_being_asked(system: str) -> None:
    name, _, _ = system.partition(" ")
    pytest.importorskip(name.lower())
    if name == "Huey":
        pytest.importorskip("redis")
    send = next(send for send in SENDS if send.system == name)
    assert not send.is_local(eval(FAR[system]))
    assert send.is_local(eval(FAR[system].replace("broker.example.com", "127.0.0.1")))


RETRIED = """
import unittest.mock

def test_retries_are_asserted(monkeypatch):
    monkeypatch.setattr(app, "ask", unittest.mock.Mock(side_effect=[ConnectionError("1"), ConnectionError("2"), 5]))
    app.asks.delay()
    assert app.ask.call_count == 3
    assert points() == 5

def test_the_last_error_is_asserted(monkeypatch):
    monkeypatch.setattr(app, "ask", unittest.mock.Mock(side_effect=ConnectionError("shut")))
    assert isinstance(app.asks.delay().result, ConnectionError)
    assert app.ask.call_count == 4

def test_a_retry_itself_is_asserted(monkeypatch):
    monkeypatch.setattr(app, "ask", unittest.mock.Mock(side_effect=ConnectionError("shut")))
    with pytest.raises(app.Retry):
        app.asks.apply(throw=True)

def test_late():
    late = app.celery.task(name="late")(app.register_late)
    late.delay(5)
    assert points() == 5

def test_own_call():
    app.within.delay(5)
    assert points() == 5

def test_another_system():
    app.adds(5)
    assert points() == 5
"""

TWO_SYSTEMS = """
from celery import Celery, Task
from celery.exceptions import Retry
from huey import MemoryHuey

celery = Celery("app", broker="memory://")
celery.conf.update(task_always_eager=True)
huey = MemoryHuey(immediate=True)


class Own(Task):
    def __call__(self, *args, **kwargs):
        run("UPDATE users SET points = 0")
        return super().__call__(*args, **kwargs)


@celery.task(autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=False, default_retry_delay=0)
def asks():
    run(f"UPDATE users SET points = {ask()}")


@celery.task(base=Own)
def within(points):
    run(f"UPDATE users SET points = points + {points}")


@huey.task()
def adds(points):
    run(f"UPDATE users SET points = points + {points}")


def register_late(points):
    run(f"UPDATE users SET points = points + {points}")


def ask():
    raise NotImplementedError
"""


def test_two_systems_late_tasks_own_calls_and_tests_of_retries(pytester: pytest.Pytester) -> None:
    pytest.importorskip("celery")
    pytest.importorskip("huey")
    result = run(pytester, app=TWO_SYSTEMS, test_app=RETRIED)
    assert causes(result) == [("JC103", "A", "adds"), ("JC103", "A", "late")]
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["Celery, Huey: 6 of 6 tests execute tasks, *"])
