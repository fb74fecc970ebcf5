"""What differs between two runs of a test is not compared; a file or a key beside it is."""

from __future__ import annotations

from jobchaos.core.snapshot import Cell, Snapshot, State, Table
from jobchaos.suite.chance import by_chance


def files(**contents: Cell) -> State:
    return {"files": Snapshot({"files": Table(("path", "content"), tuple(contents.items()), ("path",))})}


def hashes(*rows: tuple[str, str, str]) -> State:
    return {"redis": Snapshot({"hashes": Table(("key", "field", "value"), rows, ("key", "field"))})}


def users(*rows: tuple[int, str]) -> State:
    return {"app.db": Snapshot({"users": Table(("id", "name"), rows, ("id",))})}


CONTENT = ("files", "files", "content")
VALUE = ("redis", "hashes", "value")


def file(path: str) -> tuple[tuple[str, str], ...]:
    return (("path", repr(path)),)


def test_a_file_beside_one_that_differs_is_compared() -> None:
    found = by_chance(files(log="took 3 ms", total="5"), files(log="took 4 ms", total="5"))
    assert found.varies(CONTENT, file("log"))
    assert not found.varies(CONTENT, file("total"))


def test_so_is_a_field_of_a_key() -> None:
    found = by_chance(hashes(("a", "token", "x"), ("a", "n", "1")), hashes(("a", "token", "y"), ("a", "n", "1")))
    assert found.varies(VALUE, (("key", "'a'"), ("field", "'token'")))
    assert not found.varies(VALUE, (("key", "'a'"), ("field", "'n'")))


def test_a_moment_may_be_the_same_by_chance() -> None:
    for moment in ("at 2026-11-29", "1795480130", 1795480130, "done 10:45", b"done 10:45"):
        found = by_chance(files(log="x", stamp=moment), files(log="y", stamp=moment))
        assert found.varies(CONTENT, file("stamp"))


def test_how_many_words_there_are_beside_a_time_counts_if_both_runs_agree() -> None:
    def outlined(one: str, other: str) -> tuple[str, str, str]:
        found = by_chance(files(log=one), files(log=other))
        texts = ("10:30:00 sent 7", "10:30:00 sent 8", "10:30:00 sent 7, 8")
        return tuple(found.outline(CONTENT, file("log"), text) for text in texts)  # type: ignore[return-value]

    seven, eight, both = outlined("10:45:00 sent 7", "10:45:01 sent 7")
    assert seven == eight != both
    assert outlined("10:45:00 sent 7", "10:45:01 sent 7, 9, 11") == ("", "", "")


def test_what_differs_in_no_file_is_compared_whatever_it_holds() -> None:
    found = by_chance(files(stamp="2026-11-29"), files(stamp="2026-11-29"))
    assert not found.varies(CONTENT, file("stamp"))


def test_the_values_of_a_databases_column_may_all_be_chance() -> None:
    found = by_chance(users((1, "ann"), (2, "bob")), users((1, "ann"), (2, "cid")))
    assert found.varies(("app.db", "users", "name"), (("id", "1"),))


def test_a_file_that_is_there_in_one_run_only_is_not_compared() -> None:
    found = by_chance(files(x1="5", total="5"), files(x2="5", total="6"))
    assert found.varies(CONTENT, file("x1"))
    assert found.varies(CONTENT, file("total"))
