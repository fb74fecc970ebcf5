"""Jobs that die in many ways; each gets a folder with `app.db` in it. Run by jobchaos and by `child.py`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path


def commits_in_pieces(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "app.db", isolation_level=None)) as db:
        db.execute("UPDATE users SET points = points + 1")
        db.execute("BEGIN")
        db.execute("UPDATE users SET points = points + 10")
        db.execute("INSERT INTO payments (amount) VALUES (42)")
        db.execute("COMMIT")
        db.execute("INSERT INTO payments (amount) VALUES (43)")


def uses_implicit_transactions(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "app.db")) as db:
        with db:
            db.execute("UPDATE users SET points = points + 1")
            db.executemany("INSERT INTO payments (amount) VALUES (?)", [(1,), (2,)])
        db.execute("UPDATE users SET points = points + 10")
        db.execute("CREATE TABLE IF NOT EXISTS seen (n)")
        db.execute("INSERT INTO seen VALUES (1)")
        db.commit()
        db.execute("DELETE FROM users")


def cleans_up_after_itself(folder: Path) -> None:
    db = sqlite3.connect(folder / "app.db")
    try:
        db.execute("UPDATE users SET points = points + 1")
        db.execute("INSERT INTO payments (amount) VALUES (42)")
        db.execute("UPDATE users SET points = points + 10")
    except BaseException:
        db.execute("UPDATE users SET points = -1")
        raise
    finally:
        db.commit()
        db.close()


def writes_files(folder: Path) -> None:
    (folder / "out").mkdir(exist_ok=True)
    with open(folder / "out" / "log.txt", "a") as log:
        log.write("begin\n")
        log.flush()
        log.write("not flushed\n")
        log.write("end\n")
    temporary = folder / "out" / "a.tmp"
    temporary.write_text("invoice")
    os.replace(temporary, folder / "out" / "a.csv")
    with open(folder / "out" / "raw.bin", "ab", buffering=0) as raw:
        raw.write(b"one")
        raw.write(b"two")
    (folder / "inbox.txt").unlink(missing_ok=True)


def uses_both(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "app.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("BEGIN IMMEDIATE")
        (points,) = db.execute("SELECT points FROM users").fetchone()
        (folder / f"{points}.txt").write_text(f"had {points}")
        db.execute("UPDATE users SET points = ?", (points + 1,))
        db.execute("COMMIT")


JOBS = [commits_in_pieces, uses_implicit_transactions, cleans_up_after_itself, writes_files, uses_both]
