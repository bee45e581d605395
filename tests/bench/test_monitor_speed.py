"""A look at a large database, and a long course of looks."""

from __future__ import annotations

import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from fix_databases import Place
from pgrunbook import plan, sqlfile
from pgrunbook.description import Monitor
from pgrunbook.ledger import Ledger
from pgrunbook.measure.workload import BindSet
from pgrunbook.monitor import chart, compare, keep
from pgrunbook.monitor import course as courses
from pgrunbook.monitor import look as looking
from pgrunbook.runbook import Query

TABLES, STATEMENTS = 10_000, 5_000
LOOK_S, SNAPSHOTS, COURSE_S, MEMORY_MB = 2.0, 10_000, 5.0, 120
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MAKE = """
do $$ begin
  for n in {0} .. {0} + 249 loop
    execute format('create table w%s (id int primary key, a int, b text)', n);
    execute format('create index w%s_a on w%s (a)', n, n);
  end loop;
end $$
"""


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_look_at_ten_thousand_tables_and_five_thousand_statements__takes_at_most_two_seconds(database: Place) -> None:
    """The look and its row in the ledger, by the wall's clock, of which the server's time is a part."""
    database.run("create extension pg_stat_statements")
    for first in range(0, TABLES, 250):
        database.run(MAKE.format(first))
    with database.session() as session:
        session.execute("insert into w1 select i, i % 100, 'x' from generate_series(1, 20000) i")
        for n in range(STATEMENTS):
            session.execute(f"select a as a{n} from w{n} where id = 1")
        session.execute("analyze w1")
    (number,) = database.run("select count(*) from pg_stat_statements")[0]
    workload = [
        Query(
            f"q{n}", "", sqlfile.split(f"select count(*) from w{n} where a = :'a'::int", variables=True), "", (), 1, {}
        )
        for n in range(12)
    ]
    binds = {q.name: [BindSet(f"common {n}", {"a": str(n)}) for n in range(7)] for q in workload}
    took = []
    with database.connect(read_only=True) as reading, database.connect() as writing:
        ledger = Ledger(writing, "pgrunbook")
        keep.prepare(writing, ledger)
        for _ in range(5):
            started = time.perf_counter()
            watching = looking.Watching(
                plan.identify(reading),
                ["public"],
                workload=workload,
                binds=binds,
                texts=keep.texts(writing, "pgrunbook"),
            )
            found = looking.look(reading, watching)
            keep.keep(writing, ledger, "wide", "", found, Monitor())
            took.append(time.perf_counter() - started)
    print(f"\n{TABLES:,} tables, {number:,} statements: {[round(t, 2) for t in took]} s, limit {LOOK_S} s; ", end="")
    print(f"{len(found.plans)} plans, {len(found.tables)} tables, {len(found.indexes)} indexes", end="")
    assert len(found.plans) == 84
    assert max(took) <= LOOK_S


def snapshots(place: Place, number: int) -> None:
    """So many snapshots, as wide as they get: 30 statements, 40 tables, 120 indexes, 40 plans."""
    place.run(
        "insert into pgrunbook.watched (kind, name, says)"
        " select 'statement', 's' || i, 'select ' || i from generate_series(1, 30) i"
        " union all select 'table', 'public.t' || i, '' from generate_series(1, 40) i"
        " union all select 'index', 'public.i' || i, 'public.t' || i % 40 + 1 from generate_series(1, 120) i"
        " union all select 'question', 'q' || i || ', common', 'q' || i from generate_series(1, 40) i"
        " union all select 'plan', 'Index Scan i' || i, '' from generate_series(1, 40) i",
        """
        with ids as (
          select kind, array_agg(id order by id) as id from pgrunbook.watched group by kind
        )
        insert into pgrunbook.snapshot (
          runbook, run_id, taken_at, system_identifier, version, server_started, commits, rollbacks, blocks_hit, blocks_read,
          temp_bytes, deadlocks, conflicts, database_bytes, connections, waiting, statements, statement_calls, statement_ms,
          statement_squares, tables, table_bytes, table_rows, table_writes, indexes, index_bytes, index_scans, index_probes,
          index_valid, index_needed, questions, plans, plan_cost
        )
        select
          'long', 'r', '2026-03-01Z'::timestamptz + n * interval '5 minutes', '1', 180006,
          '2026-01-01Z'::timestamptz + n / 2000 * interval '1 day', n * 1000, n, n * 100000, n * 100, 0, 0, 0, n * 8192, 5, 0,
          (select id from ids where kind = 'statement'),
          array(select n * (100 + i) from generate_series(1, 30) i),
          array(select n * (100 + i) * 1.5 + random() * 50 from generate_series(1, 30) i),
          array(select n * (100.0 + i) * 2 from generate_series(1, 30) i),
          (select id from ids where kind = 'table'),
          array(select 8192 * (n + i) from generate_series(1, 40) i),
          array(select n + i from generate_series(1, 40) i),
          array(select n + i from generate_series(1, 40) i),
          (select id from ids where kind = 'index'),
          array(select 8192 * (n + i) from generate_series(1, 120) i),
          array(select n * i from generate_series(1, 120) i),
          array_fill(0::int8, array[120]), array_fill(true, array[120]), array_fill(false, array[120]),
          (select id from ids where kind = 'question'), (select id from ids where kind = 'plan'),
          array(select 10.0 + i from generate_series(1, 40) i)
        from generate_series(1, %s) n
        """.replace("%s", str(number)),
        "analyze",
    )


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_ten_thousand_snapshots__are_compared_and_drawn_in_five_seconds_and_little_memory(database: Place) -> None:
    """As many as five weeks of a look every five minutes."""
    with database.connect() as session:
        keep.prepare(session, Ledger(session, "pgrunbook"))
        snapshots(database, SNAPSHOTS)
        (size,) = database.run("select pg_total_relation_size('pgrunbook.snapshot') / 1048576")[0]
        about = Monitor()
        for measured in (False, True):
            if measured:
                tracemalloc.start()
            started = time.perf_counter()
            found = courses.load(session, "pgrunbook", "long", "r")
            times = compare.times(found, ["q1"], about)
            tables = compare.tables(found, about)
            plans = compare.plans(found, {})
            indexes = compare.indexes(found, ["public.i1"], about)
            findings = [
                *compare.slower(times, plans), *compare.flipped(plans), *compare.lost(indexes), *compare.grown(tables),
                *compare.ailing(compare.health(found, about)),
            ]  # fmt: skip
            drawn = chart.draw(found, times, tables)
            if not measured:
                took = time.perf_counter() - started
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        started = time.perf_counter()
        wide = looking.look(session, looking.Watching(plan.identify(session), ["public"]))
        keep.keep(session, Ledger(session, "pgrunbook"), "long", "r", wide, about, BEGIN + timedelta(days=35))
        written = time.perf_counter() - started
    print(
        f"\n{found.snapshots:,} snapshots, {size} MB, {len(found.points)} read: {took:.2f} s, limit {COURSE_S} s; ",
        end="",
    )
    print(f"{peak:.0f} MB of memory; {len(drawn) / 1024:.0f} kB of picture; a look among them {written:.2f} s", end="")
    assert found.snapshots == SNAPSHOTS
    assert findings == []
    assert took <= COURSE_S
    assert peak <= MEMORY_MB
    assert written <= LOOK_S
