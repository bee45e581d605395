"""The workload by many clients at once: real pgbench on a real server."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from fix_databases import Place
from fix_faults import once, until
from fix_project import Project
from pgrunbook import db, errors, sqlfile
from pgrunbook.description import Load
from pgrunbook.findings import Verdict
from pgrunbook.measure import load
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.stages import _load

LOAD = """
live = false
[load]
clients = 4
requests = 5
stages = ["baseline", "migrate", "verify"]
"""
QUERY = """\
/*---
title = "calls of one"
[binds]
common = "select 'it''s 12:30:aid' as a union all select 'b'"
---*/
select count(*) from calls where a = :'a'
"""


@pytest.fixture
def database(database: Place) -> Place:
    """A database with a small table, of which one value holds what pgbench would take for a variable."""
    database.run(
        "create table calls (id int primary key, a text)",
        "insert into calls select g, case when g % 2 = 0 then 'it''s 12:30:aid' else 'b' end from generate_series(1, 200) g",
    )
    return database


def query(sql: str, name: str = "q", role: str = "", weight: float = 1) -> Query:
    return Query(name, "", sqlfile.split(sql, variables=True), "", (), weight, {}, role)


def put(place: Place, folder: Path, *queries: tuple[Query, list[BindSet]], **options: object) -> load.LoadResult:
    """Put a load of these queries on a database."""
    given = {"clients": 3, "requests": 4, **options}
    with load.scripts(folder, queries) as made, place.connect() as watching:
        return load.run("before", made, db.environment(watching), watching, **given)  # type: ignore[arg-type]


def test_load__counts_every_request_by_query_and_leaves_no_script(database: Place, tmp_path: Path) -> None:
    """Values come in as literals, also those that look like pgbench's variables; afterwards the folder is empty."""
    by_value = query("select 1 / count(*)::int from calls where a = :'a'", "by_value", weight=3)
    all_of_them = query("select count(*) from calls", "all_of_them")
    found = put(
        database, tmp_path, (by_value, [BindSet("1", {"a": "it's 12:30:aid"}), BindSet("2", {"a": "b"})]),
        (all_of_them, [BindSet("no parameters", {})]), clients=4, requests=25,
    )  # fmt: skip
    assert (found.requests, found.errors, found.clients) == (100, 0, 4)
    assert sum(q.requests for q in found.queries) == 100
    assert {q.query for q in found.queries} == {"by_value", "all_of_them"}
    assert 0 < found.p50_ms <= found.p95_ms <= found.p99_ms <= found.longest_ms
    assert found.stall_ms is not None
    assert found.connections_allowed == 100
    assert list(tmp_path.iterdir()) == []


def test_client_that_fails__is_an_error_with_the_servers_words_but_no_value(database: Place, tmp_path: Path) -> None:
    """pgbench lets a client stop at its first error; the others go on."""
    secret = query("select :'a'::uuid", "secret")
    found = put(database, tmp_path, (secret, [BindSet("1", {"a": "geheim"})]))
    assert (found.requests, found.errors, found.p95_ms) == (0, 3, None)
    assert "invalid input syntax for type uuid" in found.message
    assert "geheim" not in found.message


def test_clients_that_are_refused__are_all_counted_and_no_load_is_no_success(database: Place, tmp_path: Path) -> None:
    """A limit of connections: pgbench gives up at the first refusal, and who made no request passes nothing."""
    database.run(f"alter database {database.name} connection limit 0")  # a superuser's own sessions are not counted
    role = f"limited_{database.name}"
    database.run(f"create role {role} login")
    try:
        with load.scripts(tmp_path, [(query("select 1"), [BindSet("1", {})])]) as made, database.connect() as watching:
            given = db.environment(watching) | {"PGUSER": role}
            found = load.run("before", made, given, watching, clients=6, requests=2)
    finally:
        database.run(f"drop role {role}")
    assert (found.requests, found.errors) == (0, 6)
    assert "too many connections" in found.message
    (failed,) = [c for c in _load.checks(Load(), found) if c.gates]
    assert failed.verdict is Verdict.FAILED


