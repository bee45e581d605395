"""Runners that are killed or interrupted in the middle of it: whatever they leave is taken up, or rolled back."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from fix_databases import Place
from fix_faults import (
    TABLE,
    WORKING,
    Gate,
    Runner,
    events,
    holding,
    invalid_indexes,
    once,
    steps,
    tells_of,
    there,
    until,
    valid,
    waiting,
)  # fmt: skip
from fix_project import Project
from pgrunbook import errors, fingerprint

GATED_INDEX = "create index t_a on t (gated(a));"

Launch = Callable[..., Runner]


@pytest.fixture
def database(database: Place) -> Place:
    """A database with two small tables."""
    database.run(*TABLE)
    return database


def killed_at_the_gate(
    project: Project, gate: Gate, launch: Launch, migrate: str = GATED_INDEX, toml: str = ""
) -> tuple[str, dict[str, str]]:
    """A run whose runner was killed during a build that now cannot end; its id, and the fingerprint before it."""
    project.runbook("small", migrate, toml)
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    before = prints(gate.place)
    runner = launch("migrate", "small", gate.place.target, run_id)
    until(lambda: gate.stuck() and events(project, "small", run_id, "change_started"))
    runner.kill()
    return run_id, before


def prints(place: Place) -> dict[str, str]:
    """The schema's fingerprint."""
    with place.connect() as db:
        return fingerprint.take(db, "pgrunbook")


def migrate(project: Project, place: Place, run_id: str) -> dict[str, str]:
    """Migrate in this process; what became of each change."""
    result = project.stage("migrate", "small", place.target, run_id=run_id)
    return {c.object: c.measured for c in result.findings if c.check == "change"}


def orphans(project: Project, run_id: str) -> list[str]:
    """What was done with the orphans that the journal tells of."""
    return [e["action"] for e in events(project, "small", run_id, "orphan")]


def nobody_works(place: Place) -> bool:
    """Whether the working sessions are gone; a backend is there a moment longer than its client."""
    return not place.run(WORKING)


# -- kill -9 during a build -------------------------------------------------------------------------------------


def test_killed_runner__leaves_a_build_that_a_resumed_run_waits_for_and_owns(
    project: Project, gate: Gate, launch: Launch
) -> None:
    """Off the sandbox the orphaned backend goes on; hours of its work are not thrown away."""
    run_id, before = killed_at_the_gate(project, gate, launch)
    assert gate.stuck()
    with once(lambda: orphans(project, run_id), gate.open):
        assert migrate(project, gate.place, run_id) == {"public.t_a": "done"}
    (orphan,) = events(project, "small", run_id, "orphan")
    assert (orphan["object"], orphan["action"]) == ("public.t_a", "wait")
    assert orphan["application"].startswith(f"pgrunbook small {run_id}")
    (done,) = events(project, "small", run_id, "change_done")
    assert done["detail"] == "the server had finished it after the runner was gone"
    assert valid(gate.place, "t_a")
    assert steps(gate.place, run_id) == [("public.t_a", "applied", True)]
    assert project.stage("verify", "small", gate.place.target, run_id=run_id).verdict == "passed"
    assert project.stage("rollback", "small", gate.place.target, run_id=run_id).verdict == "rolled_back"
    assert prints(gate.place) == before


def test_killed_runner_with_orphan_cancel__has_its_build_cancelled_and_begun_anew(
    project: Project, gate: Gate, launch: Launch
) -> None:
    """build.orphan = cancel: the resumed run does not wait for it."""
    run_id, _ = killed_at_the_gate(project, gate, launch, toml='[build]\norphan = "cancel"\n')
    with once(lambda: orphans(project, run_id), gate.open):
        assert migrate(project, gate.place, run_id)["public.t_a"] in ("rebuilt", "done")
    assert orphans(project, run_id) == ["cancel"]
    assert valid(gate.place, "t_a")


