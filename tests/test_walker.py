"""An UPDATE in batches on a real table, and its way back: kills, bad rows, others who write meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from fix_databases import Place
from fix_faults import Gate, Role, Runner, events, holding, steps, until
from fix_project import Project
from pgrunbook import errors, fingerprint, ledger, sqlfile

ROWS = 4000
TABLE = (
    "create table t (id int primary key, a int, c text)",
    f"insert into t select i, i, case when i % 10 = 0 then 'old' end from generate_series(1, {ROWS}) i",
    "analyze t",
)
# a batch that comes to a row with a = -1 stands before the gate
STOP = """
create function stop() returns trigger language plpgsql as $$
begin
  while new.a = -1 and not pg_try_advisory_xact_lock_shared(4711) loop perform pg_sleep(0.01); end loop;
  return new;
end $$
"""
STOPS = (STOP, "create trigger stops before update on t for each row execute function stop()")
BEFORE_THE_GATE = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
FIRES = '[objects."statement_1"]\nacknowledge_loss = "the trigger writes what it may"\n'
LIVE = "live = true\n"  # others write to the tables: their contents do not gate
DOUBLING = "[backfill]\nbatch_ms = 10000\n"  # each batch is twice as large as the one before, however slow it was
Launch = Callable[..., Runner]


@pytest.fixture
def table(database: Place) -> Place:
    """A database with the table t: 4,000 rows, of which every tenth has a value."""
    database.run(*TABLE)
    return database


def forward(project: Project, place: Place, migrate: str, toml: str = "") -> str:
    """The runbook's baseline and migration; the run's id."""
    project.runbook("small", migrate, toml)
    return project.forward("small", place.target)


def back(project: Project, place: Place, run_id: str) -> str:
    """The rollback; what it tells of its first change."""
    result = project.stage("rollback", "small", place.target, run_id=run_id)
    assert result.verdict == "rolled_back"
    return next((c.detail for c in result.findings if c.check == "undo"), "")


def rows(place: Place, table: str = "t") -> list[tuple]:
    """All rows in the order of their text."""
    return place.run(f"select x::text from {table} x order by 1")


def kept(place: Place) -> list[str]:
    """The tables of old values."""
    found = place.run(
        "select relname from pg_class where relnamespace = 'pgrunbook'::regnamespace and relname ~ '^kept' and relkind = 'r'"
    )
    return [name for (name,) in found]


def prints(place: Place) -> dict[str, str]:
    """The schema's fingerprint."""
    with place.connect() as on:
        return fingerprint.take(on, "pgrunbook")


def walked(project: Project, run_id: str) -> list[dict]:
    """What the journal says of each walk that came to its end."""
    return events(project, "small", run_id, "walked")


# -- forward and back ---------------------------------------------------------------------------------------------


def test_backfill__does_what_the_update_does_in_batches_and_goes_back(project: Project, table: Place) -> None:
    """Rows, values, a commit a batch; the way back leaves data and schema as they were, and nothing kept."""
    before, schema = rows(table), prints(table)
    run_id = forward(project, table, "update t set c = 'it''s ' || a, a = a + 1 where c is null")
    assert rows(table) != before
    assert table.run("select count(*) from t where c = 'it''s ' || id and a = id + 1") == [(3600,)]
    assert table.run("select count(*) from t where c = 'old' and a = id") == [(400,)]
    (done,) = walked(project, run_id)
    assert done["rows"] == 3600
    assert done["batches"] >= 3
    (name,) = kept(table)
    assert table.run(f"select has_table_privilege('public', 'pgrunbook.{name}', 'select')") == [(False,)]
    assert back(project, table, run_id) == "3,600 rows have their old values again"
    assert (rows(table), prints(table), kept(table)) == (before, schema, [])


