"""A month after a change: real statements on a real server between looks, at the times that the document asks for.

Only the looks' clock is given. What goes wrong meanwhile is found, each at the first look that could see it, and nothing
else is.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fix_databases import Place, made
from fix_project import Project
from fix_servers import Server
from pgrunbook import from_cron, stages
from pgrunbook.findings import Verdict
from pgrunbook.monitor import questions
from pgrunbook.stages import Parameters, monitor

MIGRATE = """
create index orders_customer on orders (customer);
create index orders_note on orders (note);
create index tickets_owner on tickets (owner);
"""
QUERIES = {
    "by_customer": (
        "select 7 as customer",
        "select id, total from orders where customer = :'customer'::int order by id",
    ),
    "by_owner": ("select 7 as owner", "select count(filler) from tickets where owner = :'owner'::int"),
    "of_owners": (
        "select 70 as owner",
        "select count(*) from tickets where owner between :'owner'::int and :'owner'::int + 1",
    ),
}
TOML = """
live = true
[limits]
samples = 3
[monitor]
slower_ms = 1  # a fast machine reads a whole table here in less than the usual 2
"""
CALLS = 20
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST_DAY = [0 * HOUR, 1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR]
FIRST_WEEK = [n * DAY for n in range(2, 8)]
FIRST_MONTH = [14 * DAY, 21 * DAY, 28 * DAY]


@pytest.fixture
def shop(mortal: Server) -> Iterator[Place]:
    """Orders, tickets and events on a server that counts statements and may be stopped."""
    with psycopg.connect(mortal.dsn, autocommit=True) as admin:
        admin.execute("alter system set shared_preload_libraries = 'pg_stat_statements'")
    mortal.crash()
    mortal.start()
    with made(mortal.dsn) as place:
        place.run(
            "create extension pg_stat_statements",
            "create table orders (id int primary key, customer int, note text, total int, filler text)",
            "insert into orders select i, i % 4000, 'n' || i, i, repeat('x', 80) from generate_series(1, 80000) i",
            "create table tickets (id int primary key, owner int, filler text)",
            "insert into tickets select i, i % 2000, repeat('x', 80) from generate_series(1, 80000) i",
            "create table events (id int, filler text)",
            "insert into events select i, repeat('x', 80) from generate_series(1, 12000) i",
            "vacuum analyze",
        )
        yield place
    with psycopg.connect(mortal.dsn, autocommit=True) as admin:
        admin.execute("alter system reset shared_preload_libraries")


def work(place: Place) -> None:
    """The application: each query as often as a time needs, with bound values and with constants."""
    with place.session() as session:
        cursor = psycopg.RawCursor(session)
        for n in range(CALLS):
            for bind, text in QUERIES.values():
                _, value, _, column = bind.split()
                cursor.execute(
                    text.replace(f":'{column}'", "$1" if n % 2 else f"'{value}'"), [value] if n % 2 else None
                )
                cursor.fetchall()
        session.execute("insert into events select i, repeat('x', 80) from generate_series(1, 50) i")
        session.execute("select pg_stat_force_next_flush()")


def restart(server: Server) -> None:
    """As an administrator does it: the counters outlive it."""
    pidfile = server.folder / "data" / "postmaster.pid"
    os.kill(int(pidfile.read_text().split()[0]), signal.SIGINT)
    while pidfile.exists():
        time.sleep(0.01)
    server.start()


def test_month_after_a_change__each_fault_is_found_at_its_snapshot_and_nothing_else(
    project: Project, shop: Place, mortal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first day by the hour, the first week by the day, the first month by the week."""
    monkeypatch.setattr(questions, "_BUDGET_S", 60)  # a look at a busy machine may have no time left for a plan
    files = {
        f"workload/{name}.sql": f'/*---\ntitle = "{name}"\n[binds]\ncommon = "{bind}"\n---*/\n{text}\n'
        for name, (bind, text) in QUERIES.items()
    }
    project.runbook("shop", MIGRATE, TOML, files)
    run_id = project.forward("shop", shop.target)
    project.stage("verify", "shop", shop.target, run_id=run_id)
    begin = datetime.now(UTC).replace(microsecond=0) - 28 * DAY - HOUR
    happens: dict[timedelta, Callable[[], object]] = {
        16 * HOUR: lambda: restart(mortal),
        3 * DAY: lambda: shop.run("drop index orders_customer"),
        4 * DAY: lambda: shop.run("select pg_stat_reset()", "select pg_stat_statements_reset()"),
        5 * DAY: lambda: shop.run("update tickets set owner = 7 where id % 5 < 3", "analyze tickets"),
        14 * DAY: lambda: shop.run(
            "insert into events select i, repeat('x', 80) from generate_series(1, 120000) i", "analyze events"
        ),
        21 * DAY: lambda: shop.run("create index orders_customer on orders (customer)"),
    }
    expected = {
        ("slower", "by_customer"): (3 * DAY, 14 * DAY),
        ("plan", "by_customer, common"): (3 * DAY, 14 * DAY),
        ("index", "public.orders_customer"): (3 * DAY, 14 * DAY),
        ("slower", "by_owner"): (5 * DAY, 28 * DAY),
        ("plan", "by_owner, common"): (5 * DAY, 28 * DAY),
        ("unused", "public.orders_note"): (7 * DAY, 28 * DAY),
        ("growth", "public.events"): (14 * DAY, 28 * DAY),
    }
    since = {key: when for key, (when, _) in expected.items()} | {("unused", "public.orders_note"): 0 * DAY}
    snapshots: dict[timedelta, int] = {}
    for number, after in enumerate(FIRST_DAY + FIRST_WEEK + FIRST_MONTH, 1):
        happens.get(after, lambda: None)()
        work(shop)
        stage = stages.STAGES["monitor"].parameters(runbook="shop", target=shop.target, run_id="looks", of_run=run_id)
        session = stages.open_stage("monitor", stage)
        with session.connect("ledger") as writing:
            taken = monitor.take(session, session.database, writing, begin + after)
        snapshots[after] = number
        found = monitor.watch(session)
        session.close()
        assert [s.what for s in taken if s.what.startswith("not seen")] == ["not seen: policy errors"], taken
        assert {(f.kind, f.object): (f.since, f.snapshot) for f in found.findings} == {
            key: (begin + since[key], snapshots[since[key]])
            for key, (first, last) in expected.items()
            if first <= after <= last
        }, (after, found.findings)
    assert [(m.what, m.at - begin) for m in found.course.marks] == [
        ("server restarted", 16 * HOUR),
        ("statistics reset", 4 * DAY),
        ("statistics of statements reset", 4 * DAY),
    ]
    work(shop)
    outcome = from_cron.monitor(Parameters(runbook="shop", target=shop.target))
    assert (outcome.verdict, outcome.exit_status, outcome.run_id) == (Verdict.FAILED, 10, run_id)
    line = outcome.line()
    assert "\n" not in line
    told = f"since snapshot {snapshots[5 * DAY]} of {begin + 5 * DAY:%Y-%m-%d %H:%M} UTC"
    assert "slower by_owner: " in line
    assert told in line
    assert "Seq Scan tickets" in line
    assert "tickets_owner → Seq Scan tickets" in line
    assert "by_customer" not in line
