"""TableFacts: what a schema says about which rows of a table a statement can meet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column of a primary key.

    Attributes:
        name: In small letters.
        numeric: True if it makes numbers of digits, as SQLite does in columns of affinity INTEGER or NUMERIC; False if
            texts of numbers.
        uuid: True if its values are UUIDs, which may be written in several ways.
    """

    name: str
    numeric: bool
    uuid: bool = False


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The facts about one table. All names are in small letters.

    Attributes:
        columns: What an INSERT without a list of columns fills, in order.
        key: The primary key, or the row's number if there is none; empty if its values cannot be compared safely.
        aliases: Other names of the key's only column.
        allocates: An INSERT chooses more than its key tells: a hidden row number, or the next of a sequence.
        sequence: Whether AUTOINCREMENT keeps that sequence in another table.
        unique: Columns of UNIQUE indexes apart from the primary key; all where an index has conditions or formulas.
        triggers: Whether it has any.
        referenced_by: Tables with a foreign key to it.
        virtual: Whether a module keeps its rows, in tables of its own.
    """

    columns: tuple[str, ...] = ()
    key: tuple[KeyColumn, ...] = ()
    aliases: frozenset[str] = frozenset()
    allocates: bool = False
    sequence: bool = False
    unique: frozenset[str] = frozenset()
    triggers: bool = False
    referenced_by: frozenset[str] = frozenset()
    virtual: bool = False
