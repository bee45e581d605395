"""Connections: names of targets, settings of sessions, errors as a person can act on them."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg.conninfo import conninfo_to_dict

from fix_databases import Place
from fix_faults import until
from pgrunbook import db, errors, sandbox
from pgrunbook.db import Database

SECRET = "hunter2"  # noqa: S105


@pytest.fixture
def session(database: Place) -> Iterator[Database]:
    """A session of the library's."""
    with database.connect() as opened:
        yield opened


@pytest.fixture
def services(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A pg_service.conf of the test's own."""
    path = tmp_path / "pg_service.conf"
    path.write_text("")
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path))
    return path


def refused(name: str) -> errors.BadTarget:
    """The error that connecting to a target ends with; it names the target and no secret."""
    with pytest.raises(errors.BadTarget) as e:
        db.connect(db.parse_target(name))
    assert e.value.exit_status == 2
    assert SECRET not in str(e.value)
    assert len(e.value.message.splitlines()) == 1
    assert e.value.message.startswith(f"target {name}")
    assert e.value.remedy
    return e.value


# -- names of targets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        f"postgresql://me:{SECRET}@db/app", f"postgres://me:{SECRET}@db", f"postgresql:///app?password={SECRET}",
        f"host=db password={SECRET}", f"password='{SECRET}'", f"dbname={SECRET}", f"PASSWORD = {SECRET}",
        f"me:{SECRET}@db",
        f"env:postgres://me:{SECRET}@db", f"jdbc:postgresql://db/?password={SECRET}", f" host=db password={SECRET} ",
        f"service=prod password={SECRET}", f"//me:{SECRET}@db/",
    ],
)  # fmt: skip
def test_a_connection_string_as_target__is_refused_and_not_repeated(name: str) -> None:
    """Parameters are recorded in notebooks, errors in logs."""
    with pytest.raises(errors.BadTarget, match="looks like a connection string") as e:
        db.parse_target(name)
    assert SECRET not in str(e.value)
    assert "pg_service.conf" in e.value.remedy


@pytest.mark.parametrize(
    "name", ["", " ", "-x", "a b", "prod;drop", "../x", "env:", "env:A-B", "env:1A", "ä", "x\n", "a/b", "sandbox "]
)
def test_a_name_that_is_none__is_refused(name: str) -> None:
    """Whatever would have to be quoted is no name."""
    with pytest.raises(errors.BadTarget, match="is no name of a service"):
        db.parse_target(name)


def test_a_long_name__is_told_short() -> None:
    """It may be anything."""
    with pytest.raises(errors.BadTarget) as e:
        db.parse_target("x " * 5000)
    assert len(str(e.value)) < 300


@pytest.mark.parametrize("name", ["sqlite:", "sqlite::memory:", "sqlite:///file.db", "sqlite:file:app.db?mode=rw"])
def test_sqlite__is_a_file_and_no_url(name: str) -> None:
    """What SQLAlchemy or SQLite itself would take for a database is no file's name."""
    with pytest.raises(errors.BadTarget, match="names no file"):
        db.parse_target(name)


def test_a_sqlite_file__is_no_server() -> None:
    """What is done on PostgreSQL alone says so."""
    with pytest.raises(errors.BadTarget, match="is a SQLite file, and this is done on PostgreSQL alone"):
        db.connect(db.parse_target("sqlite:app.db"))


@pytest.mark.parametrize(
    ("name", "kind"), [
        ("sandbox", "sandbox"), ("prod", "service"), ("prod-1.eu_b", "service"), ("env:DSN", "env"),
        ("sqlite:a b=c@d.db", "sqlite"),
    ],
)  # fmt: skip
def test_parse_target__knows_the_kinds(name: str, kind: str) -> None:
    """The name itself is kept, for the record."""
    assert (db.parse_target(name).kind, db.parse_target(name).name) == (kind, name)


# -- targets that can't be had -----------------------------------------------------------------------------------


