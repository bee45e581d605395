"""The plan: pure data about a runbook and a target; its digest; its script, run by a real psql."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from conftest import REPOSITORY
from fix_databases import Place, made
from fix_faults import Role
from fix_project import Project
from pgrunbook import description, errors, fingerprint, ledger, plan, rehearsal, runbook, sandbox
from pgrunbook.changes import State
from pgrunbook.db import Database
from pgrunbook.plan import Plan

TABLE = "create table t (id int primary key, a int, b text)"
MIGRATE = """\
create index if not exists t_a on t (a);
alter table t add column if not exists c text default 'x', add column d int;
create index on t (b) where b is not null;
create unique index "T_b" on t (lower(b));
"""
BUILT = "create index t_a on t using btree (a asc)"


def made_plan(project: Project, place: Place, migrate: str = MIGRATE, toml: str = "") -> Plan:
    """The plan of a runbook as the catalog stands."""
    project.runbook("r", migrate, toml=toml)
    with place.connect() as db:
        return plan.make(runbook.load(project.root, "r"), db)


@pytest.fixture
def table(database: Place) -> Place:
    """A database with an empty table."""
    database.run(TABLE)
    return database


def psql(place: Place, text: str) -> None:
    """Run a script in psql; its first error ends it."""
    command = [*sandbox.command("psql", place.name), "-Xq", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "NOTICE: " not in line]) == (0, [])


# -- steps -------------------------------------------------------------------------------------------------------


def test_plan_on_a_fresh_table__has_every_step_to_do(project: Project, table: Place) -> None:
    """In the order of the file; one ALTER TABLE of two commands is two steps."""
    found = made_plan(project, table)
    assert [(s.position, s.kind, s.object) for s in found.steps] == [
        (1, "create_index", "public.t_a"),
        (2, "add_column", "public.t.c"),
        (3, "add_column", "public.t.d"),
        (4, "create_index", "public.t_b_idx"),
        (5, "create_index", 'public."T_b"'),
    ]
    assert {s.seen.state for s in found.steps} == {State.ABSENT}
    assert found.left == found.steps
    assert found.steps[0].lock == "SHARE UPDATE EXCLUSIVE on public.t"
    assert found.steps[1].undo_text == "alter table public.t drop column c;"


def test_plan_as_json__has_what_the_design_says(project: Project, table: Place) -> None:
    """And is JSON."""
    found = json.loads(json.dumps(made_plan(project, table).as_json()))
    assert {"kind", "object", "written", "safe", "lock", "state", "undo", "lint"} <= found["steps"][0].keys()
    assert (found["runbook"], found["target"], len(found["digest"])) == ("r", table.target, 64)
    assert found["steps"][0]["written"] == "create index if not exists t_a on t (a)"
    assert found["steps"][0]["safe"] == "CREATE INDEX CONCURRENTLY t_a ON public.t USING btree (a);"


def test_plan__changes_nothing(project: Project, table: Place) -> None:
    """Not even where it compares definitions; the fingerprint is proof, object by object."""
    table.run(BUILT, "alter table t add column c text default 'x'")
    with table.connect() as db:
        before = fingerprint.objects(db, "")
        found = made_plan(project, table)
        assert [s.seen.state.value for s in found.steps] == ["present", "present", "absent", "absent", "absent"]
        assert fingerprint.objects(db, "") == before
    assert table.run("select count(*) from pg_class where relpersistence = 't'") == [(0,)]


def test_plan_that_keeps_an_object__says_so(project: Project, table: Place) -> None:
    """And one that can't be undone says why."""
    toml = '[objects."t.c"]\non_rollback = "keep"\n[objects.statement_2]\nirreversible = "worthless"'
    found = made_plan(project, table, "alter table t add column c text; update t set a = 1;", toml)
    assert found.steps[0].undo_text == "alter table public.t drop column c; -- kept on rollback"
    assert found.steps[1].undo_text == "none: worthless"
    assert found.steps[1].lock == "unknown, at worst ACCESS EXCLUSIVE"


@pytest.mark.parametrize(
    "migrate",
    [
        "create index on t (a);\ncreate index on t (a desc);",
        "create index i on t (a);\ncreate index i on public.t (b);",
        "alter table t add c int;\nalter table public.t add c int;",
    ],
)
def test_plan_that_makes_one_object_twice__is_refused(project: Project, table: Place, migrate: str) -> None:
    """Told before the first write, not by the second statement's failure half-way."""
    with pytest.raises(errors.PreflightFailed, match=r"lines 1 and 2 of migrate.sql both make public\.t?"):
        made_plan(project, table, migrate)


