"""Which statements of MariaDB's and MySQL's commit without saying so.

See https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/.
"""

from __future__ import annotations

import re

from jobchaos.probes.statement import first_word

DEFINING = frozenset({"ALTER", "CREATE", "DROP", "GRANT", "LOCK", "RENAME", "REVOKE", "TRUNCATE", "UNLOCK"})
_TEMPORARY = re.compile(r"\b(CREATE|DROP)\s+TEMPORARY\b", re.IGNORECASE)
_AUTOCOMMIT = re.compile(r"\bautocommit\s*=\s*(1|on|true)\b", re.IGNORECASE)


def commits_first(sql: str) -> bool:
    """Whether a statement ends an open transaction, and is none of the next one."""
    return first_word(sql) in DEFINING and not _TEMPORARY.search(sql)


def implies_commit(sql: str, *, is_autocommit: bool) -> bool:
    """Whether a statement surely commits an open transaction before it does anything else.

    Args:
        sql: Its text.
        is_autocommit: Whether the connection already commits each statement that is in no transaction.
    """
    word = first_word(sql)
    if word == "SET":
        return not is_autocommit and _AUTOCOMMIT.search(sql) is not None
    if word == "UNLOCK":  # only at the end of LOCK TABLES
        return False
    return word == "BEGIN" or (word == "START" and "TRANSACTION" in sql.upper()) or commits_first(sql)