def test_a_variable_that_is_not_set__is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that sets it; empty is not set."""
    monkeypatch.delenv("PGRB_NONE", raising=False)
    assert refused("env:PGRB_NONE").remedy.startswith("export PGRB_NONE=")
    monkeypatch.setenv("PGRB_NONE", "")
    assert "is not set" in refused("env:PGRB_NONE").message


@pytest.mark.parametrize(
    "text",
    [
        f"host=/nowhere password={SECRET} nonsense", f"{SECRET}", f"host='open {SECRET}", f"postgresql://[{SECRET}",
        f"hots={SECRET}", f"postgresql://me:{SECRET}@[db", f"postgresql://me:{SECRET}@/%zz?host=/nowhere",
    ],
)  # fmt: skip
def test_a_variable_that_is_no_connection_string__is_told_without_its_content(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq's own messages quote what they don't understand."""
    monkeypatch.setenv("PGRB_BAD", text)
    assert "PGRB_BAD" in refused("env:PGRB_BAD").remedy


def test_a_service_that_is_unknown__names_the_file_to_look_into(services: pathlib.Path) -> None:
    """And the command to try."""
    error = refused("prod")
    assert 'definition of service "prod" not found' in error.message
    assert "PGSERVICEFILE" in error.remedy
    assert "psql service=prod" in error.remedy


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("user=nobody_{0}", 'role "nobody_{0}" does not exist'),
        ("dbname=nothing_{0}", "the database does not exist"),
        ("port=1", "can't be reached"),
        ("host=/nowhere", "can't be reached"),
    ],
)
def test_a_service_that_leads_nowhere__is_one_sentence_and_a_remedy(
    services: pathlib.Path, server: str, lines: str, message: str
) -> None:
    """No role, no database, no server."""
    given = dict(word.split("=", 1) for word in server.replace("'", "").split()) | dict(
        [lines.format("x").split("=", 1)]
    )
    services.write_text("[prod]\n" + "\n".join(f"{k}={v}" for k, v in given.items() if v) + f"\npassword={SECRET}\n")
    assert message.format("x") in refused("prod").message


def test_a_service_that_leads_somewhere__connects(services: pathlib.Path, database: Place) -> None:
    """Its database is the one acted on, whatever database a sandbox would have."""
    given = dict(word.split("=", 1) for word in database.conninfo.replace("'", "").split())
    services.write_text("[prod]\n" + "\n".join(f"{k}={v}" for k, v in given.items() if v))
    with db.connect(db.parse_target("prod"), database="ignored") as opened:
        assert (opened.database, opened.target.is_sandbox) == (database.name, False)


def test_a_sandbox_database_that_is_missing__says_how_to_make_it(server: str) -> None:
    """By the runbook's name."""
    with pytest.raises(errors.BadTarget, match="the database does not exist") as e:
        db.connect(db.parse_target("sandbox"), database="no_such_runbook")
    assert e.value.remedy == "pgrunbook sandbox reset no_such_runbook"


# -- sessions ----------------------------------------------------------------------------------------------------

EXPLICIT = {
    "lock_timeout": "2s",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "1min",
    "idle_session_timeout": "0",
    "client_connection_check_interval": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_min_messages": "notice",
    "row_security": "off",
    "search_path": 'public, "Odd one", "$user"',
    "application_name": "pgrunbook test",
    "default_transaction_read_only": "off",
}
HOSTILE = {
    "lock_timeout": "1h", "statement_timeout": "1h", "transaction_timeout": "1h",
    "idle_in_transaction_session_timeout": "1h",
    "idle_session_timeout": "1h", "TimeZone": "Asia/Tokyo", "DateStyle": "German", "IntervalStyle": "iso_8601",
    "extra_float_digits": "-5", "bytea_output": "escape", "client_min_messages": "error", "row_security": "on",
    "search_path": "nowhere", "client_connection_check_interval": "5s",
}  # fmt: skip