def test_second_run_of_a_backfill__does_nothing(project: Project, table: Place) -> None:
    """Also where no WHERE tells: the ledger knows. After a rollback it is to be done again."""
    run_id = forward(project, table, "update t set a = a + 1")
    again = project.forward("small", table.target)
    assert steps(table, again) == [("public.t.a", "already", False)]
    assert back(project, table, again) == ""
    assert table.run("select count(*) from t where a = id + 1") == [(ROWS,)]
    back(project, table, run_id)
    assert table.run("select count(*) from t where a = id") == [(ROWS,)]
    project.forward("small", table.target)
    assert table.run("select count(*) from t where a = id + 1") == [(ROWS,)]


def test_undo__leaves_rows_that_somebody_changed_or_deleted_since(project: Project, table: Place) -> None:
    """They are told by key; another column may have changed; their old values stay to be looked up."""
    run_id = forward(project, table, "update t set c = 'new' where c is null", LIVE)
    table.run(
        "update t set c = 'mine' where id in (7, 3001)",
        "update t set a = -5 where id = 11",
        "delete from t where id in (13, 14)",
        "insert into t values (5000, 1, 'new')",
    )
    told = back(project, table, run_id)
    (name,) = kept(table)
    assert told == (
        "3,596 rows have their old values again; 4 that somebody changed or deleted since, or gave another key, were left"
        f" as they are (id = 7, id = 13, id = 14, id = 3001); their old values stay in pgrunbook.{name}"
    )
    assert table.run("select id, a, c from t where id in (7, 11, 3001, 5000) order by 1") == [
        (7, 7, "mine"), (11, -5, None), (3001, 3001, "mine"), (5000, 1, "new"),
    ]  # fmt: skip
    assert table.run("select count(*) from t where c = 'new'") == [(1,)]
    assert table.run(f"select k1, o1, n1 from pgrunbook.{name} order by 1") == [
        (key, None, "new") for key in (7, 13, 14, 3001)
    ]


def test_backfill_by_a_key_of_several_columns__takes_every_row_once(project: Project, database: Place) -> None:
    """Text in a collation of its own, odd names, dates, values that look like SQL; the key's order is not the table's."""
    database.run(
        """create table "T ""t" (n numeric, "a b" text collate "C", d date, v json, "select" text,
           primary key ("a b", d, n))""",
        """insert into "T ""t"
           select i, case i % 3 when 0 then 'Ä''' when 1 then 'z;--' else '' end, date '2020-01-01' + i % 5, '{"a": 1}', null
           from generate_series(1, 2500) i order by random()""",
        "analyze",
    )
    before = rows(database, '"T ""t"')
    filled = "v->>'n' = n::text and \"select\" = '$1 %s' || n"
    migrate = """update "T ""t" set v = json_build_object('n', n), "select" = '$1 %s' || n"""
    run_id = forward(project, database, migrate, LIVE)
    assert database.run(f'select count(*) from "T ""t" where {filled}') == [(2500,)]
    assert walked(project, run_id)[0]["rows"] == 2500
    database.run('update "T ""t" set v = \'[]\' where n = 17')
    assert "1 that somebody changed or deleted since, or gave another key, were left as they are; their" in back(
        project, database, run_id
    )
    database.run('update "T ""t" set v = \'{"a": 1}\', "select" = null where n = 17')
    assert rows(database, '"T ""t"') == before


def test_backfill_from_another_table__takes_one_of_several_matches(project: Project, table: Place) -> None:
    """As the UPDATE itself does; rows without a match stay."""
    table.run("create table u as select i / 2 as id, 'v' || i as v from generate_series(1, 5000) i", "analyze u")
    before = rows(table)
    run_id = forward(project, table, "update t as x set c = u.v from u where u.id = x.id and x.c is null")
    assert table.run("select count(*) from t where c in ('v' || 2 * id, 'v' || 2 * id + 1)") == [(2250,)]
    assert table.run("select count(*) from t where c is null") == [(1350,)]
    back(project, table, run_id)
    assert rows(table) == before


