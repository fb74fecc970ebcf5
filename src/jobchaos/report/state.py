"""State: a diff in words, one line a row that is too many, missing or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from jobchaos.core.diff import Change, Diff
from jobchaos.core.snapshot import Cell
from jobchaos.report.shown import escape, literal, shorten

_SIGNS = {"extra": "+", "missing": "-", "changed": "~"}
_MOST = 20
_MOST_EQUAL = 3
_NAME = 40
_CELL = 40
_CONTEXT = 10


def state_lines(diff: Diff, width: int) -> list[str]:
    """The changes, then what is equal; no line is longer than `width`."""
    names = _names(diff)
    column = min(_NAME, max(map(len, names.values()), default=0))
    counts = [
        "" if change.kind == "changed" else f"{change.count}, expected {change.expected}" for change in diff.changes
    ]
    room = width - column - 6 - max(map(len, counts), default=0)
    texts = [change_text(change, room) for change in diff.changes]
    widest = max(map(len, texts), default=0)
    lines = [
        f"{shorten(names[_full(change)], column):<{column}}  {_SIGNS[change.kind]} {text:<{widest}}  {count}".rstrip()
        for change, text, count in zip(diff.changes[:_MOST], texts, counts, strict=False)
    ]
    lines += _rest(len(diff.changes) - _MOST, "changes")
    lines += [f"{shorten(names[full], column):<{column}}  equal" for full in diff.equal[:_MOST_EQUAL]]
    return lines + _rest(len(diff.equal) - _MOST_EQUAL, "equal")


def change_text(change: Change, limit: int) -> str:
    """One change without its store and counts: `id=1  sent: 0 -> 1`, or the row."""
    if change.kind != "changed":
        return shorten(_record(change.row) if change.store == change.table else _row(change.row), limit)
    room = (limit - _CELL // 2 - 2) // len(change.before)
    moves = ", ".join(_move(column, old, change.row[column], room) for column, old in change.before.items())
    rest = {column: cell for column, cell in change.row.items() if column not in change.before}
    same = _record(rest) if change.store == change.table else _row(rest)
    return shorten(f"{shorten(same, max(_CELL // 2, limit - len(moves) - 2))}  {moves}".lstrip(), limit)


def _rest(count: int, what: str) -> list[str]:
    return [f"... {count} more {what} ..."] if count > 0 else []


def _full(change: Change) -> str:
    return f"{change.store}.{change.table}"


def _names(diff: Diff) -> dict[str, str]:
    """`store.table` to what is shown for it: the table alone where that is clear, and the model beside it."""
    tables = {full: full.rpartition(".")[2] for full in diff.equal}
    tables.update((_full(change), change.table) for change in diff.changes)
    often = Counter(tables.values())
    beside = {_full(change): change.beside for change in diff.changes}
    names = {full: table if often[table] == 1 else full for full, table in tables.items()}
    return {full: escape(name + beside.get(full, "")) for full, name in names.items()}


def _row(row: Mapping[str, Cell]) -> str:
    return ", ".join(f"{escape(column)}={literal(column, cell, _CELL)}" for column, cell in row.items())


def _record(row: Mapping[str, Cell]) -> str:
    """What a ledger or a directory holds reads as a sentence: `ann@example.com "Welcome" hello@shop.example`."""
    literals = ((cell, literal(column, cell, _CELL)) for column, cell in row.items() if not _goes_without_saying(cell))
    return " ".join(
        text[1:-1] if isinstance(cell, str) and "\\" not in text and _is_word(cell) else text for cell, text in literals
    )


def _goes_without_saying(cell: Cell) -> bool:
    return cell is None or cell == "file"


def _is_word(text: str) -> bool:
    """An address, a path, a URL or a method needs no quotes to be told apart."""
    return bool(text) and " " not in text and ("@" in text or "/" in text or text.isupper())


def _move(column: str, old: Cell, new: Cell, room: int) -> str:
    """`sent: 0 -> 1`; in less space only down to what shows the difference."""
    name = f"{escape(column)}{_grown(old, new)}: "
    most = min(_CELL, max(2 * _CONTEXT, (room - len(name) - len(" -> ")) // 2 - len("...")))
    return name + " -> ".join(_contrast(literal(column, old), literal(column, new), most))


def _grown(old: Cell, new: Cell) -> str:
    """How many lines there are, if that differs: the first difference may be a mere time."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return ""
    was, now = len(old.splitlines()), len(new.splitlines())
    return "" if was == now or max(was, now) == 1 else f" ({now} line{'' if now == 1 else 's'}, expected {was})"


def _contrast(old: str, new: str, most: int) -> tuple[str, str]:
    """Both shortened, but so that the first difference is still to be seen."""
    if max(len(old), len(new)) <= most:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    start = max(0, next((index for index, (was, now) in pairs if was != now), 0) - _CONTEXT)
    lead = "..." if start else ""
    return lead + shorten(old[start:], most), lead + shorten(new[start:], most)
