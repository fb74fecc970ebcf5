"""Coroutine jobs whose copies live in one event loop, and race across an await or do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.corpus import site
from tests.corpus.broken import Broken
from tests.corpus.sound import upserts_from_a_coroutine

CACHE: dict[int, str] = {}
FETCHES: list[int] = []
IN_FLIGHT: dict[int, asyncio.Future[None]] = {}
LOCK, SECOND = asyncio.Lock(), asyncio.Lock()
SLOTS = asyncio.Semaphore(1)


class Statistics:
    """Counts in attributes."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.count = 0


STATISTICS = Statistics()


def forget() -> None:
    """As in the beginning."""
    CACHE.clear()
    FETCHES.clear()
    IN_FLIGHT.clear()
    STATISTICS.known.clear()
    STATISTICS.count = 0


async def fetch() -> str:
    await asyncio.sleep(0.1)
    return "rate"


# --- broken ----------------------------------------------------------------------------------------------------------


async def fetches_what_is_not_cached() -> None:
    if 7 not in CACHE:
        CACHE[7] = await fetch()
        FETCHES.append(7)


async def counts_across_an_await() -> None:
    if 7 not in STATISTICS.known:
        count = STATISTICS.count
        await asyncio.sleep(0)
        STATISTICS.known.add(7)
        STATISTICS.count += 1 + count


async def loses_an_update() -> None:
    if CACHE.get(7) != "done":
        seen = len(FETCHES)
        await asyncio.sleep(0)
        FETCHES[seen:] = [*FETCHES[seen:], 7]
        CACHE[7] = "done"


async def checks_before_it_gathers() -> None:
    is_known = 7 in CACHE
    await asyncio.gather(fetch(), fetch())
    if not is_known:
        CACHE[7] = "rate"
        FETCHES.append(7)


async def locks_the_check_only() -> None:
    async with LOCK:
        is_known = 7 in CACHE
        await asyncio.sleep(0)
    if not is_known:
        await fetch()
        CACHE[7] = "rate"
        FETCHES.append(7)


async def locks_in_an_order_that_depends() -> None:
    first, second = (SECOND, LOCK) if 7 in CACHE else (LOCK, SECOND)
    CACHE[7] = "begun"
    async with first:
        await asyncio.sleep(0)
        async with second:
            FETCHES[:] = [7]


async def inserts_after_an_await() -> None:
    with site.connect() as db:
        known = db.execute("SELECT count(*) FROM payments WHERE order_id = 7").fetchone()[0]
    await asyncio.sleep(0)
    if not known:
        with site.connect() as db:
            db.execute("INSERT INTO payments (order_id) VALUES (7)")


RACING = [
    Broken(fetches_what_is_not_cached, {"JC203": "A0 B A"}),
    Broken(counts_across_an_await, {"JC203": "A0 B A"}),
    Broken(loses_an_update, {"JC203": "A0 B A"}),
    Broken(checks_before_it_gathers, {"JC203": "A0 B A"}),
    Broken(locks_the_check_only, {"JC203": "A1 B A"}),
    Broken(locks_in_an_order_that_depends, {"JC204": "A0 B A"}),
    Broken(inserts_after_an_await, {"JC203": "A0 B A"}),
]


# --- sound -----------------------------------------------------------------------------------------------------------


async def fetches_under_a_lock() -> None:
    async with LOCK:
        if 7 not in CACHE:
            CACHE[7] = await fetch()
            FETCHES.append(7)


async def fetches_under_a_semaphore() -> None:
    async with SLOTS:
        if 7 not in CACHE:
            CACHE[7] = await fetch()
            FETCHES.append(7)


async def fetches_under_a_lock_that_it_waits_for_with_a_limit() -> None:
    await asyncio.wait_for(LOCK.acquire(), 5)
    try:
        if 7 not in CACHE:
            CACHE[7] = await fetch()
            FETCHES.append(7)
    finally:
        LOCK.release()


async def waits_for_who_fetches_already() -> None:
    if 7 in CACHE:
        return
    if 7 in IN_FLIGHT:
        await IN_FLIGHT[7]
        return
    IN_FLIGHT[7] = asyncio.get_running_loop().create_future()
    CACHE[7] = await fetch()
    FETCHES.append(7)
    IN_FLIGHT.pop(7).set_result(None)


async def polls_until_it_is_fetched() -> None:
    while CACHE.get(7) == "busy":
        await asyncio.sleep(1)
    if 7 not in CACHE:
        CACHE[7] = "busy"
        await fetch()
        FETCHES.append(7)
        CACHE[7] = "rate"


async def awaits_before_and_after() -> None:
    await asyncio.sleep(0)
    if 7 not in CACHE:
        is_first = not FETCHES
        CACHE[7] = "rate"
        if is_first:
            FETCHES.append(7)
    await asyncio.sleep(0)


async def looks_again_after_the_await() -> None:
    rate = await fetch()
    if 7 not in CACHE:
        CACHE[7] = rate
        FETCHES.append(7)


KEPT_APART: list[Callable[[], Any]] = [
    fetches_under_a_lock,
    fetches_under_a_semaphore,
    fetches_under_a_lock_that_it_waits_for_with_a_limit,
    waits_for_who_fetches_already,
    polls_until_it_is_fetched,
    awaits_before_and_after,
    looks_again_after_the_await,
    upserts_from_a_coroutine,
]