def test_backfill_of_a_partitioned_table__goes_through_the_parent(project: Project, database: Place) -> None:
    """Places of rows are unique in a partition only."""
    database.run(
        "create table t (id int, k int, c text, primary key (id, k)) partition by list (k)",
        *(f"create table t_{k} partition of t for values in ({k})" for k in range(3)),
        "insert into t select i, i % 3, null from generate_series(1, 3000) i",
        "analyze",
    )
    before = rows(database)
    run_id = forward(project, database, "update t set c = 'c' || id where c is null")
    assert database.run("select count(*) from t where c = 'c' || id") == [(3000,)]
    back(project, database, run_id)
    assert rows(database) == before


def test_backfill_that_reads_its_own_table__is_one_batch(project: Project, table: Place) -> None:
    """In batches the second one would count the first one's rows."""
    before = rows(table)
    run_id = forward(project, table, "update t set a = (select max(a) from t) + id")
    assert table.run("select count(*) from t where a = 4000 + id") == [(ROWS,)]
    assert walked(project, run_id)[0]["batches"] == 1
    back(project, table, run_id)
    assert rows(table) == before


def test_backfill_of_a_column_that_the_same_run_adds__keeps_nothing(project: Project, table: Place) -> None:
    """Its old values go with the column; where that was there before, they are kept."""
    migrate = "alter table t add column d int; update t set d = a * 2 where d is null"
    schema = prints(table)
    run_id = forward(project, table, migrate, '[objects."t.d"]\nacknowledge_loss = "it is filled from a"\n')
    assert table.run("select count(*) from t where d = a * 2") == [(ROWS,)]
    assert kept(table) == []
    assert project.stage("rollback", "small", table.target, run_id=run_id).verdict == "rolled_back"
    assert prints(table) == schema
    table.run("alter table t add column d int")
    run_id = project.forward("small", table.target)
    assert len(kept(table)) == 1
    assert project.stage("rollback", "small", table.target, run_id=run_id).verdict == "rolled_back"
    assert table.run("select count(*) from t where d is null") == [(ROWS,)]


def test_backfill_that_an_earlier_change_makes_work_for__is_done(project: Project, table: Place) -> None:
    """At planning nothing was selected: what the plan saw is not what decides."""
    table.run(
        "create table u (id int primary key, c text)", "insert into u select i, null from generate_series(1, 9) i"
    )
    forward(
        project,
        table,
        "update u set c = 'set' where c is null; update t set c = u.c from u where u.id = t.id and u.c = 'set'",
    )
    assert table.run("select count(*) from t where c = 'set'") == [(9,)]


def test_triggers__fire_and_what_they_made_of_the_values_is_undone(project: Project, table: Place) -> None:
    """A trigger that alters the value, and one that keeps a row as it is."""
    table.run(
        "create function alters() returns trigger language plpgsql as $$ begin"
        " if new.id = 5 then return null; end if; if new.c = 'new' then new.c := 'NEW'; end if; return new; end $$",
        "create trigger alters before update on t for each row execute function alters()",
    )
    before = rows(table)
    run_id = forward(project, table, "update t set c = 'new' where c is null", FIRES)
    assert table.run("select c, count(*) from t group by 1 order by 1") == [("NEW", 3599), ("old", 400), (None, 1)]
    assert back(project, table, run_id) == "3,599 rows have their old values again"
    assert rows(table) == before


def test_trigger_that_writes_more__is_to_be_acknowledged_and_named_after_the_rollback(
    project: Project, table: Place
) -> None:
    """It writes a column that the statement doesn't, at the undo as well; disabled in a line before, it does not."""
    table.run(
        "alter table t add column touched int",
        "create function touch() returns trigger language plpgsql as $$ begin new.touched := 7; return new; end $$",
        "create trigger touch before update on t for each row execute function touch()",
    )
    before = rows(table)
    with pytest.raises(errors.PreflightFailed, match=r"fires touch on public\.t: .* is not undone"):
        forward(project, table, "update t set a = 0")
    quiet = "alter table t disable trigger touch; update t set a = 0; alter table t enable trigger touch;"
    back(project, table, forward(project, table, quiet))
    assert rows(table) == before
    run_id = forward(project, table, "update t set a = 0", FIRES)
    result = project.stage("rollback", "small", table.target, run_id=run_id)
    assert result.verdict == "rolled_back"
    (content,) = [c for c in result.findings if c.check == "content"]
    assert "public.t: fires touch on public.t" in content.detail
    assert table.run("select count(*) from t where touched = 7 and a > 0") == [(ROWS,)]


