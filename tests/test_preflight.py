"""What forbids a change is found before the first write: objects, privileges, publications, transactions, space."""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fix_databases import Place
from fix_faults import TABLE, Role, events, holding, there, untouched, valid
from fix_project import Project
from pgrunbook import db, errors, ledger, preflight, runbook, sandbox

INDEX = "create index t_a on t (a);"
APP = 'search_path = ["app"]\n'


@pytest.fixture
def database(database: Place) -> Place:
    """A database with two small tables."""
    database.run(*TABLE)
    return database


def refused(project: Project, database: Place, migrate: str = INDEX, toml: str = "") -> str:
    """Baseline, then a migration that preflight has to stop before it writes; what it said."""
    project.runbook("small", migrate, toml)
    run_id = project.stage("baseline", "small", database.target).run_id
    with pytest.raises(errors.PreflightFailed) as caught:
        project.stage("migrate", "small", database.target, run_id=run_id)
    assert (caught.value.exit_status, caught.value.verdict) == (10, "failed")
    assert untouched(database)
    return str(caught.value)


# -- objects of the planned name --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    ["create index t_a on t (b)", "create unique index t_a on t (id)", "create index t_a on t (a) where a > 1"],
)
def test_index_of_another_definition__stops_with_both_shown(project: Project, database: Place, found: str) -> None:
    """A name is no proof: the plan stops, whatever IF NOT EXISTS says."""
    database.run(found)
    said = refused(project, database, "create index if not exists t_a on t (a);")
    assert "planned: CREATE INDEX CONCURRENTLY t_a ON public.t USING btree (a)" in said
    definition = database.run("select pg_get_indexdef('t_a'::regclass)")[0][0]
    assert f"found: {definition}" in said


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("create index t_a on other (x)", "found: CREATE INDEX t_a ON public.other USING btree (x)"),
        ("create table t_a ()", "found: an object that is no index"),
        ("create view t_a as select 1 as one", "found: an object that is no index"),
    ],
)
def test_name_taken_by_something_else__stops(project: Project, database: Place, found: str, shown: str) -> None:
    """An index of another table, a table or a view under the planned name."""
    database.run(found)
    assert shown in refused(project, database)


def test_column_of_another_definition__stops_with_both_shown(project: Project, database: Place) -> None:
    """ADD COLUMN IF NOT EXISTS would accept it."""
    database.run("alter table t add column c integer default 7")
    said = refused(project, database, "alter table t add column if not exists c text;")
    assert "planned: text" in said
    assert "found: integer default 7" in said


def test_missing_table__stops_with_the_line_of_the_file(project: Project, database: Place) -> None:
    """It is named as the search_path resolves it."""
    said = refused(project, database, "\n\ncreate index gone_a on gone (a);")
    assert "gone does not exist" in said
    assert "line 3 of migrate.sql" in said


def test_column_that_the_table_lacks__fails_before_anything_stands(project: Project, database: Place) -> None:
    """An invalid leftover of the planned name makes the plan try the statement: it does not fit."""
    database.run("create index t_a on t (a)")
    said = refused(project, database, "create index t_a on t (nothing);")
    assert 'column "nothing" does not exist' in said


# -- privileges -------------------------------------------------------------------------------------------------


def bad_target(project: Project, target: str, migrate: str = INDEX, toml: str = APP) -> errors.BadTarget:
    """Baseline, then a migration for which the role lacks a privilege."""
    project.runbook("small", migrate, toml)
    run_id = project.stage("baseline", "small", target).run_id
    with pytest.raises(errors.BadTarget) as caught:
        project.stage("migrate", "small", target, run_id=run_id)
    assert (caught.value.exit_status, caught.value.verdict) == (2, "refused")
    return caught.value


def test_role_that_owns_one_schema__gets_the_ledger_from_an_administrator(
    project: Project, database: Place, role: Role
) -> None:
    """Without CREATE on the database nothing is written; with the administrator's DDL it goes there and back."""
    error = bad_target(project, role.target, "create index t_a on t (a); alter table t add column c text;")
    assert f"pgrunbook ledger sql --role {role.name}" in error.remedy
    assert database.name in error.remedy
    assert untouched(database)
    database.run(ledger.ddl("pgrunbook", role.name))
    run_id = project.forward("small", role.target)
    assert valid(database, "app.t_a")
    assert database.run("select nspowner::regrole::text from pg_namespace where nspname = 'pgrunbook'") == [
        ("postgres",)
    ]
    assert project.stage("verify", "small", role.target, run_id=run_id).verdict == "passed"
    assert project.stage("rollback", "small", role.target, run_id=run_id).verdict == "rolled_back"
    assert not there(database, "app.t_a")


