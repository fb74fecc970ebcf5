"""What a MariaDB or MySQL database is made of, as the statements that make it; and how it is made so again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobchaos.stores.mysql_layout import quoted

Run = Callable[[str], Sequence[tuple[Any, ...]]]
Definitions = Mapping[tuple[str, str], str]
"""The statement that makes a `SEQUENCE`, `TABLE`, `VIEW` or `TRIGGER`, by that and its name."""

_KINDS = {"SEQUENCE": 1, "TABLE": 1, "VIEW": 1, "TRIGGER": 2}
"""In the order in which they can be made; where SHOW CREATE has the text."""
_NAMES = """
SELECT IF(table_type = 'SEQUENCE', 'SEQUENCE', 'TABLE'), table_name FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')
UNION ALL SELECT 'VIEW', table_name FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
ORDER BY 1, 2
"""
_NEXT_NUMBER = re.compile(r"(?<=\) )(ENGINE=\w+ )AUTO_INCREMENT=\d+ ?")  # belongs to the rows


class MySQLDefinitions:
    """Reads the definitions of a database, and restores them.

    Args:
        run: Runs a statement on it and returns rows, if there are any.
        each: Runs several and returns the rows of each.
        database: Its name.
    """

    def __init__(self, run: Run, each: Callable[[str], list[Sequence[tuple[Any, ...]]]], database: str) -> None:
        self._run = run
        self._each = each
        self._database = database
        self._of_database = ""

    def remember_database(self) -> None:
        """Remember how the database itself is made."""
        self._of_database = str(self._run(f"SHOW CREATE DATABASE {quoted(self._database)}")[0][1])

    def read(self) -> Definitions:
        """What is there now."""
        names = [(str(kind), str(name)) for kind, name in self._run(_NAMES)]
        if not names:
            return {}
        told = self._each("; ".join(f"SHOW CREATE {kind} {quoted(name)}" for kind, name in names))
        texts = [
            _NEXT_NUMBER.sub(r"\1", str(rows[0][_KINDS[kind]])) for (kind, _), rows in zip(names, told, strict=True)
        ]
        return dict(zip(names, texts, strict=True))

    def restore(self, wanted: Definitions) -> None:
        """Make everything again that is gone or has changed, and drop what is new. Such tables are empty then."""
        if not self._run(f"SHOW DATABASES LIKE '{_pattern(self._database)}'"):
            self._run(f"{self._of_database}; USE {quoted(self._database)}")
        self._run("SET foreign_key_checks = 0")
        for kind in _KINDS:  # to drop a table takes its triggers along
            now = self.read()
            for key in now.keys() | wanted.keys():
                if key[0] == kind and now.get(key) != wanted.get(key):
                    self._make(key, wanted.get(key), exists=key in now)
        self._run("SET foreign_key_checks = 1")

    def _make(self, key: tuple[str, str], definition: str | None, *, exists: bool) -> None:
        if exists:
            self._run(f"DROP {key[0]} {quoted(key[1])}")
        if definition is not None:
            self._run(definition)


def _pattern(name: str) -> str:
    """A name as LIKE matches it and nothing else."""
    return re.sub(r"([\\%_'])", r"\\\1", name)
