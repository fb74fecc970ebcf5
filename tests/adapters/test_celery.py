"""Celery: tasks and signatures as jobs."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from jobchaos import Settings, UsageError, Verdict, check
from jobchaos.adapted import job_of
from jobchaos.adapters import adapter_of
from jobchaos.core.adapter import Execution
from tests.database import Sql

celery = pytest.importorskip("celery")
QUICK = Settings(profile="quick")


@pytest.fixture
def app() -> Any:
    """An app whose broker and backend must never be contacted."""
    app = celery.Celery("shop", broker="amqp://broker.example.com//", backend="redis://results.example.com/0")
    app.set_current()
    return app


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_a_task_that_adds_twice_is_found_and_one_that_sets_is_not(app: Any, sql: Sql) -> None:
    @app.task(shared=False)
    def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    @app.task(shared=False)
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    found = check(job_of(add, (5,), {}), faults=["duplicate"], settings=QUICK)
    assert codes(found) == ["JC103"]
    assert found.findings[0].message.startswith("add(5) leaves users.points = 10")
    sql("UPDATE users SET points = 0")
    assert codes(check(set_to.s(5), faults=["duplicate"], settings=QUICK)) == []


def test_executions_are_handed_over(app: Any) -> None:
    app.conf.task_always_eager = True
    seen: list[tuple[str, bool]] = []

    @app.task(shared=False)
    def double(number: int) -> int:
        return 2 * number

    def around(execution: Execution) -> Any:
        seen.append((execution.task.rpartition(".")[2], bool(execution.id)))
        return execution.run()

    adapter = adapter_of(double)
    assert adapter is not None
    with adapter.executions(around):
        assert double.delay(2).get() == 4
        assert double(3) == 6
    assert double(4) == 8
    assert seen == [("double", True), ("double", False)]


def test_early_acknowledgement_loses_the_task_and_a_late_one_repeats_it(app: Any, sql: Sql) -> None:
    @app.task(shared=False)
    def add(points: int) -> None:
        sql(f"UPDATE users SET points = points + {points}")

    lost, crash = check(job_of(add, (5,), {}), faults=["crash"], settings=QUICK).findings[::-1]
    assert (lost.code, str(lost.schedule), lost.confirmed) == ("JC306", "A0!kill", "with a real SIGKILL")
    assert "is lost when its worker dies before UPDATE users" in lost.message
    assert crash.code == "JC303"
    assert "real with acks_late=True" in crash.detail
    assert "Today a kill loses the job" in crash.detail
    add.acks_late = add.reject_on_worker_lost = True
    sql("UPDATE users SET points = 0")
    late = check(job_of(add, (5,), {}), faults=["crash"], settings=QUICK)
    assert codes(late) == ["JC303"]
    assert "real today: acks_late is on" in late.findings[0].detail


def test_the_users_word_on_delivery_is_stronger_than_the_configuration(app: Any, sql: Sql) -> None:
    @app.task(shared=False)
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    job = job_of(set_to, (5,), {})
    assert codes(check(job, faults=["crash"], settings=QUICK)) == ["JC306"]
    for delivery in ("at-least-once", "at-most-once"):
        sql("UPDATE users SET points = 0")
        verdict = check(job, faults=["crash"], settings=Settings(profile="quick", delivery=delivery))
        assert verdict.status == "holds"
        assert ("any number of sequential crashes" in verdict.claim) is (delivery == "at-least-once")


def test_a_retry_asked_for_becomes_a_redelivery_at_its_time_with_its_count(app: Any, sql: Sql) -> None:
    seen: list[tuple[str, int]] = []

    @app.task(shared=False, bind=True, max_retries=3)
    def settle(self: Any, user: int) -> None:
        seen.append((self.request.id, self.request.retries))
        if self.request.retries < 2:
            raise self.retry(countdown=60 * (self.request.retries + 1))
        sql(f"UPDATE users SET points = 5 WHERE id = {user}")

    verdict = check(job_of(settle, (1,), {}), faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds"
    assert {retries for _, retries in seen} == {0, 1, 2}
    assert len({message_id for message_id, _ in seen}) == 1


def test_a_failure_without_retry_is_final_and_autoretry_heals_it(app: Any, sql: Sql) -> None:
    @app.task(shared=False)
    def once() -> None:
        sql("UPDATE users SET points = 5")

    @app.task(shared=False, autoretry_for=(Exception,), retry_backoff=True)
    def again() -> None:
        sql("UPDATE users SET points = 5")

    assert codes(check(once.s(), faults=["retry"], settings=QUICK))[0] == "JC504"
    sql("UPDATE users SET points = 0")
    assert check(again.s(), faults=["retry"], settings=QUICK).status == "holds"


def test_control_flow_reaches_celery_and_ends_the_task_as_it_says(app: Any, sql: Sql) -> None:
    from celery.exceptions import Ignore, Reject

    def set_and(points: int, then: Exception) -> None:
        sql(f"UPDATE users SET points = {points}")
        raise then

    @app.task(shared=False)
    def ignores() -> None:
        set_and(5, Ignore())

    @app.task(shared=False)
    def rejects() -> None:
        set_and(5, Reject("no", requeue=False))

    @app.task(shared=False)
    def requeues() -> None:
        if sql("SELECT points FROM users") == [(0,)]:
            set_and(1, Reject("not yet", requeue=True))
        sql("UPDATE users SET points = 5")

    for task in (ignores, rejects, requeues):
        sql("UPDATE users SET points = 0")
        verdict = check(task.s(), faults=["duplicate"], settings=QUICK)
        assert (verdict.status, sql("SELECT points FROM users")) == ("holds", [(5,)])
        assert not verdict.findings  # to ignore is no failure


BACKOFF = {"retry_backoff": 2, "retry_backoff_max": 30, "max_retries": 6, "retry_jitter": False}


@pytest.mark.parametrize(
    ("options", "executions", "delays"),
    [
        ({"autoretry_for": (OSError,)}, 4, [(180, 180)] * 3),
        ({"autoretry_for": (OSError,), **BACKOFF}, 7, [(delay, delay) for delay in (2, 4, 8, 16, 30, 30)]),
        ({"autoretry_for": (OSError,), "retry_backoff": 0.5, "retry_kwargs": {"max_retries": 2}}, 3, [(0, 1), (0, 2)]),
        ({"max_retries": 1, "default_retry_delay": 9}, 2, [(9, 9)]),
    ],
)
def test_the_policy_is_what_celery_computes(
    app: Any, options: dict[str, Any], executions: int, delays: list[tuple[int, int]]
) -> None:
    @app.task(shared=False, **options)
    def task() -> None: ...

    policy = job_of(task, (), {}).retrying.queue
    assert policy is not None
    assert policy.executions == executions
    assert [tuple(end / 10**9 for end in policy.delay(number)) for number in range(1, executions)] == delays


def test_children_are_effects_and_nothing_is_sent(app: Any, sql: Sql) -> None:
    @app.task(shared=False, name="shop.notify")
    def notify(user: int) -> None: ...

    @app.task(shared=False, acks_late=True)
    def settle(user: int) -> None:
        notify.delay(user)
        sql("UPDATE users SET points = 5")

    @app.task(shared=False)
    def settle_once(user: int) -> None:
        if sql("SELECT points FROM users") == [(0,)]:
            sql("UPDATE users SET points = 5")
            app.send_task("shop.notify", (user,), countdown=30)

    for eager in (False, True):
        app.conf.task_always_eager = eager
        sql("UPDATE users SET points = 0")
        verdict = check(job_of(settle, (1,), {}), faults=["duplicate", "crash"], settings=QUICK)
        assert codes(verdict) == ["JC101", "JC301"]
        assert verdict.findings[0].message == "settle(1) enqueues shop.notify(1) twice when it is delivered twice"
    sql("UPDATE users SET points = 0")
    missing = check(
        job_of(settle_once, (1,), {}), faults=["crash"], settings=Settings(profile="quick", delivery="at-least-once")
    )
    assert codes(missing) == ["JC302"]
    assert missing.findings[0].message.startswith("settle_once(1) never enqueues shop.notify(1) when its worker dies")


def test_links_and_chains_are_repeated_with_the_delivery(app: Any, sql: Sql) -> None:
    @app.task(shared=False, name="shop.thank")
    def thank(points: int) -> None: ...

    @app.task(shared=False)
    def set_to(points: int) -> int:
        sql(f"UPDATE users SET points = {points}")
        return points

    chained = check(set_to.s(5) | thank.s(), faults=["duplicate"], settings=QUICK)
    assert chained.findings[0].message == "set_to(5) enqueues shop.thank(5) twice when it is delivered twice"
    linked = check(set_to.s(5).set(link=thank.s()), faults=["duplicate"], settings=QUICK)
    assert codes(linked) == ["JC101"]


def test_results_and_errors_are_handed_on_as_they_are_in_each_delivery(app: Any, sql: Sql) -> None:
    @app.task(shared=False, name="shop.tells")
    def tells(what: object) -> None: ...

    @app.task(shared=False)
    def adds(*, in_vain: bool = False) -> int:
        sql("UPDATE users SET points = points + 5")
        if in_vain:
            raise ConnectionError("the shop is closed")
        return int(sql("SELECT points FROM users")[0][0])

    def sent(signature: Any) -> list[str]:
        (found, *_) = check(signature, schedule="A A", settings=QUICK).findings
        sql("UPDATE users SET points = 0")
        assert found.trace is not None
        return [effect.label for effect in found.trace.effects() if effect.kind == "queue"]

    both = ["ENQUEUE shop.tells(5) in celery", "ENQUEUE shop.tells(10) in celery"]
    assert sent(adds.s().set(link=tells.s())) == sent(adds.s() | tells.s()) == both
    (told,) = set(sent(adds.s(in_vain=True).set(link_error=tells.s(), task_id="adds-1")))
    assert told == "ENQUEUE shop.tells('adds-1') in celery"


def test_a_time_limit_strikes_at_each_effect(app: Any, sql: Sql) -> None:
    from celery.exceptions import SoftTimeLimitExceeded

    late: dict[str, Any] = {"acks_late": True, "reject_on_worker_lost": True, "soft_time_limit": 30, "shared": False}

    @app.task(**late)
    def swallows() -> None:
        try:
            sql("UPDATE users SET points = 5 WHERE id = 1")
            sql("INSERT OR IGNORE INTO users VALUES (2, 0)")
        except Exception:  # noqa: BLE001 - what this test is about
            pass

    @app.task(**late, bind=True)
    def retries(self: Any) -> None:
        try:
            sql("UPDATE users SET points = 5 WHERE id = 1")
            sql("INSERT OR IGNORE INTO users VALUES (2, 0)")
        except SoftTimeLimitExceeded as error:
            raise self.retry(exc=error) from None

    verdict = check(swallows.s(), faults=["crash"], settings=QUICK)
    assert codes(verdict) == ["JC308"]
    finding = verdict.findings[0]
    assert str(finding.schedule) == "A0!limit"
    assert "when its time is over before UPDATE users" in finding.message
    assert finding.detail == "Celery: real when it runs for longer than 30 s"
    sql("DELETE FROM users WHERE id = 2", "UPDATE users SET points = 0")
    (later,) = check(swallows.s(), schedule="A1!limit", settings=QUICK).findings
    assert (later.code, "before INSERT INTO users" in later.message) == ("JC308", True)
    sql("DELETE FROM users WHERE id = 2", "UPDATE users SET points = 0")
    assert check(retries.s(), faults=["crash"], settings=QUICK).status == "holds"


def test_a_group_or_a_result_says_what_to_give_instead(app: Any) -> None:
    @app.task(shared=False)
    def task(number: int) -> None: ...

    with pytest.raises(UsageError, match="group: several messages, each with a delivery of its own"):
        job_of(celery.group(task.s(1), task.s(2)), (), {})
    with pytest.raises(UsageError, match=r"knows no task 'shop\.elsewhere': import its module"):
        job_of(app.signature("shop.elsewhere", args=(5,)), (), {})
    with pytest.raises(UsageError, match="does not know the arguments"):
        job_of(app.AsyncResult("some-id"), (), {})
    with pytest.raises(UsageError, match="carries its own arguments"):
        job_of(task.s(1), (2,), {})
    with pytest.raises(UsageError, match="cannot be called"):
        job_of(task, (), {})


def test_a_task_of_no_app_is_checked_with_celerys_defaults(sql: Sql) -> None:
    from celery._state import _set_current_app, default_app

    _set_current_app(default_app)

    @celery.shared_task(name="shop.orphan")
    def orphan() -> None:
        sql("UPDATE users SET points = 5")

    verdict = check(job_of(orphan, (), {}), faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds"
    assert any("no app was configured" in note for note in verdict.notes)


def test_a_custom_call_and_a_task_registered_late_are_run_as_they_are(app: Any, sql: Sql) -> None:
    class Doubling(celery.Task):  # type: ignore[name-defined,misc]
        def __call__(self, *args: Any, **kwargs: Any) -> None:
            self.run(*args, **kwargs)
            sql("UPDATE users SET points = points + 1")

    app.finalize()

    @app.task(shared=False, base=Doubling)
    def set_to(points: int) -> None:
        sql(f"UPDATE users SET points = {points}")

    verdict = check(job_of(set_to, (5,), {}), faults=["duplicate"], settings=QUICK)
    assert verdict.status == "holds"
    assert sql("SELECT points FROM users") == [(6,)]


def test_two_systems_live_in_one_process(app: Any, sql: Sql) -> None:
    huey = pytest.importorskip("huey")
    in_huey = huey.MemoryHuey("other")

    @app.task(shared=False, acks_late=True, reject_on_worker_lost=True)
    def of_celery() -> None:
        of_huey()

    @in_huey.task()
    def of_huey() -> None: ...

    assert job_of(of_celery, (), {}).terms.system == "Celery"  # type: ignore[union-attr]
    assert job_of(of_huey, (), {}).terms.system == "Huey"  # type: ignore[union-attr]
    verdict = check(job_of(of_celery, (), {}), faults=["duplicate"], settings=QUICK)
    assert verdict.findings[0].message == "of_celery() enqueues of_huey() twice when it is delivered twice"


def test_after_a_check_the_app_is_as_it_was(app: Any, sql: Sql) -> None:
    app.conf.task_always_eager = True

    @app.task(shared=False)
    def task() -> None:
        sql("UPDATE users SET points = 5")

    before = dict(vars(app)), dict(vars(task))
    check(job_of(task, (), {}), faults=["duplicate"], settings=QUICK)
    after = dict(vars(app)), dict(vars(task))
    changed = {name for old, new in zip(before, after, strict=True) for name in new if new[name] is not old.get(name)}
    assert not changed & {"send_task", "_backend_cache", "_backend"}
    assert app.conf.task_always_eager is True


@pytest.mark.parametrize("backend", ["redis://results.example.com/0", "rpc://"])
def test_neither_broker_nor_result_backend_is_contacted_by_a_plain_function_either(backend: str, sql: Sql) -> None:
    app = celery.Celery("shop", broker="amqp://broker.example.com//", backend=backend)

    @app.task(shared=False, name="notify")
    def notify(user: int) -> None: ...

    def settle() -> None:
        notify.delay(1)

    verdict = check(settle, faults=["duplicate"], settings=QUICK)
    assert [finding.message for finding in verdict.findings] == [
        "settle() enqueues notify(1) twice when it is delivered twice"
    ]


def test_a_broker_whose_extra_is_not_installed_is_named_without_its_password(sql: Sql) -> None:
    if importlib.util.find_spec("pymongo") is not None:
        pytest.skip("it is installed here")
    app = celery.Celery("shop", broker="mongodb://ann:secret@db.example.com/")

    @app.task(shared=False)
    def notify(user: int) -> None:
        sql(f"UPDATE users SET points = 1 WHERE id = {user}")

    @app.task(shared=False)
    def settle() -> None:
        notify.delay(1)

    (found,) = check(job_of(settle, (), {}), faults=["duplicate"], settings=QUICK).findings
    assert found.code == "JC903"
    assert "the broker of the app shop is mongodb://..., which Celery cannot load here" in found.message
    assert 'pip install "celery[mongodb]"' in found.message
    assert "secret" not in found.message
    assert check(notify.s(1), faults=["duplicate"], settings=QUICK).status == "holds"  # it sends nothing