@pytest.mark.parametrize("hostile", [False, True])
def test_every_setting_of_a_session__is_explicit(database: Place, hostile: bool) -> None:
    """Whatever the server's, the database's or the role's defaults are."""
    if hostile:
        database.run(*(f"alter database {database.name} set {k} = '{v}'" for k, v in HOSTILE.items()))
    target = db.parse_target(database.target)
    with db.connect(target, application_name="pgrunbook test", search_path=["public", "Odd one", "$user"]) as opened:
        assert {name: opened.value(f"show {name}") for name in EXPLICIT} == EXPLICIT
        assert opened.value("select current_setting('application_name')") == "pgrunbook test"


def test_settings_given__go_before_the_session_s_own(database: Place) -> None:
    """Also those that only newer servers know; an unknown one is an error."""
    target = db.parse_target(database.target)
    given = {"lock_timeout": "0", "client_connection_check_interval": "1s", "maintenance_work_mem": "64MB"}
    with db.connect(target, settings=given) as opened:
        assert {name: opened.value(f"show {name}") for name in given} == given
    with pytest.raises(errors.StatementFailed, match="unrecognized configuration parameter"):
        db.connect(target, settings={"no_such_setting": "1"})


def test_a_long_application_name__is_cut(database: Place) -> None:
    """The server cuts it too, and warns."""
    with db.connect(db.parse_target(database.target), application_name="x" * 100) as opened:
        assert opened.value("show application_name") == "x" * 63
        assert opened.notices == []


def test_a_read_only_session__can_not_write(database: Place) -> None:
    """Neither rows nor tables."""
    database.run("create table t (a int)")
    with database.connect(read_only=True) as opened:
        for statement in ("insert into t values (1)", "create table u (a int)", "drop table t"):
            with pytest.raises(errors.StatementFailed, match="read-only transaction") as e:
                opened.execute(statement)
            assert e.value.sqlstate == "25006"
        assert opened.value("select count(*) from t") == 0


def test_settings_of_a_transaction__are_gone_after_it(session: Database) -> None:
    """Also after one that failed; `rollback` throws its work away, `read_only` allows none."""
    with session.transaction(lock_timeout="7s", search_path="pg_catalog"):
        assert (session.value("show lock_timeout"), session.value("show search_path")) == ("7s", "pg_catalog")
    with pytest.raises(errors.StatementFailed), session.transaction(lock_timeout="7s"):
        session.execute("select 1 / 0")
    assert (session.value("show lock_timeout"), session.value("show search_path")) == ("2s", "public")
    with session.transaction(rollback=True):
        session.execute("create table t (a int)")
    assert session.value("select to_regclass('t')") is None
    with pytest.raises(errors.StatementFailed, match="read-only"), session.transaction(read_only=True):
        session.execute("create table t (a int)")


def test_a_session_whose_setup_fails__is_closed(database: Place) -> None:
    """No connection is left behind."""
    with pytest.raises(errors.StatementFailed):
        db.connect(
            db.parse_target(database.target), application_name="pgrunbook left", settings={"lock_timeout": "nonsense"}
        )
    left = "select 1 from pg_stat_activity where application_name = 'pgrunbook left'"
    until(lambda: not database.run(left))  # a backend is there a moment longer than its client


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "sqlstate", "message"),
    [
        ("select 1 / 0", "22012", "division by zero"),
        ("select * from missing", "42P01", 'relation "missing" does not exist'),
        ("selct 1", "42601", "syntax error"),
        ("insert into t values (1, 'hunter2')", "23505", 'duplicate key value violates unique constraint "t_pkey"'),
        ("insert into t values (2, null)", "23502", 'null value in column "b"'),
        ("insert into t values (3, 'hunter2!')", "23514", 'violates check constraint "short"'),
        ("insert into u values (99)", "23503", "violates foreign key constraint"),
        (
            "do $$ begin raise exception 'it broke' using detail = 'hunter2', hint = 'mend it'; end $$",
            "P0001",
            r"it broke \(mend it\)",
        ),
    ],
)
def test_an_error_of_the_server__keeps_its_sqlstate_and_not_its_detail(
    database: Place, statement: str, sqlstate: str, message: str
) -> None:
    """DETAIL quotes rows; the session goes on."""
    database.run(
        "create table t (a int primary key, b text not null constraint short check (length(b) < 8))",
        "insert into t values (1, 'x')",
        "create table u (a int references t)",
    )  # fmt: skip
    with database.connect() as opened:
        with pytest.raises(errors.StatementFailed, match=message) as e:
            opened.execute(statement)
        assert e.value.sqlstate == sqlstate
        assert e.value.message.endswith(f"[{sqlstate}]")
        assert SECRET not in str(e.value)
        assert e.value.__cause__ is None
        assert e.value.__suppress_context__
        assert opened.value("select 1") == 1