# -- kills and interrupts -----------------------------------------------------------------------------------------


def at_the_gate(
    project: Project, gate: Gate, launch: Launch, stage: str = "migrate", run_id: str = ""
) -> tuple[str, Runner]:
    """A runner whose second batch (rows 1,001 to 3,000) stands before the gate; nothing is done twice in `a + 1`."""
    if not run_id:
        project.runbook("small", "update t set a = a + 1, c = coalesce(c, '') || 'x'", FIRES + DOUBLING)
        run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch(stage, "small", gate.place.target, run_id)
    until(lambda: gate.place.run(BEFORE_THE_GATE))
    return run_id, runner


@pytest.fixture
def closed(table: Place) -> Gate:
    """The table with a gate before row 2,000, closed."""
    table.run(*STOPS, "update t set a = -2 where id = 2000")
    gate = Gate(table)
    yield gate
    gate.open()


def done_once(place: Place) -> bool:
    """Whether every row was changed exactly once."""
    return place.run(
        "select count(*) from t where a = case id when 2000 then -1 else id + 1 end and c ~ '^(old)?x$'"
    ) == [(ROWS,)]


def test_killed_runner__is_resumed_after_its_last_batch(project: Project, closed: Gate, launch: Launch) -> None:
    """At most one batch is lost, and nothing is done twice."""
    before = rows(closed.place)
    run_id, runner = at_the_gate(project, closed, launch)
    runner.kill()
    closed.open()
    assert steps(closed.place, run_id) == [("public.t (a, c)", "started", True)]
    assert closed.place.run("select captured->'cursor'->>0, captured->>'rows' from pgrunbook.step") == [
        ("1000", "1000")
    ]
    project.stage("migrate", "small", closed.place.target, run_id=run_id)
    assert done_once(closed.place)
    assert back(project, closed.place, run_id) == "4,000 rows have their old values again"
    assert rows(closed.place) == before


def test_killed_runner__is_rolled_back_from_where_it_was(project: Project, closed: Gate, launch: Launch) -> None:
    """The first batch is taken back, the second was never there."""
    before = rows(closed.place)
    run_id, runner = at_the_gate(project, closed, launch)
    runner.kill()
    closed.open()
    assert back(project, closed.place, run_id) == "1,000 rows have their old values again"
    assert rows(closed.place) == before


def test_killed_rollback__is_taken_up(project: Project, closed: Gate, launch: Launch) -> None:
    """What was restored is not restored again, and what the second batch held is."""
    place = closed.place
    place.run(
        "alter table t disable trigger stops",
        "update t set a = -1 where id = 2000",
        "alter table t enable trigger stops",
    )
    before = rows(place)
    run_id = forward(project, place, "update t set a = a + 1, c = coalesce(c, '') || 'x'", LIVE + FIRES + DOUBLING)
    _, runner = at_the_gate(project, closed, launch, "rollback", run_id)
    runner.kill()
    closed.open()
    place.run("update t set c = 'mine' where id = 1")  # restored already: not looked at again
    assert back(project, place, run_id) == "3,000 rows have their old values again"
    place.run("update t set c = null where id = 1")
    assert (rows(place), kept(place)) == (before, [])


