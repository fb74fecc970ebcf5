"""Jobs whose locks are files that are broken when they are too old. All survive as long as nothing runs out."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.corpus import site
from tests.corpus.broken import Broken
from tests.corpus.expiring import TTL, BusyError, is_paid


def lock() -> Path:
    return site.folder / "order-7.lock"


def pay_if_unpaid() -> None:
    with site.connect() as db:
        if not is_paid(db):
            db.execute("INSERT INTO payments (order_id) VALUES (7)")


def pay_once() -> None:
    with site.connect() as db:
        db.execute("INSERT INTO payments (order_id) SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM payments)")


# --- by a time in the file -------------------------------------------------------------------------------------------


def take_until(expires: Callable[[], object], has_passed: Callable[[Any], bool]) -> None:
    """Put the file in its place in one go, so that nobody reads a part of it."""
    owner = uuid.uuid4().hex
    made = site.folder / f"order-7.{owner}"
    made.write_text(json.dumps({"owner": owner, "expires_at": expires()}))
    try:
        os.link(made, lock())
    except FileExistsError:
        if not has_passed(json.loads(lock().read_text())["expires_at"]):
            raise BusyError from None
        os.replace(made, lock())
    finally:
        made.unlink(missing_ok=True)


def take_for_a_minute() -> None:
    take_until(lambda: time.time() + TTL, lambda moment: moment < time.time())


def take_for_a_minute_by_date() -> None:
    def now() -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc)

    minute = datetime.timedelta(seconds=TTL)
    take_until(lambda: (now() + minute).isoformat(), lambda moment: datetime.datetime.fromisoformat(moment) < now())


def pays_while_its_file_is_young() -> None:
    take_for_a_minute()
    try:
        pay_if_unpaid()
    finally:
        lock().unlink()


def pays_while_its_file_is_young_by_date() -> None:
    take_for_a_minute_by_date()
    try:
        pay_if_unpaid()
    finally:
        lock().unlink()


def pays_once_while_its_file_is_young() -> None:
    take_for_a_minute()
    try:
        pay_once()
    finally:
        lock().unlink(missing_ok=True)


# --- by the file's age -----------------------------------------------------------------------------------------------


def take_if_old(limit: float = 600) -> None:
    try:
        os.close(os.open(lock(), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        if time.time() - os.path.getmtime(lock()) < limit:
            raise BusyError from None
        os.utime(lock())


def breaks_a_lock_by_its_age() -> None:
    take_if_old()
    try:
        pay_if_unpaid()
    finally:
        lock().unlink(missing_ok=True)


def breaks_a_folder_by_its_age() -> None:
    try:
        lock().mkdir()
    except FileExistsError:
        if time.time() - lock().stat().st_mtime < 600:
            raise BusyError from None
        lock().rmdir()
        lock().mkdir()
    try:
        pay_if_unpaid()
    finally:
        with contextlib.suppress(FileNotFoundError):
            lock().rmdir()


def breaks_a_lock_by_its_age_and_pays_once() -> None:
    take_if_old()
    try:
        pay_once()
    finally:
        lock().unlink(missing_ok=True)


def notes_when_it_has_last_run() -> None:
    (site.folder / "last-run.json").write_text(json.dumps({"at": time.time()}))


AGEING = [
    Broken(pays_while_its_file_is_young, {"JC612": "A5 +61s B A"}),
    Broken(pays_while_its_file_is_young_by_date, {"JC612": "A5 +61s B A"}),
    Broken(breaks_a_lock_by_its_age, {"JC603": "A2 +3601s B A"}),
    Broken(breaks_a_folder_by_its_age, {"JC603": "A2 +3601s B A"}),
]
AGELESS: list[Callable[[], Any]] = [
    pays_once_while_its_file_is_young,
    breaks_a_lock_by_its_age_and_pays_once,
    notes_when_it_has_last_run,
]