def test_ledger_of_another_role__is_refused_with_the_grant(project: Project, database: Place, role: Role) -> None:
    """It is there, but the role may neither look into its schema nor write to it."""
    database.run(ledger.ddl("pgrunbook"))
    error = bad_target(project, role.target)
    assert f"pgrunbook ledger sql --role {role.name}" in error.remedy
    database.run(ledger.ddl("pgrunbook", role.name))
    assert project.forward("small", role.target)


def test_role_that_may_create_schemas__makes_its_own_ledger(project: Project, database: Place, role: Role) -> None:
    """It is closed to everybody else."""
    database.run(f"grant create on database {database.name} to {role.name}")
    project.runbook("small", INDEX, APP)
    project.forward("small", role.target)
    open_to_all = "select has_schema_privilege('public', oid, 'usage') from pg_namespace where nspname = 'pgrunbook'"
    assert database.run(open_to_all) == [(False,)]


def test_role_that_does_not_own_the_table__gets_the_grant(project: Project, database: Place, role: Role) -> None:
    """A CREATE INDEX needs the owner; the message says whose role to grant."""
    database.run(
        f"grant create on database {database.name} to {role.name}",
        "alter table app.t owner to postgres",
        f"grant select on app.t to {role.name}",
    )
    error = bad_target(project, role.target)
    assert "does not own app.t" in error.message
    assert f"grant postgres to {role.name}" in error.remedy
    assert untouched(database)


def test_role_that_does_not_own_a_table_with_a_leftover__is_not_told_to_get_temporary(
    project: Project, database: Place, role: Role
) -> None:
    """An index of the name is there, so the plan compares definitions, for which the role may not read the table."""
    database.run("alter table app.t owner to postgres", "create index t_a on app.t (a)")
    project.runbook("small", INDEX, APP + "live = true\n")
    run_id = project.stage("baseline", "small", role.target).run_id
    with pytest.raises(errors.BadTarget) as caught:
        project.stage("migrate", "small", role.target, run_id=run_id)
    assert "grant temporary" not in caught.value.remedy
    assert "owner of app.t" in caught.value.remedy


def test_role_without_create_on_the_schema__gets_the_grant(project: Project, database: Place, role: Role) -> None:
    """An index needs it, a column does not."""
    database.run(f"grant create on database {database.name} to {role.name}", "alter schema app owner to postgres")
    database.run(f"grant usage on schema app to {role.name}")
    error = bad_target(project, role.target)
    assert f"grant create on schema app to {role.name}" in error.remedy
    project.runbook("column", "alter table t add column c text;", APP)
    assert project.forward("column", role.target)


def test_role_without_temporary__gets_the_grant_before_anything_is_written(
    project: Project, database: Place, role: Role
) -> None:
    """Definitions are compared on temporary tables, after the change at the latest."""
    database.run(
        f"grant create on database {database.name} to {role.name}",
        f"revoke temporary on database {database.name} from public",
    )
    error = bad_target(project, role.target)
    assert f"grant temporary on database {database.name} to {role.name}" in error.remedy
    assert untouched(database)
    assert not there(database, "app.t_a")


def test_role_that_may_not_read__is_refused_by_the_baseline(project: Project, database: Place, role: Role) -> None:
    """What is missing before anything was tried is the target's fault: exit status 2."""
    database.run("alter table app.t owner to postgres")
    project.runbook("small", INDEX, APP)
    with pytest.raises(errors.BadTarget, match="permission denied for table t") as caught:
        project.stage("baseline", "small", role.target)
    assert caught.value.exit_status == 2


# -- publications -----------------------------------------------------------------------------------------------


def test_publication_for_all_tables__stops_until_it_is_answered_for(project: Project, database: Place) -> None:
    """The ledger would be replicated to subscribers that lack it; [ledger] published says that they have it."""
    database.run("create publication everything for all tables")
    said = refused(project, database)
    assert "everything: for all tables" in said
    assert "pgrunbook ledger sql --schema pgrunbook | psql SUBSCRIBER" in said
    project.runbook("small", INDEX, '[ledger]\npublished = "made on all subscribers"\n')
    project.forward("small", database.target)
    assert valid(database, "t_a")