def test_interrupted_runner__stops_after_the_batch_and_goes_on(project: Project, closed: Gate, launch: Launch) -> None:
    """Once is enough: a batch is short."""
    run_id, runner = at_the_gate(project, closed, launch)
    runner.interrupt()
    until(lambda: events(project, "small", run_id, "interrupt"))
    closed.open()
    status, output = runner.ended()
    assert status == 40, output
    assert "stopped by hand between two batches" in output
    assert closed.place.run("select captured->>'rows' from pgrunbook.step") == [("3000",)]
    project.stage("migrate", "small", closed.place.target, run_id=run_id)
    assert done_once(closed.place)


# -- rows that can't be had ---------------------------------------------------------------------------------------


def test_a_bad_row__is_named_and_the_run_goes_on_when_it_is_mended(project: Project, table: Place) -> None:
    """The batches before it stay; the run is taken up after them."""
    table.run("alter table t add column n text", "update t set n = id", "update t set n = 'none' where id = 2345")
    before = rows(table)
    with pytest.raises(errors.StatementFailed) as caught:
        forward(project, table, "update t set a = n::int + 1 where a < 10000", LIVE)
    assert caught.value.message.startswith("public.t.a: the row with id = 2345 is refused: invalid input syntax")
    assert caught.value.sqlstate == "22P02"
    assert "none" not in caught.value.message
    assert "goes on after the rows that are done" in caught.value.remedy
    assert table.run("select count(*) from t where a = id + 1") == [(2344,)]
    table.run("update t set n = id where id = 2345")
    ((run_id,),) = table.run("select run_id from pgrunbook.run")
    project.stage("migrate", "small", table.target, run_id=run_id)
    assert table.run("select count(*) from t where a = id + 1") == [(ROWS,)]
    back(project, table, run_id)
    table.run("update t set n = 'none' where id = 2345")
    assert rows(table) == before


def test_a_bad_row_of_a_table_with_a_text_key__is_told_by_its_number(project: Project, database: Place) -> None:
    """A key may be an address or a name."""
    database.run(
        "create table t (mail text primary key, a int unique)",
        "insert into t select 'm' || lpad(i::text, 5, '0'), i from generate_series(1, 1500) i",
    )
    with pytest.raises(errors.StatementFailed) as caught:
        forward(project, database, "update t set a = case when a < 1200 then a + 5000 else 1 end")
    assert caught.value.sqlstate == "23505"
    assert "number 1,201 of public.t in the order of its primary key" in caught.value.message
    assert "m0" not in caught.value.message


def test_a_row_that_somebody_changes_meanwhile__gets_its_value_from_the_newest(project: Project, table: Place) -> None:
    """The rows of a batch are locked as they are read; one that was changed meanwhile is read anew."""
    project.runbook("small", "update t set c = 'from ' || a where c is null", LIVE)
    run_id = project.stage("baseline", "small", table.target).run_id
    waits = "select 1 from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    with holding(table, "update t set a = 77 where id = 501", snapshot=False) as other:

        def commit() -> None:
            until(lambda: other.execute(waits).fetchone())
            other.execute("commit")

        committing = threading.Thread(target=commit)
        committing.start()
        project.stage("migrate", "small", table.target, run_id=run_id)
        committing.join()
    assert table.run("select a, c from t where id = 501") == [(77, "from 77")]
    assert table.run("select count(*) from t where c = 'from ' || a") == [(3600,)]
    back(project, table, run_id)
    assert table.run("select a, c from t where id = 501") == [(77, None)]


def test_a_row_that_somebody_holds__is_tried_again_and_the_holder_named(project: Project, table: Place) -> None:
    """With fewer rows each time, which nobody waits for long; the batches before stay."""
    toml = "[limits]\nlock_tries = 3\n"  # one of them lasts until somebody has looked who is in the way
    with holding(table, "update t set a = 0 where id = 2001", snapshot=False), pytest.raises(errors.Aborted) as caught:
        forward(project, table, "update t set c = 'new' where c is null", toml)
    assert "no row lock on public.t in 3 tries" in caught.value.message
    assert "reporter" in caught.value.message
    ((done,),) = table.run("select count(*) from t where c = 'new'")
    assert done >= 900
    ((run_id,),) = table.run("select run_id from pgrunbook.run")
    project.stage("migrate", "small", table.target, run_id=run_id)
    assert table.run("select count(*) from t where c = 'new'") == [(3600,)]


