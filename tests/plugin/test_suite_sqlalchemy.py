"""Zero-change mode with SQLAlchemy: databases in private memory, and tests that roll everything back."""

from __future__ import annotations

import pytest

from tests.adapters.small_suite import causes
from tests.plugin import tiny
from tests.plugin.conftest import Runs

pytest.importorskip("sqlalchemy.orm")  # here, as an inner run could not import it a second time

TASKS = """
from sqlalchemy import String, create_engine, event, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import StaticPool
from tiny import task


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(default=0)


class Payment(Base):
    __tablename__ = "payments"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String, unique=True)


engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
make_session = sessionmaker(engine)


@event.listens_for(engine, "connect")
def leave_transactions_to_us(connection, _record):  # as SQLAlchemy's documentation has it for savepoints in SQLite
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def begin(connection):
    connection.exec_driver_sql("BEGIN")


@task
def adds(pk):
    with make_session.begin() as session:
        session.execute(update(User).where(User.id == pk).values(points=User.points + 1))


@task
def two_commits(pk):
    with make_session() as session:
        if session.scalar(select(Payment).where(Payment.key == "paid")):
            return
        session.add(Payment(key="paid"))
        session.commit()
        session.get(User, pk).points += 1
        session.commit()


@task
def one_commit(pk):
    with make_session.begin() as session:
        if not session.scalar(select(Payment).where(Payment.key == "paid")):
            session.add(Payment(key="paid"))
            session.get(User, pk).points += 1
"""

AT_LAST = """
@pytest.fixture(scope="session", autouse=True)
def at_last():
    yield
    tasks.engine.dispose()
"""

TESTS = """
@pytest.fixture
def user():
    tasks.Base.metadata.create_all(tasks.engine)
    with tasks.make_session.begin() as session:
        user = tasks.User()
        session.add(user)
        session.flush()
        pk = user.id
    yield pk
    tasks.Base.metadata.drop_all(tasks.engine)

def test_adds(user):
    tasks.adds.delay(user)

def test_two_commits(user):
    tasks.two_commits.delay(user)

def test_one_commit(user):
    tasks.one_commit.delay(user)
"""

ROLLED_BACK = """
from sqlalchemy.orm import sessionmaker

@pytest.fixture
def user(monkeypatch):
    tasks.Base.metadata.create_all(tasks.engine)
    with tasks.engine.connect() as connection:
        outer = connection.begin()
        make = sessionmaker(connection, join_transaction_mode="create_savepoint")
        monkeypatch.setattr(tasks, "make_session", make)
        with make.begin() as session:
            user = tasks.User()
            session.add(user)
            session.flush()
            pk = user.id
        yield pk
        outer.rollback()
""" + TESTS[TESTS.index("\ndef test_adds") :]


@pytest.mark.parametrize("tests", [TESTS, ROLLED_BACK], ids=["committed", "rolled back"])
def test_exactly_the_broken_tasks_are_reported(
    runs: Runs, project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tests: str
) -> None:
    monkeypatch.setattr("jobchaos.adapters.present", tiny.present)
    project.makepyfile(tiny=tiny.MODULE, tasks=TASKS)
    result = runs(f"import tasks\n{AT_LAST}{tests}", "--jobchaos")
    assert causes(result) == [("JC103", "A", "tasks.adds"), ("JC303", "A", "tasks.two_commits")]
    result.assert_outcomes(passed=3)
    assert not [line for line in result.outlines if line.startswith("JC942")]


SHARED = """
import os
from sqlalchemy.orm import scoped_session

Session = scoped_session(make_session)


@task
def appends(pk):
    user = Session.get(User, pk)
    if user.points == 0:
        user.points = 1
        with open(os.environ["SHARED_LOG"], "a") as log:
            log.write("thanks")
        Session.commit()


@task
def sets(pk):
    Session.get(User, pk).points = 1
    with open(os.environ["SHARED_LOG"], "w") as log:
        log.write("thanks")
    Session.commit()
"""

WITH_SHARED = """
@pytest.fixture
def user(monkeypatch, tmp_path):
    monkeypatch.setenv("SHARED_LOG", str(tmp_path / "log"))
    tasks.Base.metadata.create_all(tasks.engine)
    with tasks.engine.connect() as connection:
        outer = connection.begin()
        tasks.Session.configure(bind=connection, join_transaction_mode="create_savepoint")
        user = tasks.User()
        tasks.Session.add(user)
        tasks.Session.commit()
        yield user
        tasks.Session.remove()
        outer.rollback()

def test_appends(user):
    tasks.appends.delay(user.id)
    assert user.points == 1

def test_sets(user):
    tasks.sets.delay(user.id)
    assert user.points == 1
"""


def test_a_dead_worker_leaves_nothing_in_a_session_that_it_shares_with_the_test(
    runs: Runs, project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobchaos.adapters.present", tiny.present)
    project.makepyfile(tiny=tiny.MODULE, tasks=TASKS + SHARED)
    result = runs(f"import tasks\n{AT_LAST}{WITH_SHARED}", "--jobchaos")
    assert causes(result) == [("JC303", "A", "tasks.appends")]
    assert not [line for line in result.outlines if "points:" in line]  # that its successor sets
    result.stdout.fnmatch_lines(["   state *log*thanksthanks*"])
