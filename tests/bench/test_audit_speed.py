"""The audit of a large database: 10,000 tables, 50,000 indexes, 5,000 statements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fix_databases import Place, made
from planting.build import quiet

TABLES, SCHEMAS, STATEMENTS = 10_000, 20, 4_950  # the server remembers 5,000, and forgets many at once when it has them
LIMIT_S, LIMIT_MB = 15.0, 300.0
BATCH = 100  # tables a transaction: the locks of more don't fit into the server's table of locks

# Five indexes a table, among them duplicates, prefixes, and a foreign key with or without its own.
MAKE = """
create procedure make(first int, last int) language plpgsql as $make$
declare
  s text;
begin
  for i in first..last loop
    s := format('s%s.t%s', i % 20, i);
    execute format('create table %s (id bigint primary key, parent bigint, token text, state text, at timestamptz, n int)', s);
    execute format('insert into %s select i, 1 + i %% 50, md5(i::text), i %% 3, now() - interval ''1 day'' * i, i from generate_series(1, 150) i', s);
    execute format('create index on %s (at)', s);
    execute format('create index on %s (state, at)', s);
    execute format('create index on %s (%s)', s, case when i % 10 = 0 then 'at' else 'n' end);
    execute format('create index on %s (%s)', s, case when i % 2 = 0 then 'parent' else 'token' end);
    if i > 20 then
      execute format('alter table %s add foreign key (parent) references s%s.t%s', s, (i - 20) % 20, i - 20);
    end if;
    if i % 10 = 0 then
      execute format('create policy own on %s using (n = current_setting(''app.id'')::int)', s);
      execute format('alter table %s enable row level security', s);
    end if;
    if i % 100 = 0 then
      commit;
    end if;
  end loop;
end $make$
"""
# One process, as fresh as a kernel: what it took, lint by lint, the most memory that it ever held, and the processors'
# time of the process and its backend, which tells a slow audit from a busy machine.
AUDIT = """
import json, resource, sys, time
import psutil
from pgrunbook import db
from pgrunbook.audit import Facts, growth, lints, look, policies, statements
took, failed, findings = {}, {}, 0
def timed(name, work):
    started = time.perf_counter()
    result = work()
    took[name] = time.perf_counter() - started
    return result
with db.connect(db.parse_target(sys.argv[1]), search_path=["public"], read_only=True) as session:
    known, predicates, _, _ = timed("facts: statements", lambda: statements.read(session))
    rules, _ = timed("facts: policies", lambda: policies.read(session))
    rates, _ = timed("facts: growth", lambda: growth.read(session, []))
    facts = Facts(known, predicates, rules, rates)
    for outcome in look(session, lints(), facts, timeout_s=30):
        took[outcome.lint.name] = outcome.seconds
        findings += len(outcome.findings)
        if outcome.failed:
            failed[outcome.lint.name] = outcome.failed
    worked = sum(sum(p.cpu_times()[:2]) for p in (psutil.Process(), psutil.Process(session.backend_pid)))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"took": took, "failed": failed, "findings": findings, "statements": len(known), "peak_mb": peak, "worked": worked}))
"""


def statement(number: int) -> str:
    """One of several shapes, each over a table of its own."""
    table, parent = f"s{number % SCHEMAS}.t{number}", f"s{(number - 20) % SCHEMAS}.t{number - 20}"
    return (
        f"select id, token from {table} where token = 'a' and state = '1' order by at desc limit 10",
        # the aliases differ, since from 18 a statement's id is made of those, not of the tables behind them
        f"select c{number}.id, p.token from {table} c{number} join {parent} p on p.id = c{number}.parent where c{number}.n > 3",
        f"update {table} set state = '2' where token = 'c'",
        f"select * from {table} where parent in (1, 2) and at > '2025-01-01'",
        f"select state, count(*) from {table} where lower(token) like 'd%' group by state",
    )[number % 5]


@pytest.fixture
def large(server: str) -> Iterator[Place]:
    """The database, its statistics and its statements."""
    with made(server) as place:
        with place.session() as session:
            quiet(session)
            session.execute("create extension pg_stat_statements")
            session.execute("select pg_stat_statements_reset()")
            for number in range(SCHEMAS):
                session.execute(f"create schema s{number}")
            session.execute(MAKE)
            session.execute(f"call make(1, {TABLES})")
            session.execute("analyze")
        with place.session() as session:
            session.execute("set pg_stat_statements.track_utility = off")
            for start in range(21, 21 + STATEMENTS, BATCH):
                last = min(start + BATCH, 21 + STATEMENTS)
                session.execute("; ".join(map(statement, range(start, last))))
        yield place


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_audit_of_ten_thousand_tables__takes_seconds_and_little_memory(large: Place) -> None:
    """All facts and lints in one fresh process: at most 15 s, below 300 MB, and no lint fails."""
    with large.session() as session:
        quiet(session)
        tables, indexes = session.execute(
            "select count(*) filter (where relkind = 'r'), count(*) filter (where relkind = 'i') from pg_class"
            " where relnamespace::regnamespace::text like 's%'"
        ).fetchone()
    done = subprocess.run([sys.executable, "-c", AUDIT, large.target], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    total = sum(told["took"].values())
    print(f"\n{tables:,} tables, {indexes:,} indexes, {told['statements']:,} statements, {told['findings']:,} findings")
    for name, seconds in sorted(told["took"].items(), key=lambda item: -item[1]):
        print(f"{name:30} {seconds:7.3f} s")
    print(f"{'all':30} {total:7.3f} s, limit {LIMIT_S} s; {told['peak_mb']:.0f} MB, limit {LIMIT_MB:.0f} MB")
    print(
        f"processors' time {told['worked']:.1f} s; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    assert not told["failed"], told["failed"]
    assert tables >= TABLES
    assert indexes >= 5 * TABLES
    assert told["statements"] >= 0.95 * 5_000
    assert total <= LIMIT_S
    assert told["peak_mb"] < LIMIT_MB
