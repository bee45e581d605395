"""A world is made real: tables and rows, failed builds, statements that are run, counters that are flushed."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg

from fix_databases import Place
from pgrunbook.sqlfile import quoted
from planting import capacity, filters, foreign_keys, indexes, security, statements, waste
from planting._registry import DECOYS, DEFECTS, Plant
from planting.world import Defect, Remark, Truth, Work, World

MODULES = (foreign_keys, indexes, waste, filters, security, statements, capacity)  # each registers its plants
_QUIET = (
    "set client_min_messages = error",
    "set synchronous_commit = off",
    "set pg_stat_statements.track = 'none'",  # what the building itself does is no workload
)
_WANTED_SHARE = 0.33

# Reads one index of a table: the others are out of the way for as long as that takes. An index's counter is not
# transactional, so it stays when the rest is rolled back.
_READ = """
create or replace function pg_temp.read(wanted regclass, query text) returns void language plpgsql as $$
declare
  family oid[] := array(select relid from pg_partition_tree(wanted) union select wanted);
begin
  update pg_index i set indisvalid = false
    where i.indexrelid <> all (family) and i.indisvalid
      and i.indrelid in (select m.indrelid from pg_index m where m.indexrelid = any (family));
  execute query;
  raise sqlstate 'ZZ000';
exception when sqlstate 'ZZ000' then null;
end $$
"""
_NEVER_READ = """
select format('%I.%I', n.nspname, c.relname)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('i', 'I') and not c.relispartition
  and coalesce(pg_stat_get_numscans(c.oid), 0) = 0
  and not exists (select from pg_partition_tree(c.oid) t where pg_stat_get_numscans(t.relid) > 0)
"""
_OWN = "(select oid from pg_database where datname = current_database())"
# The share of all the time, and of the time of what was not called from within another statement.
_SHARES = f"""
with own as (
  select * from pg_stat_statements where dbid = {_OWN}
)
select queryid, sum(calls)::int, (sum(total_exec_time) / sum(calls))::float8,
  (sum(total_exec_time) / (select sum(total_exec_time) from own))::float8,
  coalesce(sum(total_exec_time) filter (where toplevel) / (select sum(total_exec_time) from own where toplevel), 0)::float8