@pytest.mark.servers
def test_killed_runner_with_cancel_if_client_dies__leaves_an_invalid_index_that_is_rebuilt(
    project: Project, gate: Gate, launch: Launch
) -> None:
    """client_connection_check_interval stops the build within a second; the next run rebuilds it and owns it."""
    run_id, _ = killed_at_the_gate(project, gate, launch, toml="[build]\ncancel_if_client_dies = true\n")
    until(lambda: nobody_works(gate.place))
    assert invalid_indexes(gate.place) == ["t_a"]
    gate.open()
    assert migrate(project, gate.place, run_id) == {"public.t_a": "rebuilt"}
    assert steps(gate.place, run_id) == [("public.t_a", "applied", True)]
    result = project.stage("rollback", "small", gate.place.target, run_id=run_id)
    assert not [c for c in result.findings if "leftover" in c.detail]


def test_killed_runner__is_rolled_back_without_waiting_for_its_build(
    project: Project, gate: Gate, launch: Launch
) -> None:
    """The orphan is cancelled, and everything is as it was before."""
    columns = "alter table t add column c text;"
    run_id, before = killed_at_the_gate(project, gate, launch, columns + GATED_INDEX)
    result = project.stage("rollback", "small", gate.place.target, run_id=run_id)
    assert result.verdict == "rolled_back"
    assert {c.object: c.measured for c in result.findings if c.check == "undo"} == {
        "public.t.c": "undone",
        "public.t_a": "undone",
    }
    until(lambda: nobody_works(gate.place))
    assert prints(gate.place) == before


def test_killed_runner_of_a_large_build__is_resumed(project: Project, gate: Gate, launch: Launch) -> None:
    """A real one, with a sort on disk after the gate at its last row; the end state is that of a run without the kill."""
    place = gate.place
    place.run(
        "create table big (id int, a text)",
        "insert into big select i, md5(i::text) from generate_series(1, 100000) i",
        "analyze big",
    )
    index = "create index big_a on big (upper(a || a || id), (case when id = 100000 then gated(id) end));"
    toml = '[build]\nmaintenance_work_mem = "1MB"\nparallel_workers = 0\n'
    run_id, before = killed_at_the_gate(project, gate, launch, index, toml)

    def told() -> bool:  # of the orphan's phase, by the run that waits for it
        progress = events(project, "small", run_id, "progress")
        return any(e["position"] == 0 and e["phase"].startswith("building index") for e in progress)

    with once(told, gate.open):
        assert migrate(project, place, run_id) == {"public.big_a": "done"}
    assert told()
    assert valid(place, "big_a")
    assert project.stage("rollback", "small", place.target, run_id=run_id).verdict == "rolled_back"
    assert prints(place) == before


# -- kill -9 elsewhere ------------------------------------------------------------------------------------------


def killed_while_its_build_waits_for_the_table(
    project: Project, database: Place, launch: Launch
) -> tuple[str, dict[str, str]]:
    """A runner killed while its CREATE INDEX CONCURRENTLY waits for a lock: no view shows yet what it will make."""
    project.runbook("small", "create index t_a on t (a);")
    run_id = project.stage("baseline", "small", database.target).run_id
    before = prints(database)
    runner = launch("migrate", "small", database.target, run_id)
    until(lambda: waiting(database))
    runner.kill()
    assert not there(database, "t_a")
    return run_id, before


def test_killed_runner_whose_build_waits_for_a_lock__is_resumed(
    project: Project, database: Place, launch: Launch
) -> None:
    """A second build beside it would fail on the name; the orphan is found by the lock it holds, and waited for."""
    with holding(database, "lock table t in share update exclusive mode", snapshot=False) as session:
        run_id, _ = killed_while_its_build_waits_for_the_table(project, database, launch)
        with once(lambda: orphans(project, run_id), lambda: session.execute("rollback")):
            assert migrate(project, database, run_id) == {"public.t_a": "done"}
    assert orphans(project, run_id) == ["wait"]
    assert steps(database, run_id) == [("public.t_a", "applied", True)]


@pytest.mark.servers
def test_killed_runner_whose_build_waits_for_a_lock__does_not_build_after_a_rollback(
    project: Project, database: Place, launch: Launch
) -> None:
    """Otherwise the index would appear once the lock is free, with the run said to be rolled back."""
    with holding(database, "lock table t in share update exclusive mode", snapshot=False):
        run_id, before = killed_while_its_build_waits_for_the_table(project, database, launch)
        assert project.stage("rollback", "small", database.target, run_id=run_id).verdict == "rolled_back"
        until(lambda: nobody_works(database))
    assert not there(database, "t_a")
    assert prints(database) == before