def test_load_that_is_stopped__keeps_its_figures_and_counts_no_error(database: Place, tmp_path: Path) -> None:
    """The clients are ended on the server; that is ours, not theirs."""
    database.run("create sequence made")
    stop = threading.Event()
    one = query("select nextval('made'), pg_sleep(0.01)")
    # the last request of each of the three clients may not come to its end
    with once(lambda: database.run("select last_value from made")[0][0] > 23, stop.set):
        found = put(database, tmp_path, (one, [BindSet("1", {})]), stop=stop)
    assert found.errors == 0
    assert found.requests > 20
    assert found.seconds > 0
    left = "select count(*) from pg_stat_activity where application_name like 'pgrunbook load%'"
    until(lambda: database.run(left) == [(0,)])  # a backend tells its client before it is gone


def test_load_that_is_stopped_at_once__has_no_figures_and_fails_nothing(database: Place, tmp_path: Path) -> None:
    """What it accompanies was over before a request came to its end."""
    stop = threading.Event()
    stop.set()
    found = put(database, tmp_path, (query("select pg_sleep(60)"), [BindSet("1", {})]), stop=stop)
    assert (found.requests, found.errors, found.p95_ms, found.stall_ms) == (0, 0, None, None)


def test_query_with_a_role__runs_as_that_role(database: Place, tmp_path: Path) -> None:
    """One that may not read gets its error, so nobody measures what the application could not do."""
    role = f"nobody_{database.name}"
    database.run(f"create role {role}")
    try:
        found = put(database, tmp_path, (query("select count(*) from calls", role=role), [BindSet("1", {})]))
    finally:
        database.run(f"drop role {role}")
    assert (found.requests, found.errors) == (0, 3)
    assert "permission denied" in found.message


def test_stages_that_ask_for_it__load_before_during_and_after(project: Project, database: Place) -> None:
    """Each keeps its figures; the targets are checks, and fail nothing unless the runbook says so."""
    project.runbook("small", "create index calls_a on calls (a);", LOAD, {"workload/one.sql": QUERY})
    place = ("small", database.target)
    with pytest.MonkeyPatch.context() as patch:  # as if it were the sandbox: elsewhere nothing is put on by itself
        patch.setattr(_load._measuring, "may_write", lambda _: True)
        run_id = project.forward(*place)
        result = project.stage("verify", *place, run_id=run_id)
    folder = project.root / "evidence" / "small" / run_id
    kept = {when: json.loads((folder / f"load_{when}.json").read_text()) for when in ("before", "during", "after")}
    assert [k["requests"] for w, k in kept.items() if w != "during"] == [20, 20]
    assert {k["errors"] for k in kept.values()} == {0}
    assert {c.check for c in result.findings if c.check.startswith("load")} == {
        "load p95",
        "load errors",
        "load connections",
    }
    assert not [c for c in result.findings if c.check.startswith("load") and c.gates]


def test_target_that_is_not_the_sandbox__is_not_loaded_by_itself(project: Project, database: Place) -> None:
    """A load slows down everybody: somebody has to say so."""
    project.runbook("small", "create index calls_a on calls (a);", LOAD, {"workload/one.sql": QUERY})
    run_id = project.forward("small", database.target)
    assert not list((project.root / "evidence" / "small" / run_id).glob("load_*"))
    with pytest.raises(errors.WrongUsage, match="slows down everybody") as caught:
        project.stage("load", "small", database.target, run_id=run_id)
    assert "--production" in caught.value.remedy
    allowed = project.stage("load", "small", database.target, run_id=run_id, production=True, clients=2, requests=3)
    assert allowed.verdict is Verdict.PASSED
    kept = json.loads((project.root / "evidence" / "small" / run_id / "load_after.json").read_text())
    assert (kept["clients"], kept["requests"]) == (2, 6)