def test_a_lock_that_is_not_had__is_a_class_of_its_own(database: Place, session: Database) -> None:
    """55P03: the executor tries again."""
    database.run("create table t (a int)")
    with database.session() as own, own.transaction():
        own.execute("lock table t")
        with pytest.raises(errors.LockNotAvailable) as e, session.transaction(lock_timeout="50ms"):
            session.execute("lock table t")
    assert e.value.sqlstate == "55P03"


def test_a_statement_over_its_time__is_a_class_of_its_own(session: Database) -> None:
    """57014: a censored value, or a cancel."""
    with pytest.raises(errors.StatementCancelled) as e, session.transaction(statement_timeout="50ms"):
        session.execute("select pg_sleep(5)")
    assert e.value.sqlstate == "57014"
    assert session.usable


def test_a_missing_privilege__says_what_to_be(database: Place, session: Database) -> None:
    """42501."""
    with session.transaction(rollback=True):
        session.execute(f"create role weak_{database.name}")
        session.execute("create table t (a int)")
        session.execute(f"set local role weak_{database.name}")
        with pytest.raises(errors.StatementFailed, match="permission denied for table t") as e:
            session.execute("select * from t")
    assert (e.value.sqlstate, e.value.remedy) == ("42501", "run as a role that owns the objects")


def test_a_lost_connection__is_aborted_and_can_be_taken_up(database: Place, session: Database) -> None:
    """Killed by somebody: exit 40, and what to do."""
    database.run(f"select pg_terminate_backend({session.backend_pid})")
    with pytest.raises(errors.LostConnection) as e:
        session.value("select 1")
    assert (e.value.exit_status, e.value.verdict) == (40, "aborted")
    assert e.value.remedy == "run it again: it takes up where it was"
    assert not session.usable


def test_a_value_the_driver_can_not_send__is_an_error_of_ours(session: Database) -> None:
    """No class of the driver's gets out."""
    with pytest.raises(errors.StatementFailed):
        session.value("select $1", [object()])
    with pytest.raises(errors.StatementFailed):
        session.value("select $1, $2", ["one"])


def test_notices__are_kept_and_told(session: Database) -> None:
    """With their severity; the list does not grow without end."""
    told: list[str] = []
    session.on_notice(told.append)
    session.execute("do $$ begin for i in 1..250 loop raise warning 'number %', i; end loop; end $$")
    assert (len(told), len(session.notices)) == (250, 200)
    assert session.notices[-1] == told[-1] == "WARNING: number 250"


# -- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Relation:
    """What catalog/relation.sql returns."""

    oid: int
    schema: str
    name: str
    kind: str


def test_fetch__gives_typed_rows_of_a_catalog_file(database: Place, session: Database) -> None:
    """One, none; and `exactly` says which file had none."""
    database.run("create table t (a int)")
    found = session.one("relation", Relation, name="t")
    assert found is not None
    assert (found.schema, found.name, found.kind) == ("public", "t", "r")
    assert session.one("relation", Relation, name="missing") is None
    with pytest.raises(errors.StatementFailed, match=r"catalog/relation\.sql returned no row"):
        session.exactly("relation", Relation, name="missing")