@pytest.mark.servers
def test_orphan_past_the_budget__aborts_and_names_who_it_waits_for(
    project: Project, database: Place, launch: Launch
) -> None:
    """An orphaned build waits like any other; the resumed run does not wait for ever with it."""
    with holding(database, "lock table t in share update exclusive mode", snapshot=False) as session:
        run_id, _ = killed_while_its_build_waits_for_the_table(project, database, launch)
        project.runbook("small", "create index t_a on t (a);", "[limits]\nwait_budget_s = 0.4\n")
        with pytest.raises(errors.Aborted) as caught:
            migrate(project, database, run_id)
        assert f"pid {session.info.backend_pid} (reporter, postgres" in caught.value.message
        assert "pg_cancel_backend" in caught.value.remedy
    assert migrate(project, database, run_id) == {"public.t_a": "done"}


def test_runner_killed_between_two_changes__is_resumed_with_the_second(
    project: Project, database: Place, launch: Launch
) -> None:
    """The first is done and stays as it is; the end state is that of a run without the kill."""
    project.runbook(
        "small", "create index t_a on t (a); alter table t add column c text;", "[limits]\nlock_timeout_ms = 100\n"
    )
    run_id = project.stage("baseline", "small", database.target).run_id
    before = prints(database)
    with holding(database, "select * from t limit 1", snapshot=False):
        runner = launch("migrate", "small", database.target, run_id)
        until(lambda: events(project, "small", run_id, "retry"))
        runner.kill()
    assert steps(database, run_id) == [("public.t_a", "applied", True), ("public.t.c", "started", True)]
    assert migrate(project, database, run_id) == {"public.t_a": "done before", "public.t.c": "done"}
    assert project.stage("rollback", "small", database.target, run_id=run_id).verdict == "rolled_back"
    assert prints(database) == before


def test_rollback_killed_half_way__is_taken_up(project: Project, gate: Gate, launch: Launch) -> None:
    """The first drop is done, the second waits for a transaction on the table; the next rollback finishes."""
    gate.open()
    place = gate.place
    project.runbook("small", "create index other_x on other (x); create index t_a on t (a);")
    before = prints(place)
    run_id = project.forward("small", place.target)
    with holding(place, "select * from other", snapshot=False):
        runner = launch("rollback", "small", place.target, run_id)
        until(lambda: tells_of(project, run_id, "reporter"))
        runner.kill()
    assert [status for _, status, _ in steps(place, run_id)] == ["applied", "undone"]
    with pytest.raises(errors.WrongUsage, match="was rolled back"):
        migrate(project, place, run_id)
    assert project.stage("rollback", "small", place.target).verdict == "rolled_back"
    assert prints(place) == before


def test_terminated_working_session__aborts_and_is_resumed(project: Project, gate: Gate, launch: Launch) -> None:
    """An administrator ends the backend: connection lost, exit status 40, and the next run rebuilds."""
    project.runbook("small", GATED_INDEX)
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch("migrate", "small", gate.place.target, run_id)
    until(gate.stuck)
    gate.place.run(WORKING.replace("select 1", "select pg_terminate_backend(pid)"))
    status, output = runner.ended()
    assert status == 40, output
    assert "LostConnection" in output
    assert invalid_indexes(gate.place) == ["t_a"]
    gate.open()
    assert migrate(project, gate.place, run_id) == {"public.t_a": "rebuilt"}


def test_journal_torn_by_a_crash__is_read_and_written_on(project: Project, database: Place) -> None:
    """A full disk or a power cut may leave half a line; the run goes on after it."""
    project.runbook("small", "create index t_a on t (a);")
    run_id = project.stage("baseline", "small", database.target).run_id
    path = project.root / "evidence" / "small" / run_id / "journal.jsonl"
    with path.open("a") as journal:
        journal.write('{"at": "2026-01-01", "event": "progr')
    assert migrate(project, database, run_id) == {"public.t_a": "done"}
    assert len(events(project, "small", run_id, "torn")) == 1
    assert project.stage("verify", "small", database.target, run_id=run_id).verdict == "passed"