def test_somebody_who_waits_for_a_batch__does_not_wait_for_its_end(
    project: Project, closed: Gate, launch: Launch
) -> None:
    """The batch gives way and is tried again with fewer rows, however long it would take."""
    run_id, runner = at_the_gate(project, closed, launch)
    with closed.place.session() as other:
        other.execute("set statement_timeout = '60s'")  # the batch itself would stand there for ever
        other.execute("update t set c = 'mine' where id = 1500")
    until(lambda: [e for e in events(project, "small", run_id, "retry") if "others waited" in e["reason"]])
    closed.open()
    assert runner.ended()[0] == 0
    assert closed.place.run("select c from t where id = 1500") == [("minex",)]


# -- pace, rights, publications -----------------------------------------------------------------------------------


def test_wal_beyond_its_limit__pauses_between_batches_and_says_why(project: Project, table: Place) -> None:
    """It goes on when the rate is below; a pause without an end ends the run, which can be taken up."""
    toml = "[backfill]\nwal_mb_per_s = {}\npause_limit_s = {}\n"
    project.runbook("small", "update t set c = 'new' where c is null", toml.format("0.02", "0.3"))
    run_id = project.stage("baseline", "small", table.target).run_id
    with pytest.raises(errors.Aborted, match="still the server writes"):
        project.stage("migrate", "small", table.target, run_id=run_id)
    assert table.run("select count(*) from t where c = 'new'") == [(900,)]
    table.run("update t set c = 'mine' where id > 2000")  # so that it is one batch which it pauses after
    project.runbook("small", "update t set c = 'new' where c is null", toml.format("0.15", "60"))
    project.stage("migrate", "small", table.target, run_id=run_id)
    assert table.run("select count(*) from t where c = 'new'") == [(1800,)]
    assert all("MB of WAL per second" in e["reason"] for e in events(project, "small", run_id, "pause"))
    assert len(events(project, "small", run_id, "pause")) >= 2


def test_a_role_that_may_not_see_replicas__is_told_once(project: Project, database: Place, role: Role) -> None:
    """What can't be seen is never taken for none."""
    database.run(*(s.sql for s in sqlfile.split(ledger.ddl("pgrunbook", role.name))))
    project.runbook("small", "update app.t set a = a + 1", 'search_path = ["app"]\n')
    run_id = project.stage("baseline", "small", role.target).run_id
    with psycopg.connect(database.conninfo, replication="database", autocommit=True):
        project.stage("migrate", "small", role.target, run_id=run_id)
    (told,) = events(project, "small", run_id, "not_seen")
    assert told["remedy"] == f"grant pg_monitor to {role.name}"
    assert database.run("select count(*) from app.t where a = id % 50 + 1") == [(500,)]
    assert project.stage("rollback", "small", role.target, run_id=run_id).verdict == "rolled_back"


def test_a_publication_that_would_take_the_old_values_along__stops_the_change(project: Project, table: Place) -> None:
    """The subscribers have no such table; nothing is written."""
    table.run("create publication everything for all tables")
    with pytest.raises(errors.PreflightFailed, match=r"everything would replicate pgrunbook\.kept_"):
        forward(project, table, "update t set a = 0", '[ledger]\npublished = "they have it"\n')
    assert table.run("select count(*) from t where a = 0") == [(0,)]
    assert kept(table) == []


def test_what_an_update_may_not_hold__is_refused_before_the_first_batch(project: Project, table: Place) -> None:
    """The batches are queries, which would take it for something else."""
    with pytest.raises(errors.StatementFailed, match="set-returning functions are not allowed in UPDATE"):
        forward(project, table, "update t set a = generate_series(1, 2)")
    assert kept(table) == []