def test_publication_of_the_ledgers_schema__stops(project: Project, database: Place) -> None:
    """FOR TABLES IN SCHEMA takes tables in as they are made."""
    database.run("create schema pgrunbook", "create publication of_schema for tables in schema pgrunbook")
    project.runbook("small", INDEX)
    run_id = project.stage("baseline", "small", database.target).run_id
    with pytest.raises(errors.PreflightFailed, match="of_schema: of schema pgrunbook"):
        project.stage("migrate", "small", database.target, run_id=run_id)
    assert not there(database, "pgrunbook.run")
    project.runbook("small", INDEX, '[ledger]\nschema = "deploys"\n')
    project.forward("small", database.target)
    assert there(database, "deploys.run")


def test_publication_of_other_tables__does_not_matter(project: Project, database: Place) -> None:
    """Only what would take the ledger along is in the way."""
    database.run("create publication of_t for table t")
    project.runbook("small", INDEX)
    project.forward("small", database.target)


# -- the hours of the runbook ------------------------------------------------------------------------------------


def window(begin: float, end: float) -> tuple[str, str, str]:
    """A window from so many hours from now on, in Tokyo's time: its begin, its end, and [limits]."""
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    first, last = (f"{now + timedelta(hours=h):%H:%M}" for h in (begin, end))
    return first, last, f'[limits]\nwindow = ["{first}", "{last}"]\nwindow_timezone = "Asia/Tokyo"\n'


def test_window__refuses_outside_of_it_until_a_person_says_otherwise(project: Project, database: Place) -> None:
    """The server's clock in the runbook's time zone; the message says when it opens, and how long that is."""
    first, last, limits = window(2, 3)
    said = refused(project, database, toml=limits)
    assert f"not between {first} and {last} Asia/Tokyo" in said
    assert re.search(rf"wait until {first} Asia/Tokyo, in (2 h 0|1 h 5\d) min; or give outside_window = True", said)
    (run_id,) = [p.name for p in (project.root / "evidence" / "small").iterdir()]
    result = project.stage("migrate", "small", database.target, run_id=run_id, outside_window=True)
    (check,) = [c for c in result.findings if c.check == "window"]
    assert (check.verdict, check.gates, check.detail) == ("failed", False, "allowed by outside_window")


@pytest.mark.parametrize("hours", [(-1, 1), (-1, -2)], ids=["short", "over midnight"])
def test_window__is_open_within_it(project: Project, database: Place, hours: tuple[float, float]) -> None:
    """Also one that is closed for an hour a day."""
    project.runbook("small", INDEX, window(*hours)[2])
    run_id = project.stage("baseline", "small", database.target).run_id
    result = project.stage("migrate", "small", database.target, run_id=run_id)
    (check,) = [c for c in result.findings if c.check == "window"]
    assert (check.verdict, check.gates) == ("passed", True)


def test_window_on_the_sandbox__is_told(project: Project, database: Place) -> None:
    """A rehearsal may be at any time."""
    project.runbook("small", INDEX, window(2, 3)[2])
    about = runbook.load(project.root, "small")
    with db.connect(db.parse_target("sandbox"), database=database.name) as session:
        (check,) = preflight._window(about, session, outside=False)
    assert (check.verdict, check.gates, check.detail) == ("failed", False, "told, since this is the sandbox")


# -- transactions, space, surroundings --------------------------------------------------------------------------


def test_prepared_transaction__is_named(project: Project, database: Place) -> None:
    """It has no session that could be asked, and a build would wait for it for ever."""
    with database.session() as session:
        session.execute("begin")
        session.execute("insert into other values (2)")
        session.execute("prepare transaction 'left behind'")
    try:
        said = refused(project, database)
        assert "'left behind' of postgres" in said
        assert "rollback prepared 'left behind'" in said
    finally:
        database.run("rollback prepared 'left behind'")
    project.forward("small", database.target)


def test_transaction_past_the_limit__is_named(project: Project, database: Place) -> None:
    """Who holds it, and the statement that ends it."""
    with holding(database, application="nightly report") as session:
        time.sleep(0.3)
        pid = session.info.backend_pid
        said = refused(project, database, toml="[limits]\nold_transaction_s = 0.2\n")
    assert re.search(rf"pid {pid} \(nightly report, postgres, idle in transaction\) for \d+ s", said)
    assert f"select pg_terminate_backend({pid})" in said