@pytest.mark.servers
def test_terminated_watching_session__is_replaced(project: Project, gate: Gate, launch: Launch) -> None:
    """The build is still looked after: its waiting is bounded, and interrupts are heeded."""
    project.runbook("small", GATED_INDEX)
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch("migrate", "small", gate.place.target, run_id)
    watching = WORKING.replace("%work", "%watch")
    until(lambda: gate.stuck() and gate.place.run(watching))
    gate.place.run(watching.replace("select 1", "select pg_terminate_backend(pid)"))
    told = len(events(project, "small", run_id, "progress"))
    until(lambda: len(events(project, "small", run_id, "progress")) > told)
    gate.open()
    status, output = runner.ended()
    assert status == 0, output
    assert valid(gate.place, "t_a")


@pytest.mark.servers
def test_watching_session_that_can_not_be_replaced__aborts_and_the_build_is_found_again(
    project: Project, gate: Gate, launch: Launch, server: str
) -> None:
    """Without it nobody bounds the waiting, so the runner stops at once; the build goes on."""
    project.runbook("small", GATED_INDEX)
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch("migrate", "small", gate.place.target, run_id)
    watching = WORKING.replace("%work", "%watch")
    until(lambda: gate.stuck() and gate.place.run(watching))
    ((pid,),) = gate.place.run(watching.replace("select 1", "select pid"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"alter database {gate.place.name} allow_connections false")
        admin.execute(f"select pg_terminate_backend({pid})")
        status, output = runner.ended()
        admin.execute(f"alter database {gate.place.name} allow_connections true")
    assert status == 40, output
    assert "LostConnection" in output
    assert gate.stuck()
    with once(lambda: orphans(project, run_id), gate.open):
        assert migrate(project, gate.place, run_id) == {"public.t_a": "done"}


# -- Ctrl-C -----------------------------------------------------------------------------------------------------


def test_one_interrupt__finishes_the_change_and_stops(project: Project, gate: Gate, launch: Launch) -> None:
    """The second change is not begun; the next run goes on with it."""
    project.runbook("small", GATED_INDEX + "create index t_b on t (b);")
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch("migrate", "small", gate.place.target, run_id)
    until(gate.stuck)
    runner.interrupt()
    until(lambda: events(project, "small", run_id, "interrupt"))
    gate.open()
    status, output = runner.ended()
    assert status == 40, output
    assert "Aborted stopped by hand between two changes" in output
    assert [e["verdict"] for e in events(project, "small", run_id, "stage_finished")] == ["passed", "aborted"]
    assert valid(gate.place, "t_a")
    assert not there(gate.place, "t_b")
    assert migrate(project, gate.place, run_id) == {"public.t_a": "done before", "public.t_b": "done"}


def test_two_interrupts__cancel_the_change_and_leave_nothing_invalid(
    project: Project, gate: Gate, launch: Launch
) -> None:
    """The connection stays usable, so the leftover is dropped; the next run builds it."""
    project.runbook("small", GATED_INDEX)
    run_id = project.stage("baseline", "small", gate.place.target).run_id
    runner = launch("migrate", "small", gate.place.target, run_id)
    until(gate.stuck)
    for presses in (1, 2):
        runner.interrupt()
        until(lambda presses=presses: len(events(project, "small", run_id, "interrupt")) == presses)
    status, output = runner.ended()
    assert status == 40, output
    assert "Aborted cancelled by hand" in output
    assert not there(gate.place, "t_a")
    gate.open()
    assert migrate(project, gate.place, run_id) == {"public.t_a": "done"}


def test_interrupt_while_waiting_for_a_lock__stops_at_once(project: Project, database: Place, launch: Launch) -> None:
    """Between two tries nothing is under way, so one interrupt is enough."""
    project.runbook("small", "alter table t add column c text;", "[limits]\nlock_timeout_ms = 100\n")
    run_id = project.stage("baseline", "small", database.target).run_id
    with holding(database, "select * from t limit 1", snapshot=False):
        runner = launch("migrate", "small", database.target, run_id)
        until(lambda: events(project, "small", run_id, "retry"))
        runner.interrupt()
        status, output = runner.ended()
    assert status == 40, output
    assert "stopped by hand" in output
    assert steps(database, run_id) == [("public.t.c", "undone", True)]