# -- digest ------------------------------------------------------------------------------------------------------


def test_digest__is_the_same_before_half_way_and_after(project: Project, table: Place) -> None:
    """It covers no state and no estimate: a run that is half done keeps it."""
    before = made_plan(project, table)
    table.run(
        BUILT,
        "alter table t add column c text default 'x'",
        "insert into t select i, i, i::text from generate_series(1, 999) i",
        "analyze t",
    )
    half = made_plan(project, table)
    psql(table, plan.script(half, 2000))
    after = made_plan(project, table)
    table.run("drop index t_a", "create index t_a on t (b)")
    spoilt = made_plan(project, table)
    assert [len(p.left) for p in (before, half, after, spoilt)] == [5, 3, 0, 1]
    assert {p.digest for p in (before, half, after, spoilt)} == {before.digest}


@pytest.mark.parametrize(
    ("migrate", "toml"),
    [
        (MIGRATE.replace("(a)", "(a desc)"), ""),
        (MIGRATE.replace("t_a", "t_a2"), ""),
        (MIGRATE.replace("default 'x'", "default 'y'"), ""),
        (MIGRATE + "create index z on t (a, b);", ""),
        ("\n".join(reversed(MIGRATE.splitlines())), ""),
        (MIGRATE, "[objects.t_a]\nconcurrently = false"),
        (MIGRATE, '[objects."t.c"]\non_rollback = "keep"'),
        (MIGRATE, '[objects."t.c"]\nacknowledge_loss = "empty"'),
        (MIGRATE, '[build]\nmaintenance_work_mem = "64MB"'),
        (MIGRATE, "[build]\nparallel_workers = 0"),
        (MIGRATE, "[build]\ncancel_if_client_dies = true"),
        (MIGRATE, 'search_path = ["public", "other"]'),
        (MIGRATE, '[ledger]\nschema = "elsewhere"'),
    ],
)
def test_digest_of_another_plan__differs(project: Project, table: Place, migrate: str, toml: str) -> None:
    """Changed SQL, order, options, settings, names."""
    assert made_plan(project, table, migrate, toml).digest != made_plan(project, table).digest


@pytest.mark.parametrize(
    ("migrate", "toml"),
    [
        ("-- a comment\n" + MIGRATE.replace("create index if", "CREATE  INDEX\n if"), ""),
        (MIGRATE, 'description = "words"\nlive = true'),
        (MIGRATE, "[limits]\nrollback_s = 1"),
    ],
)
def test_digest_of_the_same_plan_in_other_words__is_the_same(
    project: Project, table: Place, migrate: str, toml: str
) -> None:
    """White space, comments, limits: nothing of what will be done."""
    assert made_plan(project, table, migrate, toml).digest == made_plan(project, table).digest


def test_digest_on_another_database__differs(project: Project, table: Place, server: str) -> None:
    """Also on the same server, with the same tables."""
    with made(server) as other:
        other.run(TABLE)
        assert made_plan(project, other).digest != made_plan(project, table).digest


