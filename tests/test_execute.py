"""Changes carried out and undone against leftovers, blockers, contention and errors; ownership by the ledger."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest

from fix_databases import Place
from fix_faults import (
    TABLE,
    Gate,
    Role,
    events,
    holding,
    invalid_indexes,
    leave_invalid,
    once,
    running,
    steps,
    tells_of,
    there,
    until,
    valid,
    waiting,
)  # fmt: skip
from fix_project import Project
from pgrunbook import errors, ledger, stages
from pgrunbook.db import Database
from pgrunbook.description import Limits
from pgrunbook.lock import hold_lock
from pgrunbook.stages import StageResult
from pgrunbook.stages import migrate as migrating
from pgrunbook.watch import Watch

INDEX = "create index t_a on t (a);"
TWO = "create index t_a on t (a); alter table t add column c text;"
CONTENDED = "[limits]\nlock_timeout_ms = 100\nlock_tries = 2\n"
SEEN = CONTENDED.replace("100", "500")  # long enough for the one who looks on to see who is in the way
IMPATIENT = "[limits]\nwait_budget_s = 0.4\n"


@pytest.fixture
def database(database: Place) -> Place:
    """A database with two small tables."""
    database.run(*TABLE)
    return database


def begin(project: Project, database: Place, migrate: str, toml: str = "", files: dict | None = None) -> str:
    """A runbook and its baseline; the run's id."""
    project.runbook("small", migrate, toml, files)
    return project.stage("baseline", "small", database.target).run_id


def migrate(project: Project, database: Place, run_id: str) -> dict[str, str]:
    """Migrate; what became of each change."""
    result = project.stage("migrate", "small", database.target, run_id=run_id)
    return {c.object: c.measured for c in result.findings if c.check == "change"}


def rollback(project: Project, database: Place, run_id: str, **parameters: object) -> StageResult:
    """Roll back, and have the proof hold."""
    result = project.stage("rollback", "small", database.target, run_id=run_id, **parameters)
    assert result.verdict == "rolled_back"
    return result


def undone(result: StageResult) -> dict[str, str]:
    """What a rollback did with each change."""
    return {c.object: c.measured for c in result.findings if c.check == "undo"}


# -- leftovers and what was there before ------------------------------------------------------------------------


@pytest.mark.parametrize("concurrently", ["true", "false"])
def test_invalid_leftover__is_dropped_and_rebuilt_and_not_restored(
    project: Project, database: Place, concurrently: str
) -> None:
    """IF NOT EXISTS would accept it. The proof of the rollback lists it as an exception."""
    leave_invalid(database, "create index concurrently t_a on t (a)")
    toml = f"[objects.t_a]\nconcurrently = {concurrently}\n"
    run_id = begin(project, database, "create index if not exists t_a on t (a);", toml)
    assert migrate(project, database, run_id) == {"public.t_a": "rebuilt"}
    assert valid(database, "t_a")
    result = rollback(project, database, run_id)
    assert not there(database, "t_a")
    (proof,) = [c for c in result.findings if c.check == "fingerprint" and c.object == "invalid index"]
    assert "an invalid leftover was not restored" in proof.detail
    assert "CREATE INDEX t_a ON public.t USING btree (a)" in proof.detail


def test_invalid_leftover_of_another_definition__stops(project: Project, database: Place) -> None:
    """It may be somebody else's build that did not finish."""
    leave_invalid(database, "create index concurrently t_a on t (b)")
    run_id = begin(project, database, INDEX)
    with pytest.raises(errors.PreflightFailed, match=r"USING btree \(b\)"):
        migrate(project, database, run_id)
    assert invalid_indexes(database) == ["t_a"]


def test_another_invalid_index_that_appears__is_no_exception(project: Project, database: Place) -> None:
    """Only the leftover that the run replaced is excused; what else differs is told."""
    leave_invalid(database, "create index concurrently t_a on t (a)")
    run_id = begin(project, database, INDEX)
    migrate(project, database, run_id)
    leave_invalid(database, "create index concurrently t_b on t (b)")
    with pytest.raises(errors.RollbackFailed, match=r"invalid index public\.t_b: new"):
        project.stage("rollback", "small", database.target, run_id=run_id)


