"""Which store a resource gets by itself."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from jobchaos.core.ports import Ledger
from jobchaos.errors import UnsafeRestoreError
from jobchaos.stores.automatic import store_for
from jobchaos.stores.ledger import EffectLedger
from jobchaos.stores.sqlite import SQLiteStore
from jobchaos.stores.touched_files import TouchedFiles
from tests.stores.conftest import make, opened, rows_of


@pytest.mark.parametrize(
    ("resource", "kind", "name"),
    [
        ("sql:/tmp/app.db", SQLiteStore, "app.db"),
        ("sql:/tmp/with:colon.db", SQLiteStore, "with:colon.db"),
        ("sql:file:shared?mode=memory&cache=shared", SQLiteStore, "shared"),
        ("mail:ann@example.com", EffectLedger, "mail"),
        ("mail:", EffectLedger, "mail"),
        ("http:127.0.0.1:80/POST /charges", EffectLedger, "http"),
        ("file:/tmp/out.csv", TouchedFiles, "files"),
    ],
)
def test_kinds_with_a_store_get_one_that_covers_the_resource(resource: str, kind: type[object], name: str) -> None:
    store = store_for(resource, ())
    assert type(store) is kind
    assert store is not None
    with contextlib.closing(store):
        assert store.name == name
        assert store.covers(resource)
        assert isinstance(store, Ledger) == (kind is EffectLedger)


@pytest.mark.parametrize("resource", ["pigeon:0/key", "clock", "memory:x", "", "sqlite:/tmp/a", ":file:/tmp/a"])
def test_other_kinds_get_none(resource: str) -> None:
    assert store_for(resource, ()) is None


def test_each_resource_gets_a_store_of_its_own() -> None:
    first, second = store_for("mail:", ()), store_for("mail:", ())
    assert first is not second


def test_a_database_is_captured_and_restored(path: Path) -> None:
    store = store_for(f"sql:{path}", ())
    assert store is not None
    with contextlib.closing(store):
        store.announce(f"sql:{path}")
        store.capture()
        make(path, "UPDATE t SET n = 1")
        store.restore()
        assert rows_of(store, "t") == {(1, 0)}


def test_a_shared_memory_database_is_captured_and_restored(tmp_path: Path) -> None:
    uri = f"file:{tmp_path.name}?mode=memory&cache=shared"
    store = store_for(f"sql:{uri}", ())
    assert store is not None
    with opened(uri) as keeper, contextlib.closing(store):
        keeper.execute("CREATE TABLE t (n)")
        store.capture()
        keeper.execute("INSERT INTO t VALUES (1)")
        assert rows_of(store, "t") == {(1,)}
        store.restore()
        assert rows_of(store, "t") == set()


def test_what_is_allowed_is_passed_on_to_databases(production: Path) -> None:
    make(production / "app.db")
    refusing = store_for(f"sql:{production}/app.db", ["/elsewhere"])
    allowing = store_for(f"sql:{production}/app.db", ["/elsewhere", str(production)])
    assert refusing is not None
    assert allowing is not None
    with contextlib.closing(refusing), contextlib.closing(allowing):
        with pytest.raises(UnsafeRestoreError):
            refusing.capture()
        allowing.capture()


def test_what_is_allowed_is_passed_on_to_files(production: Path) -> None:
    resource = f"file:{production}/out.csv"
    refusing, allowing = store_for(resource, ()), store_for(resource, [str(production)])
    assert refusing is not None
    assert allowing is not None
    with pytest.raises(UnsafeRestoreError):
        refusing.announce(resource)
    allowing.announce(resource)
