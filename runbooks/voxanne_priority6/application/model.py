"""A model of the application: the document's requests, the old way or the new, and what it promises of its caches.

    python model.py old|new         with PGHOST, PGDATABASE, … set; prints one JSON document

The scenario is a few hours of the whole platform, compressed: requests come when they would come, an hour of theirs in
a second or so of ours, and the caches' clock is the scenario's. Both ways get the same requests. Each write is rolled
back, so that nothing stays. Beside the scenario, in statements of another shape, which the server counts apart
(trials.py): single requests, for their times; an organisation with the document's rates for itself alone; and, the new
way, what becomes of the caches under writes, in two instances, and when they fail.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import trials
from app import HOUR, LIFETIMES, MINUTE, Application, Orgs, a_pool, aside
from caches import Cache, Org
from psycopg import Error

HOURS = 4
BUSY_HOURS = 2  # of one organisation by itself
SECONDS_AN_HOUR = 1.2  # of ours: an hour of the scenario is compressed into so many
# what the whole platform does in an hour; the numbers are the document's where it has one
PRICING = 50  # "~50+ queries/hour"
CALLS = 200  # "potentially hundreds per hour"
DASHBOARDS = 6
AGENT_LISTS = 20
WRITES = 2  # of each thing that is cached; "configs change infrequently"
POOL_IDLE = 10 * MINUTE  # of the scenario: psycopg_pool's own default


def scenario(orgs: Orgs) -> list[tuple[float, str, Org]]:
    """What comes when and from whom, in order; always the same."""
    chance = random.Random(1)  # noqa: S311  always the same is what is wanted
    found = []
    for kind, an_hour in {"pricing": PRICING, "call": CALLS, "dashboard": DASHBOARDS, "agents": AGENT_LISTS}.items():
        for _ in range(HOURS * an_hour):
            org = orgs.of_ten if kind == "agents" else orgs.drawn(chance)
            found.append((chance.uniform(0, HOURS * HOUR), kind, org))
    for kind in LIFETIMES:
        found += [(chance.uniform(0, HOURS * HOUR), f"write {kind}", orgs.drawn(chance)) for _ in range(HOURS * WRITES)]
    return sorted(found, key=lambda event: event[0])


# a call's webhook is verified and its routing looked up; who opens a page has the settings read for it
REQUESTS = {
    "pricing": ("services",),
    "call": ("settings", "inbound_config"),
    "dashboard": ("settings", "dashboard"),
    "agents": ("settings", "agent_list"),
}


class Played:
    """What a scenario came to: the times of its requests by kind in ms, and the errors."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {k: [] for kinds in REQUESTS.values() for k in kinds}
        self.errors: Counter[str] = Counter()
        self.late = 0.0

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind, "count": len(times) + self.errors[kind], "p50_ms": quantile(times, 0.5),
                "p95_ms": quantile(times, 0.95), "errors": self.errors[kind],
            }
            for kind, times in self.ms.items()
        ]  # fmt: skip


async def play(application: Application, events: Sequence[tuple[float, str, Org]]) -> Played:
    """Send the requests when they come, whether or not those before are answered."""
    played = Played()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for at, kind, org in events:
            due = began + at / HOUR * SECONDS_AN_HOUR
            await asyncio.sleep(max(0, due - time.perf_counter()))
            played.late = max(played.late, time.perf_counter() - due)
            application.clock.now = at
            group.create_task(serve(application, played, kind, org))
    return played


async def serve(application: Application, played: Played, kind: str, org: Org) -> None:
    if kind.startswith("write "):
        await application.write(kind.removeprefix("write "), org)
        return
    for request in REQUESTS[kind]:
        began = time.perf_counter()
        try:
            await getattr(application, request)(org)
        except Error:
            played.errors[request] += 1
        else:
            played.ms[request].append(1000 * (time.perf_counter() - began))


