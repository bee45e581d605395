"""Caches in an application's memory, on a clock that a scenario moves."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any

from cachetools import TTLCache

Rows = list[tuple[Any, ...]]
Org = Hashable
Read = Callable[[Org], Awaitable[Rows]]
MOST = 10_000


def percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


class Clock:
    """The time of the scenario, in seconds: what the caches take for now.

    A task keeps the time at which it was made: a request that waits for the database, a few milliseconds of ours, would
    else find minutes of the scenario gone.
    """

    def __init__(self) -> None:
        self._now = ContextVar("now", default=0.0)

    @property
    def now(self) -> float:
        return self._now.get()

    @now.setter
    def now(self, seconds: float) -> None:
        self._now.set(seconds)

    def __call__(self) -> float:
        return self.now


class Cache:
    """Reads of one sort through a cache, an organisation a key: never older than the last `invalidate` of that key.

    Each value is kept with the version at which its reading began; an invalidation makes the next version, so that an
    answer which was under way meanwhile is not served later, nor one that could not be removed. Readers who come while
    a value is being read share that one query, for the value's lifetime. A cache that fails (an `OSError`, as a server
    of its own would raise) is as good as none: the reader gets the database's answer.
    """

    def __init__(self, read: Read, lifetime: float, clock: Clock, kept: Any = None) -> None:
        self._read = read
        self._kept = TTLCache(MOST, lifetime, timer=clock) if kept is None else kept
        self._versions: Counter[Org] = Counter()
        self._lifetime = lifetime
        self._clock = clock
        self._under_way: dict[tuple[Org, int], tuple[float, asyncio.Future[Rows]]] = {}
        self.hits: Counter[Org] = Counter()
        self.misses: Counter[Org] = Counter()
        self.failures = 0
        self.hit_ms: list[float] = []

    async def get(self, org: Org) -> Rows:
        began = time.perf_counter()
        version = self._versions[org]
        with self._tolerant():
            version_kept, rows = self._kept.get(org, (None, []))
            if version_kept == version:
                self.hits[org] += 1
                self.hit_ms.append(1000 * (time.perf_counter() - began))
                return rows
        since, answer = self._under_way.get((org, version), (-math.inf, None))
        if answer and self._clock() - since < self._lifetime:
            self.hits[org] += 1
            return await answer
        self.misses[org] += 1
        own = self._clock(), asyncio.ensure_future(self._read(org))
        self._under_way[org, version] = own
        try:
            rows = await own[1]
        finally:
            if self._under_way.get((org, version)) is own:
                del self._under_way[org, version]
        with self._tolerant():
            self._kept[org] = (version, rows)
        return rows

    def invalidate(self, org: Org) -> None:
        self._versions[org] += 1
        with self._tolerant():
            self._kept.pop(org, None)

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.failures += 1

    @property
    def hit_percent(self) -> float:
        return percent(self.hits.total(), self.hits.total() + self.misses.total())


class PlainCache:
    """The document's own code: what was read is kept as it comes, whatever was invalidated since the reading began."""

    def __init__(self, read: Read, lifetime: float, clock: Clock, kept: Any = None) -> None:
        self._read = read
        self._kept = TTLCache(MOST, lifetime, timer=clock) if kept is None else kept

    async def get(self, org: Org) -> Rows:
        if rows := self._kept.get(org):
            return rows
        rows = await self._read(org)
        self._kept[org] = rows
        return rows

    def invalidate(self, org: Org) -> None:
        self._kept.pop(org, None)


class Broken(TTLCache):
    """A cache whose server is away, always or while `down`."""

    down = True

    def _fail(self) -> None:
        if self.down:
            raise ConnectionError("the cache is away")

    def get(self, key: Hashable, default: Any = None) -> Any:
        self._fail()
        return super().get(key, default)

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._fail()
        super().__setitem__(key, value)

    def pop(self, key: Hashable, *default: Any) -> Any:
        self._fail()
        return super().pop(key, *default)