@pytest.mark.parametrize(
    ("found", "planned"),
    [
        ("create index t_a on t (id) where a = any (array[1, 2])", "create index t_a on t (id) where a in (1, 2);"),
        ("create index t_a on t (lower((b)))", "create index if not exists t_a on t using btree (lower(b) asc);"),
        ("create unique index t_a on t (id, a)", "create unique index t_a on public.t (id asc nulls last, a);"),
    ],
)
def test_equal_index_that_was_there__is_not_owned_and_survives(
    project: Project, database: Place, found: str, planned: str
) -> None:
    """However differently it is spelled: a rollback undoes what its run did and nothing else."""
    database.run(found)
    run_id = begin(project, database, planned + "create index t_b on t (b);")
    assert migrate(project, database, run_id) == {"public.t_a": "there before", "public.t_b": "done"}
    assert migrate(project, database, run_id) == {"public.t_a": "there before", "public.t_b": "done before"}
    assert steps(database, run_id) == [("public.t_a", "already", False), ("public.t_b", "applied", True)]
    assert undone(rollback(project, database, run_id)) == {"public.t_b": "undone"}
    assert valid(database, "t_a")
    assert not there(database, "t_b")


def test_column_that_was_there__is_not_owned_and_survives(project: Project, database: Place) -> None:
    """With its data, and without being asked about it."""
    database.run("alter table t add column c text", "update t set c = 'kept'")
    run_id = begin(project, database, TWO)
    assert migrate(project, database, run_id) == {"public.t_a": "done", "public.t.c": "there before"}
    rollback(project, database, run_id, scope="all")
    assert database.run("select count(c) from t") == [(2000,)]


def test_index_that_somebody_dropped_meanwhile__is_gone_already(project: Project, database: Place) -> None:
    """The rollback says so and goes on."""
    run_id = begin(project, database, TWO)
    migrate(project, database, run_id)
    database.run("drop index t_a")
    assert undone(rollback(project, database, run_id)) == {"public.t.c": "undone", "public.t_a": "gone already"}


def test_index_that_somebody_replaced_meanwhile__is_left_and_the_rollback_fails(
    project: Project, database: Place
) -> None:
    """It is not this run's any more; the statement that mends it is a person's decision."""
    run_id = begin(project, database, INDEX)
    migrate(project, database, run_id)
    database.run("drop index t_a", "create index t_a on t (b)")
    with pytest.raises(errors.RollbackFailed, match="somebody changed it since") as caught:
        project.stage("rollback", "small", database.target, run_id=run_id)
    assert caught.value.exit_status == 30
    assert valid(database, "t_a")


# -- blockers ---------------------------------------------------------------------------------------------------


def test_old_snapshot_past_the_budget__aborts_cleaned_up_and_can_be_resumed(project: Project, database: Place) -> None:
    """A build waits for every older snapshot; the watcher sums the waiting, names the holder, and cancels."""
    run_id = begin(project, database, INDEX, IMPATIENT)
    with holding(database, application="nightly report") as session:
        pid = session.info.backend_pid
        with pytest.raises(errors.Aborted) as caught:
            migrate(project, database, run_id)
    assert (caught.value.exit_status, caught.value.verdict) == (40, "aborted")
    assert f"pid {pid} (nightly report, postgres, for" in caught.value.message
    assert "limits.wait_budget_s" in caught.value.remedy
    assert not there(database, "t_a")
    assert steps(database, run_id) == [("public.t_a", "undone", True)]
    assert migrate(project, database, run_id) == {"public.t_a": "done"}
    rollback(project, database, run_id)
    assert not there(database, "t_a")