def test_transactions_of_others__are_said_to_be_hidden_from_an_ordinary_role(
    project: Project, database: Place, role: Role
) -> None:
    """Their age is not visible; that they hold a snapshot is, and is told, not taken for none."""
    database.run(f"grant create on database {database.name} to {role.name}")
    project.runbook("small", INDEX, APP + "[limits]\nwait_budget_s = 0.5\n")
    run_id = project.stage("baseline", "small", role.target).run_id
    with holding(database, application="nightly report") as session:
        pid = session.info.backend_pid
        with pytest.raises(errors.Aborted) as caught:
            project.stage("migrate", "small", role.target, run_id=run_id)
    assert f"pid {pid} (nightly report, postgres)" in caught.value.message
    (finished,) = events(project, "small", run_id, "stage_finished")[1:]
    (hidden,) = [c for c in finished["findings"] if c["object"] == "not visible to this role"]
    assert (hidden["verdict"], hidden["gates"]) == ("failed", False)
    assert f"pid {pid} (nightly report, postgres, hidden)" in hidden["measured"]
    assert f"grant pg_read_all_stats to {role.name}" in hidden["detail"]


def test_space_beyond_what_the_runbook_says_there_is__fails(project: Project, database: Place) -> None:
    """SQL can't see the disk, so the runbook says what may be used."""
    database.run("insert into t select i, i, repeat('x', 40) from generate_series(2001, 40000) i", "analyze t")
    said = refused(project, database, "create index t_b on t (b);", "[limits]\nspace_available_mb = 1\n")
    assert "not at most 1 MB (limits.space_available_mb)" in said
    project.runbook("small", "create index t_b on t (b);", "[limits]\nspace_available_mb = 100\n")
    project.forward("small", database.target)


def test_space_without_a_limit__is_told_as_not_measurable(project: Project, database: Place) -> None:
    """The estimate stands there, and what is missing for a verdict."""
    project.runbook("small", INDEX)
    run_id = project.stage("baseline", "small", database.target).run_id
    result = project.stage("migrate", "small", database.target, run_id=run_id)
    (space,) = [c for c in result.findings if c.check == "space"]
    assert space.verdict == "not_measurable"
    assert "limits.space_available_mb" in space.detail


def test_event_trigger_and_slot__are_told(project: Project, database: Place) -> None:
    """They do not forbid the change; a DBA wants to know of them."""
    slot = f"slot_{database.name}"
    database.run(
        "create function noted() returns event_trigger language plpgsql as 'begin end'",
        "create event trigger note_ddl on ddl_command_end execute function noted()",
        f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')",
    )
    try:
        project.runbook("small", INDEX)
        run_id = project.stage("baseline", "small", database.target).run_id
        result = project.stage("migrate", "small", database.target, run_id=run_id)
        told = {(c.check, c.object) for c in result.findings if not c.gates}
        assert {("event trigger", "note_ddl"), ("replication slot", slot)} <= told
    finally:
        database.run(f"select pg_drop_replication_slot('{slot}')")


# -- targets ----------------------------------------------------------------------------------------------------


@pytest.fixture
def standby(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server in standby mode, with the sandbox's programs; yields a connection string."""
    sandbox.start()
    programs = sandbox.home() / "server"
    place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-standby-"))
    place.chmod(0o711)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("PGRUNBOOK_HOME", str(place / "home"))
        (place / "home").mkdir(mode=0o711)
        (place / "home" / "lock").touch(mode=0o600)
        if programs.exists():  # as root: its copy for the server's user
            (place / "home" / "server").symlink_to(programs)
        try:
            sandbox.start()
            sandbox.stop()
            data = place / "home" / "data"
            (data / "standby.signal").touch()
            shutil.chown(data / "standby.signal", data.stat().st_uid)
            sandbox.start()
            yield sandbox.conninfo()
        finally:
            sandbox.stop()
            shutil.rmtree(place)


def test_standby__is_no_target(
    project: Project, database: Place, standby: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in one sentence with the remedy, also where the primary of a run has become one."""
    monkeypatch.setenv("PGRB_MOVED", standby)
    project.runbook("small", INDEX)
    for stage in ("baseline", "rollback"):
        with pytest.raises(errors.BadTarget, match="is a standby"):
            project.stage(stage, "small", "env:PGRB_MOVED", run_id="r1")
    assert not (project.root / "evidence").exists()
    monkeypatch.setenv("PGRB_MOVED", database.conninfo)
    run_id = project.stage("baseline", "small", "env:PGRB_MOVED").run_id
    monkeypatch.setenv("PGRB_MOVED", standby)
    with pytest.raises(errors.BadTarget, match="is a standby") as caught:
        project.stage("migrate", "small", "env:PGRB_MOVED", run_id=run_id)
    assert caught.value.exit_status == 2
    assert "name the primary" in caught.value.remedy
