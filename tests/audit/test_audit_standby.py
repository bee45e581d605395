"""The audit on a standby, which can't be written to and counts for itself."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fix_databases import Place
from fix_project import Project
from fix_servers import Server, _run, _server_user, free_port
from pgrunbook import errors, stages
from pgrunbook.findings import Verdict
from pgrunbook.stages import audit as stage

pytestmark = pytest.mark.servers

SCHEMA = (
    "create extension pg_stat_statements",
    "create table org (id int primary key)",
    "insert into org select generate_series(1, 100)",
    "create table calls (id int primary key, org_id int references org, phone text)",
    "insert into calls select n, n % 100 + 1, n::text from generate_series(1, 20000) n",
    "create index calls_id_phone on calls (id, phone)",
    "alter table calls enable row level security",
    "create policy mine on calls using (org_id = current_setting('app.org')::int)",
    "vacuum analyze",
)


@pytest.fixture(scope="module")
def standby(mortal: Server) -> Iterator[Place]:
    """A database on a server that follows another one, with statistics of its statements of its own."""
    with (mortal.folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("local replication all trust\n")
    with psycopg.connect(mortal.dsn, autocommit=True) as admin:
        admin.execute("select pg_reload_conf()")
        admin.execute("create database followed")
    primary = Place("followed", "", make_conninfo(mortal.dsn, dbname="followed"))
    primary.run(*SCHEMA)
    user = _server_user()
    place = pathlib.Path(tempfile.mkdtemp(prefix="standby-", dir=os.environ["PGRUNBOOK_TEST_PLACE"]))
    if user:
        os.chown(place, user.pw_uid, user.pw_gid)
    server = Server(mortal.programs, place, free_port())
    try:
        _run(user, server.programs / "pg_basebackup", "-d", mortal.dsn, "-D", place / "data", "-R", "-c", "fast")
        with (place / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write("shared_preload_libraries = 'pg_stat_statements'\n")
        server.start()
        found = Place("followed", "env:PGRB_STANDBY", make_conninfo(server.dsn, dbname="followed"))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PGRB_STANDBY", found.conninfo)
                yield found
        finally:
            server.crash()
    finally:
        shutil.rmtree(place, ignore_errors=True)
        Place("postgres", "", mortal.dsn).run("drop database followed with (force)")


def test_audit_of_a_standby__says_that_it_is_one_and_finds_what_can_be_seen_there(
    project: Project, standby: Place
) -> None:
    """Catalog, statistics of columns and the statements that ran there; unread indexes are noted, with the reason."""
    for _ in range(50):
        standby.run("select id from calls where phone = 'none'")
    result = project.stage("audit", "", standby.target)
    assert result.verdict is Verdict.PASSED
    assert {c.check for c in result.findings if c.verdict is Verdict.NOT_MEASURABLE} == set()
    report = json.loads((project.root / "evidence/audit" / result.run_id / "audit.json").read_text("utf-8"))
    found = {one["id"]: one for one in report["findings"]}
    assert found["filtered_without_index:public.calls (phone)"]["level"] == "important"
    assert found["policy_function_per_row:public.calls: mine"]["level"] == "important"
    assert "fk_without_index:public.calls (org_id)" in found
    unread = found["index_unused:public.calls_id_phone"]
    assert unread["level"] == "noted"
    assert "of this standby" in unread["detail"]
    assert "the primary and other standbys count their own" in unread["doubt"]
    session = stages.open_stage("audit", stage.AuditParameters(runbook="", target=standby.target))
    assert any(fact.value.endswith(", a standby") for fact in stage.surroundings(session))
    session.close()


def test_what_if_on_a_standby__is_refused(project: Project, standby: Place, database: Place) -> None:
    """Nothing can be built there, which is told before the work begins."""
    with pytest.raises(errors.WrongUsage, match="is a standby, where nothing can be built") as caught:
        project.stage("audit", "", database.target, what_if=standby.target)
    assert caught.value.remedy