def test_reading__takes_parameters_as_values_only(session: Database) -> None:
    """`$1` is a value; a percent sign and a colon are themselves."""
    assert session.rows("select $1::text, '%s %(a)s :x'", ["'; drop table t; --"]) == [
        ("'; drop table t; --", "%s %(a)s :x")
    ]
    assert session.dicts("select $1::int as a", [1]) == [{"a": 1}]
    assert session.value("select 1 where false") is None
    assert session.rows("create temp table x (a int)") == []


def test_drain__counts_the_rows_and_keeps_none(database: Place) -> None:
    """A thousand times the memory that it may take passes through; measured in a process of its own."""
    code = f"""
import pathlib, re
from pgrunbook import db
def peak():  # the process's own; getrusage tells its parent's where that is larger
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
with db.connect(db.parse_target("{database.target}")) as session:
    session.drain("select repeat('x', 1000) from generate_series(1, 1000)")
    before = peak()
    rows = session.drain("select repeat('x', 1000) from generate_series(1, $1::int)", ["200000"])
    print(rows, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, kilobytes = map(int, done.stdout.split())
    assert rows == 200_000
    assert kilobytes < 20_000


def test_drain_of_a_statement_that_fails_half_way__is_an_error_and_the_session_goes_on(session: Database) -> None:
    """The error comes with the rows."""
    with pytest.raises(errors.StatementFailed, match="division by zero"):
        session.drain("select 1 / (2000 - i) from generate_series(1, 5000) i")
    assert session.drain("select 1 where false") == 0
    assert session.drain("values (1), (2)") == 2


# -- a statement under way ---------------------------------------------------------------------------------------


def test_running__can_be_watched_and_cancelled(database: Place, session: Database) -> None:
    """From another thread; the error is raised where its result is asked for."""
    threads = threading.active_count()
    running = db.Running(session, "select pg_sleep(300)")
    sleeps = f"select 1 from pg_stat_activity where pid = {session.backend_pid} and wait_event = 'PgSleep'"
    until(lambda: database.run(sleeps))
    assert not running.wait(0.1)
    session.cancel()
    assert running.wait(60)
    with pytest.raises(errors.StatementCancelled):
        running.result()
    assert session.value("select 1") == 1
    done = db.Running(session, "select 1")
    assert done.wait(60)
    done.result()
    assert threading.active_count() <= threads


def test_conninfo_of_the_sandbox__has_no_password() -> None:
    """It may be shown."""
    assert "password" not in sandbox.conninfo("x")


def test_environment_of_a_service_that_is_overridden__leads_to_the_sessions_database(
    database: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq takes a service before variables: by its name a program would work on the service's own database."""
    host, port, user = (conninfo_to_dict(database.conninfo)[k] for k in ("host", "port", "user"))
    services = tmp_path / "services"
    services.write_text(f"[prod]\nhost={host}\nport={port}\nuser={user}\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGRB_BOTH", f"service=prod dbname={database.name}")
    with db.connect(db.parse_target("env:PGRB_BOTH")) as session:
        environment = db.environment(session)
    assert environment["PGDATABASE"] == database.name
    assert (environment["PGHOST"], environment["PGPORT"]) == (host, str(port))
    assert "PGSERVICE" not in environment


def test_environment_of_a_session_by_variables__is_complete(database: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a connection string leaves to PGHOST and the like is told too, for a program gets none of ours."""
    given = conninfo_to_dict(database.conninfo)
    monkeypatch.setenv("PGHOST", str(given["host"]))
    monkeypatch.setenv("PGPORT", str(given["port"]))
    monkeypatch.setenv("PGRB_PART", f"dbname={database.name} user={given['user']} password=geheim")
    with db.connect(db.parse_target("env:PGRB_PART")) as session:
        environment = db.environment(session)
    assert (environment["PGHOST"], environment["PGPORT"]) == (given["host"], str(given["port"]))
    assert environment["PGPASSWORD"] == "geheim"
