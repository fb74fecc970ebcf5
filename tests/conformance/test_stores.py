"""Every store of ours fulfils its contract."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobchaos.conformance import LedgerContract, StoreContract
from jobchaos.core.effect import Foreign
from jobchaos.core.ports import Store
from jobchaos.core.sent import Again, Done, Sent
from jobchaos.stores.backlog import Backlog
from jobchaos.stores.directory import DirectoryStore
from jobchaos.stores.function import FunctionStore
from jobchaos.stores.ledger import EffectLedger
from jobchaos.stores.memory import MemoryStore, NamespaceStore
from jobchaos.stores.sqlite import SQLiteStore
from jobchaos.stores.touched_files import TouchedFiles


def execute(database: str, *statements: str, uri: bool = False) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, uri=uri)) as db:
        for statement in statements:
            db.execute(statement)


class TestSQLiteStore(StoreContract):
    foreign = "sql:/tmp/other.db"
    uri = False

    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "app.db")
        self.resource = f"sql:{self.path}"
        execute(self.path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT)", "INSERT INTO t (n) VALUES ('old')")

    def make(self) -> Store:
        return SQLiteStore(self.path)

    def change(self, store: Store, number: int) -> None:
        execute(self.path, "DELETE FROM t", f"INSERT INTO t (n) VALUES ('new {number}')", uri=self.uri)

    def unsafe(self) -> Store | None:
        return SQLiteStore("/srv/jobchaos/production.db")


class TestSQLiteStoreOfWhatIsNotThereYet(TestSQLiteStore):
    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "app.db")
        self.resource = f"sql:{self.path}"

    def change(self, store: Store, number: int) -> None:
        execute(self.path, "DROP TABLE IF EXISTS t", "CREATE TABLE t (n)", f"INSERT INTO t (n) VALUES ({number})")


class TestSQLiteStoreInSharedMemory(TestSQLiteStore):
    uri = True

    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> Iterator[None]:
        self.path = f"file:{tmp_path.name}?mode=memory&cache=shared"
        self.resource = f"sql:{self.path}"
        with contextlib.closing(sqlite3.connect(self.path, uri=True)) as db:
            db.execute("CREATE TABLE t (n TEXT)")
            yield

    def unsafe(self) -> None:
        return None


class TestDirectoryStore(StoreContract):
    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "out"
        (self.folder / "deep").mkdir(parents=True)
        (self.folder / "deep" / "old.txt").write_text("old")
        (self.folder / "kept.txt").write_text("kept")
        self.resource, self.foreign = f"file:{self.folder}/new.txt", f"file:{tmp_path}/outer/new.txt"

    def make(self) -> Store:
        return DirectoryStore(self.folder)

    def change(self, store: Store, number: int) -> None:
        (self.folder / "new.txt").write_text(str(number))
        (self.folder / "deep" / "old.txt").unlink(missing_ok=True)

    def unsafe(self) -> Store | None:
        return DirectoryStore("/srv/jobchaos/production")


class TestTouchedFiles(TestDirectoryStore):
    @pytest.fixture(autouse=True)
    def choose(self, prepare: None) -> None:
        self.foreign = "sql:/tmp/app.db"

    def make(self) -> Store:
        return TouchedFiles()

    def change(self, store: Store, number: int) -> None:
        store.announce(f"file:{self.folder}/deep/old.txt")
        super().change(store, number)

    def unsafe(self) -> None:
        return None  # it is asked for each path: see its own tests


class TestMemoryStore(StoreContract):
    resource = "memory:fake"

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.target: dict[str, list[int]] = {"charges": [1, 2], "refunds": []}

    def make(self) -> Store:
        return MemoryStore(self.target)

    def change(self, store: Store, number: int) -> None:
        self.target["charges"][:] = [number]
        self.target[f"more {number}"] = [number]
        for other in {1, 2, 3} - {number}:
            self.target.pop(f"more {other}", None)


class TestNamespaceStore(TestMemoryStore):
    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.namespace: dict[str, object] = {"PAID": False, "LOG": ["old"]}

    def make(self) -> Store:
        return NamespaceStore(self.namespace, ["PAID", "LOG", "LATER"], name="globals")

    def change(self, store: Store, number: int) -> None:
        self.namespace |= {"PAID": number, "LATER": [number]}


class TestFunctionStore(StoreContract):
    resource = "warehouse:stock"

    @pytest.fixture(autouse=True)
    def prepare(self) -> None:
        self.stock = {"apples": 5}

    def make(self) -> Store:
        return FunctionStore(snapshot=lambda: dict(self.stock), reset=self.reset, name="stock", covers=["warehouse:"])

    def reset(self) -> None:
        self.stock = {"apples": 5}

    def change(self, store: Store, number: int) -> None:
        self.stock = {"apples": number, "pears": number}


class TestEffectLedger(LedgerContract):
    resource = "http:127.0.0.1:80/POST /charges"
    foreign = "mail:ann@example.com"

    def make(self) -> Store:
        return EffectLedger("http")

    def foreign_effect(self, number: int, identity: tuple[str, ...] | None = None) -> Foreign:
        return Foreign("http", ("method", "url", "body"), ("POST", "http://127.0.0.1", str(number)), identity)


class TestBacklog(LedgerContract):
    resource = "queue:mail"
    foreign = "mail:ann@example.com"

    def make(self) -> Store:
        return Backlog(lambda _: True)

    def foreign_effect(self, number: int, identity: tuple[str, ...] | None = None) -> Foreign:
        sent = Sent("A", "Celery", "send_mail", (number,), key="/".join(identity or ()))
        return Foreign("queue", ("queue", "task", "arguments"), ("mail", "send_mail", str(number)), identity, sent)

    def test_what_is_done_is_gone_and_comes_back_again(self) -> None:
        with self._captured() as store:
            assert isinstance(store, Backlog)
            for number in (1, 2):
                store.record(self.foreign_effect(number))
            for done in range(3):
                assert not store.line("A").is_done
                assert store.line("A").done == done
                store.record(Foreign("queue", (), (), message=Done("A")))
            assert store.line("A").is_done
            assert not any(table.rows for table in store.snapshot().tables.values())
            assert store.line("A").current == self.foreign_effect(2).message  # its worker may have died just then
            store.record(Foreign("queue", (), (), message=Again("A")))
            assert store.line("A").current is None
            assert store.line("A").following == self.foreign_effect(1).message
