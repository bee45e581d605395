"""What is tried beside the scenario: single requests, and caches under writes, in two instances, and failing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping

from app import HOUR, LIFETIMES, MINUTE, Application, Orgs, aside
from caches import Broken, Cache, Clock, Org, PlainCache, Rows, percent
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

TRIES = 100


async def one_after_another(application: Application, orgs: Orgs) -> dict[str, float]:
    """The medians of single requests, with nobody else about: what compressing time does not touch."""
    most = orgs.all[0]
    asked: dict[str, tuple[int, Callable[[], Awaitable[Rows]]]] = {
        "services": (40, lambda: application.services(most)),
        "inbound_config": (40, lambda: application.inbound_config(most)),
        "settings": (40, lambda: application.settings(most)),
        "agent_list": (12, lambda: application.agent_list(orgs.of_ten)),
        "agent_list_largest": (6, lambda: application.agent_list(orgs.of_most)),
        "agent_list_by_id": (12, lambda: application.agent_list_by_id(orgs.of_ten)),
        "dashboard": (5, lambda: application.dashboard(most)),
    }
    found = {}
    for name, (times, ask) in asked.items():
        taken = []
        await ask()
        for _ in range(times):
            began = time.perf_counter()
            await ask()
            taken.append(1000 * (time.perf_counter() - began))
        found[f"alone.{name}_ms"] = round(statistics.median(taken), 4)
    for name, org in (("agent_list", orgs.of_ten), ("agent_list_largest", orgs.of_most)):
        before = application.sent
        agents = await application.agent_list(org)
        found[f"{name}.agents"] = len(agents)
        found[f"{name}.queries"] = application.sent - before
        found[f"{name}.without_user"] = sum(user is None for _, user in agents)
    return found


async def busy_organisation(
    application: Application, org: Org, rates: Mapping[str, int], hours: int
) -> dict[str, float]:
    """An organisation with the document's rates for itself alone: its queries an hour, and what its caches answered."""
    chance = random.Random(2)  # noqa: S311  always the same is what is wanted
    events = sorted((chance.uniform(0, hours * HOUR), kind) for kind, n in rates.items() for _ in range(hours * n))
    sent: Counter[str] = Counter()
    for at, kind in events:
        application.clock.now = at
        before = application.sent
        await getattr(application, kind)(org)
        sent[kind] += application.sent - before
    found = {f"busy_organisation.{kind}_queries_per_hour": sent[kind] / hours for kind in rates}
    for kind, rate in rates.items():
        found[f"busy_organisation.{kind}_hit_percent"] = percent(hours * rate - sent[kind], hours * rate)
    return found


class Prices:
    """One price of a service, read and written on one connection, in a transaction that is rolled back."""

    def __init__(self, connection: AsyncConnection, service: Hashable) -> None:
        self._connection = connection
        self._service = service
        self._held: tuple[asyncio.Event, asyncio.Event] | None = None

    @contextlib.asynccontextmanager
    async def under_way(self, reading: Callable[[], Awaitable[Rows]]) -> AsyncIterator[None]:
        """What is done inside comes after the database's answer to `reading` and before its arrival: a slow network."""
        answered, arrives = self._held = asyncio.Event(), asyncio.Event()
        task = asyncio.ensure_future(reading())
        await answered.wait()
        self._held = None
        yield
        arrives.set()
        await task

    async def read(self, _: Org) -> Rows:
        cursor = await self._connection.execute(
            "select /* aside: proof */ price from services where id = %s", [self._service]
        )
        rows = await cursor.fetchall()
        if self._held:
            answered, arrives = self._held
            answered.set()
            await arrives.wait()
        return rows

    async def write(self, price: int) -> None:
        await self._connection.execute(
            "update /* aside: proof */ services set price = %s where id = %s", [price, self._service]
        )


async def stale_reads(prices: Prices, made: type[Cache | PlainCache], clock: Clock) -> int:
    """How many of `TRIES` reads after a write are of an older price; at every second write another one is under way."""
    cache = made(prices.read, HOUR, clock)
    stale = 0
    for price in range(1, TRIES + 1):
        if price % 2:
            await cache.get("org")
            await prices.write(price)
            cache.invalidate("org")
        else:
            cache.invalidate("org")
            async with prices.under_way(lambda: cache.get("org")):
                await prices.write(price)
                cache.invalidate("org")
        stale += await cache.get("org") != [(price,)]
    return stale


async def stale_after_failure(prices: Prices, clock: Clock) -> int:
    """How many reads are of an older price where the cache was away while it should have been emptied."""
    kept = Broken(10, HOUR, timer=clock)
    cache = Cache(prices.read, HOUR, clock, kept)
    stale = 0
    for price in range(1, TRIES // 4 + 1):
        kept.down = False
        await cache.get("org")
        kept.down = True
        await prices.write(price)
        cache.invalidate("org")
        kept.down = False
        stale += await cache.get("org") != [(price,)]
    return stale


async def stale_in_two_instances(prices: Prices) -> tuple[int, float]:
    """How many reads of a second instance are of an older price, and after how many minutes they are not any more."""
    clock = Clock()
    first, second = (Cache(prices.read, HOUR, clock) for _ in range(2))
    stale, until = 0, 0.0
    for price in range(1, TRIES // 4 + 1):
        clock.now += 2 * HOUR
        await first.get("org")
        await second.get("org")
        await prices.write(price)
        first.invalidate("org")
        stale += await second.get("org") != [(price,)]
        began = clock.now
        while await second.get("org") != [(price,)]:
            clock.now += MINUTE
        until = max(until, (clock.now - began) / MINUTE)
    return stale, until


async def under_failure(pool: AsyncConnectionPool, orgs: Orgs) -> dict[str, float]:
    """Requests while the cache is away: those that fail, those that are answered wrongly, and the errors it made."""
    application = Application(pool, new=True, shaped=aside)
    direct = Application(pool, new=False, shaped=aside)
    for kind in LIFETIMES:
        broken = Broken(10, LIFETIMES[kind], timer=application.clock)
        application.caches[kind] = Cache(application._reader(kind), LIFETIMES[kind], application.clock, broken)
    failed = wrong = made = 0
    for org in orgs.all[:20]:
        for kind in LIFETIMES:
            made += 2
            for _ in range(2):
                try:
                    answer = await getattr(application, kind)(org)
                except OSError:
                    failed += 1
                else:
                    wrong += answer != await getattr(direct, kind)(org)
            application.caches[kind].invalidate(org)
    errors = sum(cache.failures for cache in application.caches.values())
    return {
        "failing_cache.requests": made, "failing_cache.failed": failed, "failing_cache.wrong": wrong,
        "failing_cache.errors_counted": errors,
    }  # fmt: skip


async def of_caches(pool: AsyncConnectionPool, orgs: Orgs) -> dict[str, float]:
    """What becomes of the caches under writes, in two instances, and when they fail."""
    clock = Clock()
    async with pool.connection() as connection, connection.transaction(force_rollback=True):
        cursor = await connection.execute("select 1, /* aside: proof */ id from services order by id limit 1")
        prices = Prices(connection, (await cursor.fetchall())[0][-1])
        found: dict[str, float] = {
            "stale.writes": TRIES,
            "stale.reads": await stale_reads(prices, Cache, clock),
            "stale.reads_as_printed": await stale_reads(prices, PlainCache, clock),
            "stale.reads_after_failure": await stale_after_failure(prices, clock),
        }
        found["stale.reads_in_two_instances"], found["stale.minutes_in_two_instances"] = await stale_in_two_instances(
            prices
        )
    return found | await under_failure(pool, orgs)