def test_digest_under_another_target_name__is_the_same(
    project: Project, table: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is the database, not the name that leads there."""
    monkeypatch.setenv("PGRB_ALIAS", table.conninfo)
    alias = Place(table.name, "env:PGRB_ALIAS", table.conninfo)
    assert made_plan(project, alias).digest == made_plan(project, table).digest


# -- script ------------------------------------------------------------------------------------------------------


def test_script__runs_in_psql_and_leaves_nothing_to_do(project: Project, table: Place) -> None:
    """Every sort of step, over an invalid leftover and in an odd schema; a second run of the script does nothing."""
    table.run(
        'create schema "Odd one"', 'create table "Odd one".u (x int)', 'insert into "Odd one".u values (1), (1)',
        "insert into t values (1, 1, 'b')",
    )  # fmt: skip
    with table.session() as own, pytest.raises(Exception, match="could not create unique index"):
        own.execute('create unique index concurrently u_x on "Odd one".u (x)')
    table.run('delete from "Odd one".u')
    toml = 'search_path = ["public", "Odd one"]\n[build]\nmaintenance_work_mem = "32MB"\nparallel_workers = 0\n'
    toml += "[objects.t_ab]\nconcurrently = false\n"
    migrate = MIGRATE + "create unique index u_x on u (x);\ncreate index t_ab on t (a, b);"
    project.runbook("r", migrate, toml=toml)
    with table.connect() as db:
        db.set("search_path", 'public, "Odd one"')
        first = plan.make(runbook.load(project.root, "r"), db)
        assert first.steps[5].seen.state is State.INVALID
        text = plan.script(first, 2500)
        psql(table, text)
        second = plan.make(runbook.load(project.root, "r"), db)
        assert second.left == ()
        psql(table, plan.script(second, 2500))
    assert "set lock_timeout = '0';\nCREATE INDEX CONCURRENTLY t_a" in text
    assert "set lock_timeout = '2500ms';\nALTER TABLE public.t ADD COLUMN c" in text
    assert "set lock_timeout = '2500ms';\nCREATE INDEX t_ab" in text
    assert "set maintenance_work_mem = '32MB';" in text
    assert "set lock_timeout" not in plan.script(second, 2500)


def test_script_with_a_differing_object__stops_there(project: Project, table: Place) -> None:
    """Both definitions stand in the script, and nothing is run for that step."""
    table.run("create index t_a on t (b)")
    text = plan.script(made_plan(project, table), 2000)
    assert "-- STOP, the catalog holds another definition:" in text
    assert "t_a ON public.t USING btree (a); found: CREATE INDEX t_a ON public.t USING btree (b)" in text
    assert "\nCREATE INDEX CONCURRENTLY t_a" not in text


@pytest.mark.parametrize("name", runbook.names(REPOSITORY))
def test_script_of_a_shipped_runbook__runs_in_psql(name: str, database: Place) -> None:
    """On its own rehearsal database, small."""
    about = runbook.load(REPOSITORY, name)
    with database.connect() as db:
        rehearsal.load(db, about, "0.01")
        psql(database, plan.script(plan.make(about, db), 2000))
        known = [s for s in plan.make(about, db).left if s.kind != "check" and not s.change.recorded]
    assert known == []


# -- identity ----------------------------------------------------------------------------------------------------


@pytest.fixture
def session(database: Place) -> Iterator[Database]:
    """A session of the library's."""
    with database.connect() as db:
        yield db


def test_identify__is_the_server_and_the_database(session: Database, database: Place) -> None:
    """As the server itself tells."""
    found = plan.identify(session)
    (control,) = database.run("select system_identifier::text from pg_control_system()")[0]
    assert found.key == (control, database.name)
    assert (found.version, found.backend_pid) == (session.version, session.backend_pid)
    assert (found.superuser, found.sees_all_activity, found.deadlock_timeout_ms) == (True, True, 1000)


def test_a_server_too_old__is_refused(session: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the oldest that is known."""
    monkeypatch.setattr(plan, "OLDEST_VERSION", 990000)
    with pytest.raises(errors.BadTarget, match="runs PostgreSQL 18; 13 is the oldest"):
        plan.identify(session)


def test_ledger_that_the_role_may_not_read__is_refused_with_the_grant(
    project: Project, database: Place, role: Role
) -> None:
    """Nobody could say whether a statement that leaves no trace in the catalog was done."""
    database.run(ledger.ddl("pgrunbook"))
    with pytest.raises(errors.BadTarget, match="may not create or use the ledger") as caught:
        made_plan(project, Place(database.name, role.target, ""), "vacuum analyze app.t")
    assert f"pgrunbook ledger sql --role {role.name}" in caught.value.remedy


def test_build_settings__follow_the_runbook_and_the_target() -> None:
    """A dead client's build is stopped on the sandbox, and elsewhere only where the runbook says so."""
    build = description.Build()
    assert plan.build_settings(build, is_sandbox=True) == (("client_connection_check_interval", "1s"),)
    assert plan.build_settings(build, is_sandbox=False) == (("client_connection_check_interval", "0"),)
    asked = description.Build(cancel_if_client_dies=True, parallel_workers=0, maintenance_work_mem="1GB")
    assert plan.build_settings(asked, is_sandbox=False) == (
        ("maintenance_work_mem", "1GB"),
        ("max_parallel_maintenance_workers", "0"),
        ("client_connection_check_interval", "1s"),
    )


# -- what would be done otherwise than it reads ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("migrate", "said"),
    [
        (
            "alter table t enable row level security; grant select on t to public; create policy p on t using (a = 1);",
            "the grant would come before",
        ),
        (
            "drop policy if exists p on t;\ndrop function if exists k();\ncreate policy p on t using (a = 1);",
            "would still be there when line 2 of migrate.sql",
        ),
        ("update t set a = a + 1;\nupdate t set a = a + 1;", "lines 1 and 2 of migrate.sql are the same statement"),
    ],
)
def test_order_that_could_not_be_kept__is_refused(project: Project, table: Place, migrate: str, said: str) -> None:
    """A table open for a moment, or a statement done once instead of twice."""
    with pytest.raises(errors.PreflightFailed, match=said) as caught:
        made_plan(project, table, migrate)
    assert caught.value.remedy
