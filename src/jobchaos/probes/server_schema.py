"""ServerSchema: what the schema of an SQL server says about what a statement reaches besides the tables it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobchaos.probes.table_facts import TableFacts


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key, as seen from the table that it refers to.

    Attributes:
        table: The table that has it.
        cascades: True if it changes when what it refers to does.
    """

    table: str
    cascades: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view.

    Attributes:
        name: Its part of a resource path: `users`, `billing.users`.
        facts: What tells rows apart; empty if rows cannot be told apart safely.
        identifying: Columns of its primary key and of all unique indexes, in small letters.
        is_foreign: Whether its rows are in another database.
        is_view: Whether it is one; then what changes it is not known.
        behind: Names of the relations that a view reads.
        asks_for_time: Whether the definition of a view asks for the server's time.
        reads_unknown: Whether to read it may run code of the user's: a function in a view, a row policy.
        writes_unknown: Whether to change it may: a trigger, a rule.
        sequences: Names of the sequences that a new row draws from.
        parents: The tables that its foreign keys refer to.
        children: The foreign keys that refer to it.
    """

    name: str
    facts: TableFacts
    identifying: frozenset[str] = frozenset()
    is_foreign: bool = False
    is_view: bool = False
    behind: tuple[str, ...] = ()
    asks_for_time: bool = False
    reads_unknown: bool = False
    writes_unknown: bool = False
    sequences: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    children: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerSchema:
    """One database's schema.

    Attributes:
        relations: By their names.
        called: What a statement may call each of them, in small letters: `users`, `public.users`. More than one where
            the name alone does not tell the namespace.
        opaque: Names of functions, in small letters, that may touch anything.
        locks_gaps: Whether a lock on rows keeps others from rows beside them.
    """

    relations: Mapping[str, Relation] = field(default_factory=dict)
    called: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opaque: frozenset[str] = frozenset()
    locks_gaps: bool = False