def test_blocker_on_the_table_itself__leaves_an_invalid_index_that_is_told_and_rebuilt(
    project: Project, database: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drop waits for it as well; the journal says what is left and how to go on."""
    monkeypatch.setattr("pgrunbook.execute._CLEAN_UP_S", 0.3)
    run_id = begin(project, database, INDEX, IMPATIENT)
    with holding(database, "select * from t limit 1"), pytest.raises(errors.Aborted):
        migrate(project, database, run_id)
    assert invalid_indexes(database) == ["t_a"]
    (left,) = events(project, "small", run_id, "left_over")
    assert left["object"] == "public.t_a"
    assert "drop index concurrently public.t_a" in left["remedy"]
    assert migrate(project, database, run_id) == {"public.t_a": "rebuilt"}
    result = rollback(project, database, run_id)
    assert not there(database, "t_a")
    assert all(c.verdict == "passed" for c in result.findings if c.check == "fingerprint")


def test_old_snapshot_within_the_budget__is_waited_for_and_told(project: Project, database: Place) -> None:
    """Progress names who is waited for, and the time waited stands beside the time worked."""
    run_id = begin(project, database, INDEX)
    with (
        holding(database) as session,
        once(lambda: tells_of(project, run_id, "(reporter, postgres"), lambda: session.execute("rollback")),
    ):
        migrate(project, database, run_id)
    (done,) = events(project, "small", run_id, "change_done")
    assert 0 < done["waited"] <= done["seconds"]
    assert tells_of(project, run_id, "(reporter, postgres")


def test_second_run_at_once__is_busy_and_names_the_holder(project: Project, database: Place) -> None:
    """One stage of a runbook at a time on a database; another runbook goes on."""
    run_id = begin(project, database, INDEX)
    project.runbook("another", "create index t_b on t (b);")
    with database.connect(application_name="pgrunbook small elsewhere") as first:
        hold_lock(first, "small")
        with pytest.raises(errors.Busy) as caught:
            migrate(project, database, run_id)
        project.forward("another", database.target)
        assert (caught.value.exit_status, caught.value.verdict) == (40, "aborted")
        assert f"pid {first.backend_pid} (pgrunbook small elsewhere, postgres) since" in caught.value.message
        assert f"select pg_terminate_backend({first.backend_pid})" in caught.value.remedy
    migrate(project, database, run_id)


def test_foreign_build_on_the_table__is_waited_for(project: Project, gate: Gate) -> None:
    """Two concurrent builds on one table deadlock, so the second begins when the first is done."""
    run_id = begin(project, gate.place, INDEX)
    with running(gate.place, "create index concurrently foreign_index on t (gated(a))", "psql of a DBA") as pid:
        until(gate.stuck)
        names = f"pid {pid} (psql of a DBA) builds foreign_index"
        with once(lambda: tells_of(project, run_id, names), gate.open):
            assert migrate(project, gate.place, run_id) == {"public.t_a": "done"}
        assert tells_of(project, run_id, names)
    assert valid(gate.place, "foreign_index")
    (done,) = events(project, "small", run_id, "change_done")
    assert done["waited"] > 0.1


def test_foreign_build_past_the_budget__aborts_and_names_it(project: Project, gate: Gate) -> None:
    """Preflight has told of it already; nothing of this run is left."""
    run_id = begin(project, gate.place, INDEX, IMPATIENT)
    with running(gate.place, "create index concurrently foreign_index on t (gated(a))", "psql of a DBA") as pid:
        until(gate.stuck)
        with pytest.raises(errors.Aborted) as caught:
            migrate(project, gate.place, run_id)
    assert f"pid {pid} (psql of a DBA) builds foreign_index" in caught.value.message
    assert not there(gate.place, "t_a")
    (finished,) = events(project, "small", run_id, "stage_finished")[1:]
    (told,) = [c for c in finished["findings"] if c["check"] == "running builds"]
    assert f"pid {pid} (psql of a DBA) builds foreign_index on public.t" in told["measured"]


def test_foreign_build_by_a_role_whose_progress_is_hidden__is_waited_for_all_the_same(
    project: Project, gate: Gate, role: Role
) -> None:
    """Without pg_read_all_stats the progress view shows a bare pid; that backend's lock on the table tells."""
    place = gate.place
    place.run(f"grant create on database {place.name} to {role.name}")
    project.runbook("small", INDEX, 'search_path = ["app"]\n' + IMPATIENT)
    run_id = project.stage("baseline", "small", role.target).run_id
    with running(place, "create index concurrently foreign_index on app.t (gated(a))", "psql of a DBA") as pid:
        until(gate.stuck)
        with pytest.raises(errors.Aborted, match=rf"pid {pid} \(psql of a DBA\) builds an index that is not visible"):
            project.stage("migrate", "small", role.target, run_id=run_id)


@pytest.mark.parametrize("hidden", [False, True])
def test_foreign_build_of_the_planned_index__is_waited_for_and_not_owned(
    project: Project, gate: Gate, role: Role, hidden: bool
) -> None:
    """Somebody builds by hand what the runbook plans: it is neither dropped as a leftover nor claimed."""
    place = gate.place
    place.run(f"grant create on database {place.name} to {role.name}", f"grant pg_read_all_stats to {role.name}")
    if hidden:
        place.run(f"revoke pg_read_all_stats from {role.name}")
    project.runbook("small", "create index t_a on t (public.gated(a));", 'search_path = ["app"]\n')
    run_id = project.stage("baseline", "small", role.target).run_id
    with running(place, "create index concurrently t_a on app.t (gated(a))"):
        until(gate.stuck)
        with once(lambda: events(project, "small", run_id, "orphan"), gate.open):
            project.stage("migrate", "small", role.target, run_id=run_id)
    assert [e["action"] for e in events(project, "small", run_id, "orphan")] == ["wait"]
    assert steps(place, run_id) == [("app.t_a", "already", False)]
    assert valid(place, "app.t_a")


# -- contention -------------------------------------------------------------------------------------------------


def test_column_under_contention__is_retried_until_the_lock_is_had(project: Project, database: Place) -> None:
    """ACCESS EXCLUSIVE under lock_timeout, with pauses in between, so that traffic is never queued for long."""
    run_id = begin(project, database, "alter table t add column c text;", "[limits]\nlock_timeout_ms = 100\n")
    with holding(database, "select * from t limit 1", application="web", snapshot=False) as session:
        names = f"held by pid {session.info.backend_pid} (web, postgres"

        def named() -> bool:  # a try may be over before anybody has looked who is in its way
            return any(names in e["reason"] for e in events(project, "small", run_id, "retry"))

        with once(named, lambda: session.execute("rollback")):
            assert migrate(project, database, run_id) == {"public.t.c": "done"}
    assert named()


def test_column_under_lasting_contention__aborts_and_names_the_blocker(project: Project, database: Place) -> None:
    """An earlier change stays; the second run goes on with the rest."""
    run_id = begin(project, database, TWO, SEEN)
    with holding(database, "select * from t limit 1", application="web", snapshot=False) as session:
        pid = session.info.backend_pid
        with pytest.raises(errors.Aborted) as caught:
            migrate(project, database, run_id)
    assert "no ACCESS EXCLUSIVE lock on public.t in 2 tries of 500 ms" in caught.value.message
    assert f"held by pid {pid} (web, postgres" in caught.value.message
    assert steps(database, run_id) == [("public.t_a", "applied", True), ("public.t.c", "undone", True)]
    assert migrate(project, database, run_id) == {"public.t_a": "done before", "public.t.c": "done"}
    rollback(project, database, run_id)


def test_prepared_transaction_in_the_way__is_named(project: Project, database: Place) -> None:
    """It appears after preflight has looked; it has no session and blocks as pid 0."""
    run_id = begin(project, database, "alter table t add column c text;", SEEN)
    with database.session() as session:
        session.execute("begin")
        session.execute("insert into t values (0)")
        session.execute("prepare transaction 'late'")
    try:
        parameters = migrating.MigrateParameters(runbook="small", target=database.target, run_id=run_id)
        made = stages.open_stage("migrate", parameters)
        with pytest.raises(errors.Aborted, match="held by a prepared transaction"):
            migrating.execute(made)
    finally:
        database.run("rollback prepared 'late'")


def test_lock_timeout__is_longer_than_the_deadlock_timeout(project: Project, database: Place) -> None:
    """A shorter one never displaces autovacuum; what the runbook says goes before."""
    database.run(f"alter database {database.name} set deadlock_timeout = '1700ms'")
    for given, expected in ((None, 2200), (900, 900)):
        limits = Limits(lock_timeout_ms=given)
        with Watch(_opener(database), limits, {}, _Silent()) as watch:
            assert watch.lock_timeout_ms == expected


def _opener(database: Place) -> Callable[..., Database]:
    return lambda _purpose, settings: database.connect(settings=settings)


class _Silent:
    """An observer that is not interested."""

    def progress(self, progress: object) -> None: ...

    def event(self, name: str, **data: object) -> None: ...


# -- the way back of a column -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["", "all"])
def test_column_that_got_data__is_not_dropped_without_an_acknowledgement(
    project: Project, database: Place, scope: str
) -> None:
    """The rollback refuses before it has undone anything, and says how to acknowledge."""
    run_id = begin(project, database, TWO)
    migrate(project, database, run_id)
    database.run("update t set c = 'precious' where id = 7")
    with pytest.raises(errors.CheckFailed) as caught:
        project.stage("rollback", "small", database.target, run_id=run_id, scope=scope)
    assert (caught.value.exit_status, caught.value.verdict) == (10, "failed")
    assert "the data in public.t.c; nothing was undone" in caught.value.message
    assert 'acknowledge_loss = "t.c"' in caught.value.remedy
    assert valid(database, "t_a")
    assert all(status == "applied" for _, status, _ in steps(database, run_id))
    assert undone(rollback(project, database, run_id, scope=scope, acknowledge_loss="t.c")) == {
        "public.t.c": "undone",
        "public.t_a": "undone",
    }


@pytest.mark.parametrize("migrated", ["alter table t add column c text;", f"alter table t add column c text; {INDEX}"])
def test_column_that_gets_data_while_the_rollback_is_under_way__is_kept(
    project: Project, database: Place, migrated: str
) -> None:
    """A writer that had not committed when the rollback looked; it is looked again once the lock is had."""
    run_id = begin(project, database, migrated)
    migrate(project, database, run_id)
    with holding(database, "update t set c = 'late' where id = 7", snapshot=False) as session:
        threading.Timer(0.4, session.execute, ["commit"]).start()
        with pytest.raises(errors.RollbackFailed) as caught:
            project.stage("rollback", "small", database.target, run_id=run_id)
    assert "the data in public.t.c came while the rollback was under way" in caught.value.message
    assert caught.value.message.endswith("still there: public.t.c")
    assert 'acknowledge_loss = "t.c"' in caught.value.remedy
    assert database.run("select c from t where id = 7") == [("late",)]
    assert not there(database, "t_a")
    rollback(project, database, run_id, acknowledge_loss="t.c")


def test_column_that_got_data__goes_where_the_runbook_acknowledges_it(project: Project, database: Place) -> None:
    """With a reason, which the ledger keeps."""
    run_id = begin(project, database, TWO, '[objects."t.c"]\nacknowledge_loss = "a cache"\n')
    migrate(project, database, run_id)
    database.run("update t set c = 'cached'")
    rollback(project, database, run_id)
    assert database.run("select count(*) from pg_attribute where attrelid = 't'::regclass and attname = 'c'") == [(0,)]


def test_column_to_keep__stays_by_default_and_is_listed(project: Project, database: Place) -> None:
    """on_rollback = keep, with data or without; scope = all drops it, as long as it is empty, also later."""
    run_id = begin(project, database, TWO, '[objects."t.c"]\non_rollback = "keep"\n')
    migrate(project, database, run_id)
    database.run("update t set c = 'in use' where id = 7")
    result = rollback(project, database, run_id)
    assert undone(result) == {"public.t.c": "kept", "public.t_a": "undone"}
    (kept,) = [c for c in result.findings if c.object == "public.t.c"]
    assert kept.detail == "kept on purpose (on_rollback = keep)"
    assert all(c.verdict == "passed" for c in result.findings if c.check == "fingerprint")
    with pytest.raises(errors.CheckFailed, match=r"the data in public\.t\.c"):
        project.stage("rollback", "small", database.target, run_id=run_id, scope="all")
    database.run("update t set c = null")
    assert undone(rollback(project, database, run_id, scope="all")) == {"public.t.c": "undone"}


def test_column_out_of_scope__stays_and_is_listed(project: Project, database: Place) -> None:
    """scope = indexes is the quick way: no lock that blocks traffic."""
    run_id = begin(project, database, TWO)
    migrate(project, database, run_id)
    database.run("update t set c = 'in use' where id = 7")
    result = rollback(project, database, run_id, scope="indexes")
    assert undone(result) == {"public.t.c": "kept", "public.t_a": "undone"}
    assert [c.detail for c in result.findings if c.object == "public.t.c"] == ["out of the asked scope (indexes)"]


def test_column_with_a_default__holds_no_data_until_a_row_differs(project: Project, database: Place) -> None:
    """The default that it was added with is no data."""
    run_id = begin(project, database, "alter table t add column c integer not null default 7;", "live = true\n")
    migrate(project, database, run_id)
    database.run("insert into t (id, c) values (0, 8)")
    with pytest.raises(errors.CheckFailed):
        project.stage("rollback", "small", database.target, run_id=run_id)
    database.run("update t set c = 7")
    rollback(project, database, run_id)


def test_drop_past_the_budget__aborts_and_is_taken_up(project: Project, database: Place) -> None:
    """A concurrent drop waits for transactions on the table; cancelled, it leaves an invalid index."""
    run_id = begin(project, database, INDEX, IMPATIENT)
    migrate(project, database, run_id)
    with holding(database, "select * from t limit 1", application="web", snapshot=False) as session:
        pid = session.info.backend_pid
        with pytest.raises(errors.Aborted, match=rf"pid {pid} \(web, postgres") as caught:
            project.stage("rollback", "small", database.target, run_id=run_id)
    assert caught.value.exit_status == 40
    assert undone(rollback(project, database, run_id)) == {"public.t_a": "undone"}


# -- statements of no known kind --------------------------------------------------------------------------------

VIEW = "create view v as select a from t;"
VIEW_BACK = {"rollback.sql": "-- undoes: statement_1\ndrop view v;"}


def test_raw_sql_with_an_inverse__goes_there_and_back(project: Project, database: Place) -> None:
    """Run as written, once; undone by what rollback.sql says."""
    run_id = begin(project, database, VIEW, files=VIEW_BACK)
    assert migrate(project, database, run_id) == {"statement_1": "done"}
    assert there(database, "v")
    assert migrate(project, database, run_id) == {"statement_1": "done before"}
    result = rollback(project, database, run_id)
    assert undone(result) == {"statement_1": "undone"}
    assert all(c.verdict == "passed" for c in result.findings if c.check == "fingerprint")


def test_raw_sql_that_is_irreversible__is_kept_and_listed_with_its_reason(project: Project, database: Place) -> None:
    """What it left is shown as a difference that does not gate."""
    run_id = begin(project, database, VIEW + INDEX, '[objects.statement_1]\nirreversible = "readers use it"\n')
    migrate(project, database, run_id)
    result = rollback(project, database, run_id)
    assert undone(result) == {"public.t_a": "undone", "statement_1": "kept"}
    (kept,) = [c for c in result.findings if c.check == "undo" and c.object == "statement_1"]
    assert kept.detail == "can't be undone: readers use it"
    (differs,) = [c for c in result.findings if c.check == "fingerprint" and c.object == "relation"]
    assert not differs.gates
    assert "relation public.v: new" in differs.detail
    assert there(database, "v")


def test_index_that_another_session_made_meanwhile__is_not_owned(project: Project, database: Place) -> None:
    """Its uncommitted CREATE INDEX is not seen, ours fails on the name; a second run finds theirs and leaves it."""
    run_id = begin(project, database, INDEX)
    with database.session() as other:
        other.execute("begin")
        other.execute("create index t_a on t (a)")
        with once(lambda: waiting(database), other.commit), pytest.raises(errors.StatementFailed) as caught:
            migrate(project, database, run_id)
        assert caught.value.sqlstate == "42P07"
    assert migrate(project, database, run_id) == {"public.t_a": "there before"}
    rollback(project, database, run_id)
    assert there(database, "t_a")


def test_raw_sql__is_done_once_whatever_the_number_of_runs(project: Project, database: Place) -> None:
    """It leaves no trace in the catalog; the ledger tells the second run that the first one did it."""
    back = {"rollback.sql": "-- undoes: statement_1\nupdate other set x = x / 2;"}
    for expected in ("done", "there before"):
        run_id = begin(project, database, "update other set x = x * 2;", "live = true\n", back)
        assert migrate(project, database, run_id) == {"statement_1": expected}
    assert database.run("select x from other") == [(2,)]


def test_irreversible_raw_sql_that_was_not_done__is_not_said_to_be_kept(project: Project, database: Place) -> None:
    """It failed, so there is nothing that could not be undone."""
    database.run("create table v ()")
    run_id = begin(project, database, VIEW, '[objects.statement_1]\nirreversible = "readers use it"\n')
    with pytest.raises(errors.StatementFailed):
        migrate(project, database, run_id)
    assert undone(rollback(project, database, run_id)) == {"statement_1": "had not been done"}


def test_raw_sql_that_fails_half_way__leaves_nothing_and_the_second_run_goes_on(
    project: Project, database: Place
) -> None:
    """It is one transaction with its ledger row; the earlier change stays."""
    half = """
        do $$ begin
            insert into other values (2);
            perform 1 / (select count(*) from other where x = 3);
        end $$;
    """
    back = {"rollback.sql": "-- undoes: statement_2\ndelete from other where x = 2;"}
    run_id = begin(project, database, INDEX + half, "live = true\n", back)
    with pytest.raises(errors.StatementFailed, match="division by zero") as caught:
        migrate(project, database, run_id)
    assert "run it again" in caught.value.remedy
    assert database.run("select x from other") == [(1,)]
    assert steps(database, run_id) == [("public.t_a", "applied", True), ("statement_2", "started", True)]
    database.run("insert into other values (3)")
    assert migrate(project, database, run_id) == {"public.t_a": "done before", "statement_2": "done"}
    assert database.run("select x from other order by x") == [(1,), (2,), (3,)]
    rollback(project, database, run_id)
    assert database.run("select x from other order by x") == [(1,), (3,)]


def test_inverse_that_fails__says_what_is_left_and_how_to_mend_it(project: Project, database: Place) -> None:
    """Exit status 30; what was undone before stays undone, and a second rollback goes on."""
    run_id = begin(project, database, VIEW + INDEX, files=VIEW_BACK)
    migrate(project, database, run_id)
    database.run("create view on_top as select * from v")
    with pytest.raises(errors.RollbackFailed) as caught:
        project.stage("rollback", "small", database.target, run_id=run_id)
    assert (caught.value.exit_status, caught.value.verdict) == (30, "rollback_failed")
    assert caught.value.message.endswith("still there: statement_1")
    assert "drop view v" in caught.value.remedy
    assert not there(database, "t_a")
    with pytest.raises(errors.WrongUsage, match="was rolled back; it can't be carried out again"):
        migrate(project, database, run_id)
    database.run("drop view on_top")
    assert undone(rollback(project, database, run_id)) == {"statement_1": "undone"}


# -- names ------------------------------------------------------------------------------------------------------


def test_names_that_need_quotes__go_there_and_back(project: Project, database: Place) -> None:
    """Quotes, spaces, percent signs, capitals and 63 bytes."""
    table, index = '"we\'ird %s"', '"' + "I" * 59 + ' %d"'
    database.run('create schema "My ""Schema"""', f'create table "My ""Schema""".{table} (id int, "select" int)')
    migrated = f"""
        create index if not exists {index} on {table} ("select");
        alter table {table} add column "Ünï "" %s" text;
    """
    run_id = begin(project, database, migrated, "search_path = ['My \"Schema\"']\n")
    assert set(migrate(project, database, run_id).values()) == {"done"}
    assert set(migrate(project, database, run_id).values()) == {"done before"}
    assert set(undone(rollback(project, database, run_id)).values()) == {"undone"}


# -- failing builds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrently", ["true", "false"])
def test_unique_index_on_duplicates__leaves_no_invalid_index_and_is_resumed(
    project: Project, database: Place, concurrently: str
) -> None:
    """The error says what to do and quotes no row; after the data is mended the same run goes on."""
    database.run("insert into t values (3000, 1, 'b1')")
    run_id = begin(
        project, database, "create index t_a on t (a); create unique index t_b on t (b);",
        f"live = true\n[objects.t_b]\nconcurrently = {concurrently}\n",
    )  # fmt: skip
    with pytest.raises(errors.StatementFailed, match="could not create unique index") as caught:
        migrate(project, database, run_id)
    assert caught.value.exit_status == 10
    assert "mend the cause, then run it again" in caught.value.remedy
    (query,) = re.findall(r"in the way: (select .*?);", caught.value.remedy)
    assert database.run(query) == [("b1", 2)]
    assert "b1" not in str(caught.value)
    assert not there(database, "t_b")
    assert valid(database, "t_a")
    database.run("delete from t where id = 3000")
    assert migrate(project, database, run_id) == {"public.t_a": "done before", "public.t_b": "done"}
    rollback(project, database, run_id)


# -- the ledger alone -------------------------------------------------------------------------------------------


def test_build_that_was_finished_before_the_ledger_knew__is_still_owned(project: Project, database: Place) -> None:
    """A kill between the build's end and the ledger's row: the row says started, the index is complete."""
    run_id = begin(project, database, INDEX)
    migrate(project, database, run_id)
    database.run("update pgrunbook.step set status = 'started'", "update pgrunbook.run set status = 'running'")
    assert migrate(project, database, run_id) == {"public.t_a": "done"}
    assert steps(database, run_id) == [("public.t_a", "applied", True)]
    rollback(project, database, run_id)
    assert not there(database, "t_a")


def test_ledger_of_another_name__is_used_throughout(project: Project, database: Place) -> None:
    """Its schema is the runbook's to choose."""
    run_id = begin(project, database, TWO, '[ledger]\nschema = "Deploy log"\n')
    migrate(project, database, run_id)
    assert database.run('select count(*) from "Deploy log".step') == [(2,)]
    rollback(project, database, run_id)
    assert there(database, '"Deploy log".run')


def test_ledgers_ddl__runs_twice_and_has_keys(project: Project, database: Place) -> None:
    """An administrator may run it again for a further role; every table has a primary key."""
    for _ in range(2):
        database.run(ledger.ddl("pgrunbook"))
    assert database.run(
        "select relname::text, exists (select from pg_index where indrelid = c.oid and indisprimary)"
        " from pg_class c where relnamespace = 'pgrunbook'::regnamespace and relkind = 'r' order by 1"
    ) == [("run", True), ("snapshot", True), ("step", True), ("watched", True)]


def test_ledger_made_by_several_runs_at_once__is_made_once(database: Place) -> None:
    """Runbooks do not keep each other out, so two may begin on a new database in the same moment."""
    sessions = [database.connect() for _ in range(4)]
    failed: list[errors.PgRunbookError] = []

    def create(session: Database) -> None:
        try:
            ledger.Ledger(session, "pgrunbook").create()
        except errors.PgRunbookError as e:
            failed.append(e)

    threads = [threading.Thread(target=create, args=[s]) for s in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for session in sessions:
        session.close()


# -- what others do between two tries ----------------------------------------------------------------------------


def locked_out(project: Project, database: Place, statement: str) -> str:
    """A run whose only statement got no lock; its id."""
    run_id = begin(project, database, statement, CONTENDED)
    with holding(database, "select * from t limit 1", snapshot=False), pytest.raises(errors.Aborted):
        migrate(project, database, run_id)
    return run_id


def test_policy_tightened_between_two_tries__comes_back_as_tightened(project: Project, database: Place) -> None:
    """What the first try remembered is out of date; the undo would bring back a policy that lets more through."""
    database.run("create policy p on t using (true)")
    run_id = locked_out(project, database, "drop policy p on t;")
    database.run("alter policy p on t using (a = 42)")
    migrate(project, database, run_id)
    list_of = "select pg_get_expr(polqual, polrelid) from pg_policy"
    assert database.run(list_of) == []
    with pytest.raises(
        errors.RollbackFailed, match=r"policy public\.t\.p: changed"
    ):  # since the run began, and it says so
        project.stage("rollback", "small", database.target, run_id=run_id)
    assert database.run(list_of) == [("(a = 42)",)]


def test_constraint_made_by_another_between_two_tries__is_not_this_runs(project: Project, database: Place) -> None:
    """Nothing was done in the first try, so what stands there is not for the rollback to take away."""
    run_id = locked_out(project, database, "alter table t add constraint k check (a >= 0);")
    database.run("alter table t add constraint k check (a >= 0)")
    assert migrate(project, database, run_id) == {"public.t.k": "there before"}
    with pytest.raises(errors.MissingForerunner):
        project.stage("rollback", "small", database.target)
    assert database.run("select count(*) from pg_constraint where conname = 'k'") == [(1,)]