from own group by 1
"""


def imagine(seed: int, suffix: str, *, few: bool) -> World:
    """Choose what to plant: `few` takes one or two plants of each lint, else most of them are taken."""
    world = World(seed, suffix)
    rng = random.Random(f"plants {seed}")  # noqa: S311  no secret
    world.measures_bloat = few or rng.random() < 0.7
    chosen: list[Plant] = []
    for lint in sorted(DEFECTS.keys() | DECOYS.keys()):
        for plants in (DEFECTS.get(lint, []), DECOYS.get(lint, [])):
            most = len(plants) if not few else min(len(plants), 2)
            least = min(len(plants), max(1, round(0.5 * most)))
            chosen += rng.sample(plants, rng.randint(least, most) if most else 0)
    rng.shuffle(chosen)
    for plant in chosen:
        plant(world)
    return world


def build(world: World, place: Place) -> Truth:
    """Make everything, in an empty database; when this returns, the counters tell of it."""
    with place.session() as session:
        quiet(session)
        session.execute("create extension pg_stat_statements")
        if world.measures_bloat:
            session.execute("create extension pgstattuple")
        run(session, (f"create schema {quoted(s)}" for s in world.schemas if s != "public"))
        run(session, (f"create role {role} {options}" for role, options in world.roles.items()))
        run(session, world.first)
        run(session, (statement for table in world.tables for statement in table.create()))
        run(session, (index.create() for index in world.indexes))
        run(session, world.foreign)
        run(session, world.last)
        run(session, world.failing, fails=True)
        settle(session, but=[table.sql for table in world.tables if not table.analysed])
        run(session, world.counted)
        prepare_reading(session)
        for index in world.indexes:
            if index.read:
                read(session, index.sql, index.reading())
        for work in world.workload:
            work.id = identifier(session, work.sql(0))
        flush(session)
    run_workload(place, world.workload, track=world.rng.choice(("all", "top")), dominant=world.dominant)
    _check(world, place)
    truth = world.truth()
    more = measured(place, truth)
    return Truth(truth.name, [*truth.defects, *more.defects], [*truth.allowed, *more.allowed], truth.decoys)


def forget(place: Place, roles: Iterable[str]) -> None:
    """Drop what outlives the database: roles, and the statements that are remembered."""
    with place.session() as session:
        quiet(session)
        session.execute(f"select pg_stat_statements_reset(0, {_OWN}, 0)")
        for role in roles:
            session.execute(f"drop owned by {role} cascade")
            session.execute(f"drop role {role}")


@contextlib.contextmanager
def alive(world: World, place: Place) -> Iterator[None]:
    """Builds that wait for a lock, and a session with temporary tables, for as long as the audit looks."""
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(place.session())
        quiet(temporary)
        run(temporary, ("create temp table parent (id int primary key)",))
        run(temporary, ("create temp table child (parent int references parent)", "create index on child (parent)"))
        for table, statement in world.held:
            holder = stack.enter_context(place.session())
            quiet(holder)
            run(holder, ("begin", f"lock table {table} in row exclusive mode"))
            builder = stack.enter_context(place.session())
            quiet(builder)
            thread = threading.Thread(target=builder.execute, args=(statement,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(holder.rollback)
        under_way = "select count(*) from pg_stat_progress_create_index where datname = current_database()"
        _until(lambda: temporary.execute(under_way).fetchone() == (len(world.held),))
        yield


def quiet(session: psycopg.Connection) -> None:
    """Keep what a session does out of the workload."""
    run(session, _QUIET)


def run(session: psycopg.Connection, statements: Iterable[str], *, fails: bool = False) -> None:
    """Run statements; those that fail have to."""
    for statement in statements:
        try:
            session.execute(statement)
        except psycopg.Error as error:
            error.add_note(statement)
            if not fails:
                raise
        else:
            assert not fails, f"this had to fail: {statement}"


def flush(session: psycopg.Connection) -> None:
    """Let the statistics tell at once what a session did: by itself it does so a moment after it was closed."""
    run(session, ("set pg_stat_statements.track = 'none'", "select pg_stat_force_next_flush()"))


def settle(session: psycopg.Connection, *, but: Collection[str] = ()) -> None:
    """As if the database had been loaded long ago: counters begin anew, statistics are gathered, `but` of some tables."""
    run(session, ("select pg_stat_force_next_flush()", "select pg_stat_reset()"))
    tables = session.execute(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'm') and not c.relispartition and n.nspname !~ '^pg_|^information_schema$'"
    )
    session.execute(f"analyze {', '.join(name for (name,) in tables if name not in but)}")


def prepare_reading(session: psycopg.Connection) -> None:
    """Let the planner read by index whatever can be read so."""
    run(session, (_READ, "set enable_seqscan = off", "set enable_sort = off", "set enable_incremental_sort = off"))


def read(session: psycopg.Connection, index: str, query: str) -> None:
    """Answer a query by this index alone."""
    session.execute("select pg_temp.read(%s::regclass, %s)", (index, query))


def identifier(session: psycopg.Connection, sql: str) -> int:
    """The id by which pg_stat_statements will know a statement."""
    generic = ", generic_plan" if "$1" in sql else ""
    for (line,) in session.execute(f"explain (verbose{generic}) {sql}"):
        if found := re.search(r"Query Identifier: (-?\d+)", line):
            return int(found[1])
    raise AssertionError(f"no id: {sql}")


def run_workload(place: Place, works: Sequence[Work], *, track: str = "top", dominant: Work | None = None) -> None:
    """Run the workload; what sleeps runs in sessions of its own. `dominant` runs until it has a third of the time."""
    with ThreadPoolExecutor(max_workers=20) as pool:
        aside = [pool.submit(_call, place, [work], track) for work in works if work.aside]
        _call(place, [work for work in works if not work.aside], track)
    for sleeping in aside:
        sleeping.result()
    if dominant and (missing := _missing(dominant, place)) > 0:
        last = dominant.sql(0).replace("pg_sleep(0.5)", f"pg_sleep({missing:.3f})")
        _call(place, [Work(lambda _: last, 1)], track)
        dominant.calls += 1


def _call(place: Place, works: Iterable[Work], track: str) -> None:
    with place.session() as session:
        session.execute(f"set pg_stat_statements.track = '{track}'")
        for work in works:
            if work.bind:
                for k in range(work.calls):
                    result = session.pgconn.exec_params(work.sql(k).encode(), [str(work.bind(k)).encode()])
                    assert not result.error_message, f"{work.sql(k)}: {result.error_message.decode()}"
                continue
            for start in range(0, work.calls, 250):
                run(session, ["; ".join(work.sql(k) for k in range(start, min(start + 250, work.calls)))])
        flush(session)


def _missing(work: Work, place: Place) -> float:
    """Seconds that a statement still needs to have the wanted share of the time."""
    ((own, total),) = place.run(
        "set pg_stat_statements.track = 'none'",
        f"select coalesce(sum(total_exec_time) filter (where queryid = {work.id}), 0)::float8, sum(total_exec_time)::float8"
        f" from pg_stat_statements where dbid = {_OWN}",
    )
    return ((total - own) * _WANTED_SHARE / (1 - _WANTED_SHARE) - own) / 1000


def _check(world: World, place: Place) -> None:
    """Whether the world is as it was imagined: what was to be read is, what was to be run is."""
    with place.session() as session:
        quiet(session)
        never = {name for (name,) in session.execute(_NEVER_READ)}
        wanted = {index.sql for index in world.indexes if index.read}
        assert not wanted & never, f"not read: {wanted & never}"
        unread = {index.sql for index in world.indexes if not index.read}
        assert unread <= never, f"read after all: {unread - never}"
        calls = {id_: calls for id_, calls, *_ in session.execute(_SHARES)}
        for work in world.workload:
            assert calls.get(work.id) == work.calls, f"{calls.get(work.id)} calls, not {work.calls}: {work.sql(0)}"


def measured(place: Place, truth: Truth) -> Truth:
    """What is a matter of arithmetic is told from the numbers: shares of the time, and what a busy machine slowed."""
    planted = {(d.lint, o.id) for d in truth.defects for o in d.objects if isinstance(o, Work)}
    defects, allowed = [], []
    for id_, calls, mean, share, share_of_top in place.run("set pg_stat_statements.track = 'none'", _SHARES):
        if calls >= 5 and mean > 100 and ("query_slow", id_) not in planted:
            allowed.append(Remark("query_slow", f"query {id_}", f"measured: {mean:.0f} ms"))
        if ("query_share", id_) not in planted and min(share, share_of_top) >= 0.21:
            defects.append(Defect("query_share", (f"query {id_}",), f"measured: {share:.3f}"))
        elif max(share, share_of_top) >= 0.19:
            allowed.append(Remark("query_share", f"query {id_}", f"measured: {share:.3f}"))
    return Truth(truth.name, defects, allowed)


def _until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