async def main(way: str) -> dict[str, Any]:
    new = way == "new"
    name = os.environ.get("PGAPPNAME", "application")
    idle = POOL_IDLE / HOUR * SECONDS_AN_HOUR
    async with a_pool(f"{name} aside", idle) as pool:
        orgs = await Orgs.found(pool)
    async with a_pool(name, idle) as pool:
        application = Application(pool, new=new)
        played = await play(application, scenario(orgs))
    metrics: dict[str, float] = {
        "hours": HOURS,
        "scenario.organisations": len(orgs.all),
        "scenario.late_ms": round(1000 * played.late, 1),
    }
    if new:
        metrics |= told_by(application.caches)
    async with a_pool(f"{name} aside", idle) as pool:
        metrics |= await trials.one_after_another(Application(pool, new=new, shaped=aside), orgs)
        rates = {"services": PRICING, "inbound_config": CALLS, "settings": CALLS}
        busy = Application(pool, new=new, shaped=aside)
        metrics |= await trials.busy_organisation(busy, orgs.all[0], rates, BUSY_HOURS)
        if new:
            metrics |= await trials.of_caches(pool, orgs)
    said = {name: " ".join(text.split()) for name, text in notes().items()}
    return {"metrics": metrics, "notes": said, "requests": played.as_json()}


def told_by(caches: Mapping[str, Cache]) -> dict[str, float]:
    """The share of reads that the caches answered, and how long those took."""
    hit_ms = [ms for cache in caches.values() for ms in cache.hit_ms]
    times = {"p95": quantile(hit_ms, 0.95), "p99": quantile(hit_ms, 0.99), "longest": quantile(hit_ms, 1)}
    return {f"{kind}.hit_percent": cache.hit_percent for kind, cache in caches.items()} | {
        f"cached.{name}_ms": ms for name, ms in times.items() if ms is not None
    }


def notes() -> dict[str, str]:
    """What has to be known of the figures."""
    return {
        "time": f"""{HOURS} hours in {HOURS * SECONDS_AN_HOUR:.1f} s. The caches' clock is the scenario's, so that
            numbers of statements and hits are those of real time. That so many requests come at once is not so:
            connections can be compared with each other, old and new, and with nothing else. The pool lets an idle
            connection go after {POOL_IDLE / MINUTE:.0f} minutes of the scenario. Where requests are sent late (at worst
            by scenario.late_ms), the machine could not keep up, and even that comparison limps.""",
        "requests": f"""The whole platform's in an hour: {PRICING} times prices and {CALLS} incoming calls, as the
            document has it; {DASHBOARDS} dashboards, {AGENT_LISTS} agent lists of ten, {WRITES} writes of each thing
            that is cached, which are ours. Who asks is drawn by the organisations' shares of all calls. Each call,
            dashboard and agent list reads the settings first. That calls are written is left out: it is the same in
            both ways.""",
        "busy_organisation": f"""The same numbers taken for those of one organisation: {PRICING} times prices and
            {CALLS} calls in an hour of its own, for {BUSY_HOURS} hours.""",
        "alone": "Medians of requests one after another, with no other about; a socket is all the network there is.",
        "stale": f"""Reads that follow {trials.TRIES} writes; every second write comes while a reading is under way,
            whose answer arrives after it. "As printed" is the document's getCached, read, setCached; the other one,
            which the requests use, keeps no answer that is older than the last invalidation. In two instances: a write
            through the one, a read through the other. Each write is rolled back.""",
    }


def quantile(values: Sequence[float], q: float) -> float | None:
    """The nearest-rank quantile; None of nothing.

    >>> quantile([3.0, 1.0, 2.0, 4.0], 0.5), quantile([], 0.5)
    (2.0, None)
    """
    ordered = sorted(values)
    return round(ordered[max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1)], 4) if ordered else None


if __name__ == "__main__":
    if sys.argv[1:] not in (["old"], ["new"]):
        sys.exit(f"usage: {sys.argv[0]} old|new")
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
