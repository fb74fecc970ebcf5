"""The one sentence of a finding, for each kind of consequence and of circumstance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobchaos.core.diff import Diff
from jobchaos.core.effect import Effect
from jobchaos.core.finding import CODES
from jobchaos.core.model import Model, with_models
from jobchaos.core.result import CopyResult, RunResult
from jobchaos.core.snapshot import Snapshot, State, Table
from jobchaos.core.trace import TraceEvent
from jobchaos.oracle.shortening import short
from jobchaos.oracle.wording import fix, message
from tests.oracle.builders import DONE, LEDGERS, did, gave_up, judge, killed, mail, paused, run, sql, terminated, world

CLEAN = world((1, 10), mails=("ann@example.com",), requests=("http://127.0.0.1:80/charges?a=1",))
READ = Effect("sql", "SELECT points FROM users")
UPDATE = sql("UPDATE users SET points = 10", "users", durable=False)
COMMIT = sql("COMMIT", "users")


def said(broken: RunResult, family: str, expected: State = CLEAN) -> str:
    judgement = judge(expected).judge(broken, family)
    return message("job(1)", broken, judgement, LEDGERS)


def leaves(**changed: object) -> State:
    parts: dict[str, object] = {"mails": ("ann@example.com",), "requests": ("http://127.0.0.1:80/charges?a=1",)}
    return world((1, 10), **{**parts, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (leaves(mails=("ann@example.com",) * 2), "mails ann@example.com twice"),
        (leaves(mails=("ann@example.com",) * 3), "mails ann@example.com 3 times"),
        (leaves(mails=()), "never mails ann@example.com"),
        (leaves(requests=("http://127.0.0.1:80/charges?a=1",) * 2), "sends POST /charges twice"),
        (leaves(requests=()), "never sends POST /charges"),
        (leaves(mails=("ann@example.com", "bob@example.com")), "mails bob@example.com, which one run does not,"),
        (
            leaves(requests=("http://127.0.0.1:80/charges?a=2",)),
            "sends POST /charges with other content than one run does",
        ),
    ],
)
def test_what_others_see(state: State, sentence: str) -> None:
    assert said(run("A A", state), "duplicate") == f"job(1) {sentence} when it is delivered twice"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (((1, 20),), "leaves users.points = 20, expected 10,"),
        (((1, "x" * 100),), f"leaves users.points = '{'x' * 56}..., expected 10,"),
        (((1, 10), (2, 10)), "leaves one row too many in users"),
        (((1, 10), (2, 10), (3, 10)), "leaves 2 rows too many in users"),
        ((), "leaves one row too few in users"),
        (((2, 10),), "leaves other rows in users than one run does"),
    ],
)
def test_what_is_stored(rows: tuple[tuple[int, int | str], ...], sentence: str) -> None:
    state = {**CLEAN, "app.db": world(*rows)["app.db"]}
    assert said(run("A A", state), "duplicate") == f"job(1) {sentence} when it is delivered twice"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (((1, 20),), "leaves users.points (shop.User) = 20, expected 10,"),
        (((1, 10), (2, 10)), "leaves one row too many in users (shop.User)"),
    ],
)
def test_the_model_is_named_beside_its_table(rows: tuple[tuple[int, int], ...], sentence: str) -> None:
    broken = run("A A", {**CLEAN, "app.db": world(*rows)["app.db"]})
    judgement = judge(CLEAN).judge(broken, "duplicate")
    diff = with_models(judgement.comparison.diff, [Model("shop.User", "users", frozenset({"id", "points"}))])
    named = replace(judgement, comparison=replace(judgement.comparison, diff=diff))
    assert message("job(1)", broken, named, LEDGERS) == f"job(1) {sentence} when it is delivered twice"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ((("out/a.csv", "twice"),), "leaves a.csv = 'twice', expected 'once',"),
        ((("out/a.csv", "once"), ("out/b.csv", "")), "leaves b.csv, which one run does not,"),
        ((), "does not leave a.csv"),
    ],
)
def test_what_is_in_files(files: tuple[tuple[str, str], ...], sentence: str) -> None:
    expected = {**CLEAN, "files": world(files=(("out/a.csv", "once"),))["files"]}
    state = {**CLEAN, "files": world(files=files)["files"]}
    assert said(run("A A", state), "duplicate", expected) == f"job(1) {sentence} when it is delivered twice"


def test_a_job_that_does_not_complete() -> None:
    copies = {"A": gave_up("IntegrityError: locks.name")}
    broken = run("A1!kill A", {**CLEAN, "app.db": world((1, 0))["app.db"]}, did(UPDATE), killed(COMMIT), copies=copies)
    assert said(broken, "crash") == (
        "job(1) never completes (IntegrityError: locks.name) when its worker dies after UPDATE users "
        "and before the commit to users"
    )


@pytest.mark.parametrize(
    ("events", "circumstance"),
    [
        ((did(READ), did(mail()), did(UPDATE), killed(COMMIT)), "after the mail to ann@example.com and before the c"),
        ((did(READ), killed(mail())), "after SELECT FROM users and before the mail to ann@example.com"),
        ((killed(mail()),), "before the mail to ann@example.com"),
        ((did(mail()), did(COMMIT), killed(None)), "after the commit to users and before it is acknowledged"),
        ((killed(None),), "after its work and before it is acknowledged"),
        ((did(mail(), applied=False), killed(COMMIT)), "before the commit to users"),
        ((did(mail(), "B"), did(READ), killed(COMMIT)), "after SELECT FROM users and before the commit"),
    ],
)
def test_when_a_worker_dies(events: tuple[TraceEvent, ...], circumstance: str) -> None:
    broken = run("A1!kill A", leaves(mails=("ann@example.com",) * 2), *events)
    assert said(broken, "crash").startswith(f"job(1) mails ann@example.com twice when its worker dies {circumstance}")


@pytest.mark.parametrize(
    ("cleanup", "told"),
    [
        ((), ""),
        ((did(READ),), ""),
        ((did(UPDATE), did(COMMIT)), ", and cleans up with the commit to users"),
        ((did(COMMIT, attempt=2),), ""),
    ],
)
def test_when_a_worker_is_terminated(cleanup: tuple[TraceEvent, ...], told: str) -> None:
    events = (did(READ), terminated(mail()), *cleanup)
    broken = run("A1!terminate A", leaves(mails=("ann@example.com",) * 2), *events)
    place = "after SELECT FROM users and before the mail to ann@example.com"
    assert said(broken, "crash") == f"job(1) mails ann@example.com twice when its worker is terminated {place}{told}"


@pytest.mark.parametrize(
    ("events", "circumstance"),
    [
        ((did(READ), paused(mail())), "a second copy runs between SELECT FROM users and the mail to ann@example.com"),
        ((paused(READ),), "a second copy runs before SELECT FROM users"),
        ((did(mail()), paused(None)), "a second copy runs between the mail to ann@example.com and its end"),
        ((paused(None),), "a second copy runs before its end"),
        ((did(mail()), did(mail(), "B")), "two copies run, even one after the other"),
    ],
)
def test_when_copies_overlap(events: tuple[TraceEvent, ...], circumstance: str) -> None:
    broken = run("A1 B A", leaves(mails=("ann@example.com",) * 2), *events)
    assert said(broken, "concurrent") == f"job(1) mails ann@example.com twice when {circumstance}"


def test_when_a_call_fails_or_more_is_delivered() -> None:
    state = leaves(mails=("ann@example.com",) * 3)
    events = did(READ), did(mail())
    lost = said(run("A1!lost A", state, *events), "retry")
    assert lost.endswith("3 times when the answer to the mail to ann@example.com is lost")
    assert said(run("A0!fail A", state, *events), "retry").endswith("3 times when SELECT FROM users fails")
    assert said(run("A1!fail A", state), "retry").endswith("3 times when a call fails")
    assert said(run("A A A", state), "duplicate").endswith("3 times when it is delivered 3 times")


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (mail("bob@example.com"), "the mail to bob@example.com"),
        (Effect("http", "POST http://127.0.0.1:8080/charges?key=1"), "POST /charges"),
        (Effect("http", "DELETE http://127.0.0.1:8080"), "DELETE /"),
        (Effect("file", "write /tmp/pytest-1/out.csv"), "write out.csv"),
        (Effect("file", "rename /tmp/a.tmp to /srv/a.csv"), "rename a.tmp to a.csv"),
        (Effect("sql", "INSERT OR IGNORE INTO users VALUES (1)"), "INSERT INTO users"),
        (Effect("sql", 'INSERT INTO "users" (id) VALUES (1)'), "INSERT INTO users"),
        (Effect("sql", "REPLACE INTO users VALUES (1)"), "REPLACE INTO users"),
        (Effect("sql", "UPDATE OR FAIL users SET sent = 1"), "UPDATE users"),
        (Effect("sql", "update users set note = 'from me'"), "UPDATE users"),
        (Effect("sql", "DELETE FROM main.users"), "DELETE FROM main.users"),
        (Effect("sql", "SELECT a, b FROM users"), "SELECT FROM users"),
        (Effect("sql", "BEGIN IMMEDIATE"), "BEGIN IMMEDIATE"),
        (sql("COMMIT", "users", "orders"), "the commit to orders, users"),
        (sql("END", "a", "b", "c"), "the commit to 3 tables"),
        (Effect("sql", "COMMIT"), "COMMIT"),
        (Effect("line", "x" * 80), "x" * 57 + "..."),
    ],
)
def test_an_effect_in_a_few_words(effect: Effect, words: str) -> None:
    assert short(effect) == words


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"/a/order.csv": "1"}, "leaves order.csv = '1', expected '7',"),
        ({"/a/order.csv": "7", "/a/tmp1": ""}, "leaves tmp1, which one run does not,"),
        ({}, "does not leave order.csv"),
        ({"/a/order.csv": "7", "/a/tmp1": "", "/a/tmp2": ""}, "leaves 2 files too many"),
        ({"/a/tmp1": ""}, "leaves other files than one run does"),
    ],
)
def test_what_is_left_in_files(files: dict[str, str], sentence: str) -> None:
    judgement = judge(folder({"/a/order.csv": "7"})).judge(run("A A", folder(files)), "duplicate")
    assert message("job(1)", run("A A", {}), judgement, LEDGERS) == f"job(1) {sentence} when it is delivered twice"
    assert "rename it" in fix("JC103", judgement.comparison.diff)
    assert "upsert" in fix("JC103")
    assert "upsert" in fix("JC103", Diff((), ()))


def folder(files: dict[str, str]) -> State:
    rows = tuple((path, "file", content) for path, content in files.items())
    return {**CLEAN, "files": Snapshot({"files": Table(("path", "type", "content"), rows, ("path",))})}


def test_what_a_class_keeps_is_named_as_in_code() -> None:
    def kept(count: int) -> State:
        return {**CLEAN, "Orders": Snapshot({"Orders": Table(("name", "value"), (("count", count),), ("name",))})}

    sentence = said(run("A A", kept(2)), "duplicate", kept(1))
    assert sentence == "job(1) leaves Orders.count = 2, expected 1, when it is delivered twice"


@pytest.mark.parametrize(
    ("column", "name", "told"),
    [("attribute", "count", "CART.count"), ("key", "a", "CART['a']"), ("key", 7, "CART[7]"), ("index", 0, "CART[0]")],
)
def test_what_is_in_memory_is_named_as_in_code(column: str, name: str | int, told: str) -> None:
    def kept(count: int) -> State:
        return {**CLEAN, "CART": Snapshot({"CART": Table((column, "value"), ((name, count),), (column,))})}

    sentence = said(run("A A", kept(2)), "duplicate", kept(1))
    assert sentence == f"job(1) leaves {told} = 2, expected 1, when it is delivered twice"


def test_long_values_that_begin_alike_are_not_shown() -> None:
    def stored(end: str) -> State:
        return {**CLEAN, "app.db": world((1, "x" * 100 + end))["app.db"]}

    sentence = said(run("A A", stored("2")), "duplicate", stored("1"))
    assert sentence == "job(1) leaves another users.points than one run does when it is delivered twice"


@pytest.mark.parametrize("code", [code for code in CODES if code < "JC7"])
def test_every_code_has_a_fix(code: str) -> None:
    assert fix(code)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("waits for ever for lock:LOCK", "waits for ever for LOCK"),
        ("waits for ever for sql:/tmp/pytest-1/app.db", "waits for ever for app.db"),
        (
            "waits for ever for a condition that it polls with sleep()",
            "waits for ever for a condition that it polls with sleep()",
        ),
    ],
)
def test_what_is_waited_for_is_named_as_the_project_does(error: str, words: str) -> None:
    broken = run("A B", CLEAN, copies={"A": DONE, "B": gave_up(error)})
    assert said(broken, "concurrent").startswith(f"job(1) never completes ({words}) when")


def test_a_copy_that_completed_is_not_blamed() -> None:
    copies: dict[str, CopyResult] = {"A": DONE, "B": gave_up("waits for ever for users")}
    broken = run("A B", CLEAN, copies=copies)
    assert said(broken, "concurrent").startswith("job(1) never completes (waits for ever for users)")
