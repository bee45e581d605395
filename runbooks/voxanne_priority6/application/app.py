"""The application's requests and their statements, the old way and the new."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from caches import Cache, Clock, Org, Read, Rows
from psycopg_pool import AsyncConnectionPool

HOUR, MINUTE = 3600.0, 60.0
LIFETIMES = {"services": HOUR, "inbound_config": 5 * MINUTE, "settings": 10 * MINUTE}  # the document's
PAGE = 20
LISTED_USERS = 1000  # listUsers({ perPage: 1000 })
LARGEST_POOL = 20

COUNTED = (
    "select /* aside: orgs */ org_id, count(*) from call_logs group by org_id order by 2 desc, org_id",
    "select /* aside: orgs */ org_id, count(*) from agents group by org_id order by 2 desc, org_id",
)
# The marker stands behind the first word: a server from 18 on leaves out a comment that goes before it.
SQL = {
    "services": """
        select /* application: services */ id, name, price from services where org_id = %s order by created_at, id""",
    "inbound_config": """
        select /* application: inbound_config */ agent_id, greeting from inbound_agent_config where org_id = %s""",
    "settings": """
        select /* application: settings */ settings from organizations where id = %s""",
    "agents": """
        select /* application: agent_list */ id, user_id, name from agents where org_id = %s order by created_at, id""",
    "user": """
        select /* application: agent_list */ id, email, full_name from users where id = %s""",
    "users": """
        select /* application: agent_list */ id, email, full_name from users order by created_at desc, id limit %s""",
    "own_users": """
        select /* application: agent_list */ id, email, full_name from users where id = any(%s)""",
    "all_inbound": """
        select /* application: dashboard */ id, phone_number, status, duration_seconds, created_at
        from call_logs where org_id = %s""",
    "all_outbound": """
        select /* application: dashboard */ id, phone_number, status, duration_seconds, created_at
        from outbound_calls where org_id = %s""",
    "some_inbound": """
        select /* application: dashboard */ id, phone_number, status, duration_seconds, created_at
        from call_logs where org_id = %s order by created_at desc, id desc limit %s""",
    "some_outbound": """
        select /* application: dashboard */ id, phone_number, status, duration_seconds, created_at
        from outbound_calls where org_id = %s order by created_at desc, id desc limit %s""",
}
WRITTEN = {
    "services": """
        update /* application: write */ services set price = price + 1 where org_id = %s""",
    "inbound_config": """
        update /* application: write */ inbound_agent_config set greeting = greeting || '!' where org_id = %s""",
    "settings": """
        update /* application: write */ organizations set settings = settings || '{"tried": true}' where id = %s""",
}


def aside(sql: str) -> str:
    """A statement as it is sent beside the scenario: of another shape, so that the server counts it apart.

    >>> aside("select /* application: services */ id from services")
    'select 1, /* aside: services */ id from services'
    """
    return sql.replace("/* application:", "1, /* aside:")


class Application:
    """The requests, the old way or the new, over a pool of connections; `shaped` gives each statement its shape."""

    def __init__(self, pool: AsyncConnectionPool, *, new: bool, shaped: Callable[[str], str] = str) -> None:
        self.clock = Clock()
        self.sent = 0
        self._pool = pool
        self._new = new
        self._shaped = shaped
        self.caches = {kind: Cache(self._reader(kind), LIFETIMES[kind], self.clock) for kind in LIFETIMES}

    async def ask(self, name: str, *values: object) -> Rows:
        self.sent += 1
        async with self._pool.connection() as connection:
            return await (await connection.execute(self._shaped(SQL[name]), values)).fetchall()

    def _reader(self, kind: str) -> Read:
        return lambda org: self.ask(kind, org)

    async def _cached(self, kind: str, org: Org) -> Rows:
        return await (self.caches[kind].get(org) if self._new else self.ask(kind, org))

    async def services(self, org: Org) -> Rows:
        """The prices, for lead scoring and pipeline value."""
        return await self._cached("services", org)

    async def inbound_config(self, org: Org) -> Rows:
        """What an incoming call is answered with."""
        return await self._cached("inbound_config", org)

    async def settings(self, org: Org) -> Rows:
        """The integration settings, for webhooks, API calls and dashboards."""
        return await self._cached("settings", org)

    async def agent_list(self, org: Org) -> Rows:
        """The agents with their users' names: each asked for (all at once, as Promise.all does), or out of one list."""
        agents = await self.ask("agents", org)
        if self._new:
            users = await self.ask("users", LISTED_USERS)
        else:
            users = [row for rows in await asyncio.gather(*(self.ask("user", a[-2]) for a in agents)) for row in rows]
        return self._named(agents, users)

    async def agent_list_by_id(self, org: Org) -> Rows:
        """The same in two queries that fetch the agents' own users alone; not what the document does."""
        agents = await self.ask("agents", org)
        return self._named(agents, await self.ask("own_users", [a[-2] for a in agents]))

    def _named(self, agents: Rows, users: Rows) -> Rows:
        by_id = {u[-3]: u for u in users}
        return [(a[-1], by_id[a[-2]][-2:] if a[-2] in by_id else None) for a in agents]

    async def dashboard(self, org: Org) -> Rows:
        """The first page of the calls of both kinds: cut out of all of them, or of twice its length of each kind."""
        if self._new:
            inbound = await self.ask("some_inbound", org, 2 * PAGE)
            outbound = await self.ask("some_outbound", org, 2 * PAGE)
        else:
            inbound, outbound = await self.ask("all_inbound", org), await self.ask("all_outbound", org)
        return sorted(inbound + outbound, key=lambda row: (row[-1], row[-5]), reverse=True)[:PAGE]

    async def write(self, kind: str, org: Org) -> None:
        """A change of what is cached, taken back at once; the cache can't know that it was."""
        async with self._pool.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute(self._shaped(WRITTEN[kind]), [org])
        self.caches[kind].invalidate(org)


class Orgs:
    """The organisations, the busiest first, and how much of all calls is theirs."""

    def __init__(self, calls: Rows, agents: Rows) -> None:
        self.all = [org for org, _ in calls]
        self.weights = [count for _, count in calls]
        counts = dict(agents)
        self.of_ten = min(self.all, key=lambda org: (abs(counts.get(org, 0) - 10), str(org)))
        self.of_most = max(self.all, key=lambda org: (counts.get(org, 0), str(org)))

    @classmethod
    async def found(cls, pool: AsyncConnectionPool) -> Orgs:
        async with pool.connection() as connection:
            calls, agents = [await (await connection.execute(sql)).fetchall() for sql in COUNTED]
        return cls(calls, agents)

    def drawn(self, chance: random.Random) -> Org:
        return chance.choices(self.all, self.weights)[0]


@contextlib.asynccontextmanager
async def a_pool(name: str, idle_s: float) -> AsyncIterator[AsyncConnectionPool]:
    """Connections as an application has them: one at least, more when they are needed, fewer when they were not."""
    async with AsyncConnectionPool(
        min_size=1,
        max_size=LARGEST_POOL,
        max_idle=idle_s,
        kwargs={"autocommit": True, "application_name": name},
        open=False,
    ) as pool:
        await pool.wait()
        yield pool
