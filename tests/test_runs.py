"""A run is bound to its database, its plan and its folder; a quiet database has to answer as before."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from fix_databases import Place
from fix_faults import TABLE, events, steps, there, untouched, valid
from fix_project import Project
from pgrunbook import errors, sandbox

INDEX = "create index t_a on t (a);"
QUERY = {
    "workload/by_a.sql": (
        "/*---\n"
        'title = "rows of one a"\n'
        'order = "id"\n'
        "[binds]\n"
        'common = "select 7 as a"\n'
        "---*/\n"
        "select id, b from t where a = :'a'::int\n"
    )
}


@pytest.fixture
def database(database: Place) -> Place:
    """A database with two small tables."""
    database.run(*TABLE)
    return database


def begin(project: Project, database: Place, toml: str = "") -> str:
    """A runbook with a query, and its baseline; the run's id."""
    project.runbook("small", INDEX, toml, QUERY)
    return project.stage("baseline", "small", database.target).run_id


# -- what a run is bound to -------------------------------------------------------------------------------------


def test_plan_that_changed_since_the_run_began__stops(project: Project, database: Place) -> None:
    """The digest covers the changes; what was done stays, and verify stops as well."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    project.runbook("small", "create index t_a on t (a); create index t_b on t (b);")
    for stage in ("verify", "migrate"):
        with pytest.raises(errors.WrongUsage, match=f"run {run_id} began with plan") as caught:
            project.stage(stage, "small", database.target, run_id=run_id)
        assert (caught.value.exit_status, caught.value.verdict) == (2, "refused")
    assert not there(database, "t_b")
    assert project.stage("rollback", "small", database.target, run_id=run_id).verdict == "rolled_back"
    assert not there(database, "t_a")


def test_plan_of_a_half_done_run__keeps_its_digest(project: Project, database: Place) -> None:
    """State and estimates are no part of it, so the same run can be carried out again."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    database.run("insert into t select i, i, 'more' from generate_series(5000, 9000) i", "analyze t")
    project.stage("migrate", "small", database.target, run_id=run_id)
    digests = {e["digest"] for e in events(project, "small", run_id, "plan")}
    assert len(digests) == 1


def test_another_database_under_the_runs_target__stops_every_stage(
    project: Project, database: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify against another database would compare apples with pears."""
    monkeypatch.setenv("PGRB_MOVED", database.conninfo)
    project.runbook("small", INDEX)
    run_id = project.forward("small", "env:PGRB_MOVED")
    other = f"{database.name}_other"
    database.run(f"create database {other} template template0")
    try:
        monkeypatch.setenv("PGRB_MOVED", sandbox.conninfo(other))
        for stage in ("baseline", "migrate", "verify", "rollback"):
            with pytest.raises(errors.BadTarget, match=f"is database '{other}' of another server or name") as caught:
                project.stage(stage, "small", "env:PGRB_MOVED", run_id=run_id)
            assert caught.value.exit_status == 2
        monkeypatch.setenv("PGRB_MOVED", database.conninfo)
        project.stage("verify", "small", "env:PGRB_MOVED", run_id=run_id)
    finally:
        database.run(f"drop database {other} with (force)")


def test_stage_without_its_forerunner__says_which_is_missing(project: Project, database: Place) -> None:
    """Off the sandbox nothing is run in its stead."""
    project.runbook("small", INDEX)
    for stage, missing in (("migrate", "baseline"), ("verify", "baseline and migrate")):
        with pytest.raises(errors.MissingForerunner, match=f"{stage} needs {missing}"):
            project.stage(stage, "small", database.target)
    with pytest.raises(errors.MissingForerunner, match="owns anything"):
        project.stage("rollback", "small", database.target)
    assert untouched(database)


# -- the run's folder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_rollback_without_the_folder__works_from_the_ledger_and_says_what_it_could_not_compare(
    project: Project, database: Place, named: bool
) -> None:
    """With the run's id or without: the newest run that still owns anything. The fingerprint is the ledger's."""
    project.runbook("small", INDEX, "", QUERY)
    run_id = project.forward("small", database.target)
    shutil.rmtree(project.root / "evidence")
    result = project.stage("rollback", "small", database.target, run_id=run_id if named else "")
    assert (result.verdict, result.run_id) == ("rolled_back", run_id)
    assert not there(database, "t_a")
    prints = [c for c in result.findings if c.check == "fingerprint"]
    assert prints
    assert all(c.verdict == "passed" for c in prints)
    (answer,) = [c for c in result.findings if c.check == "answer"]
    assert (answer.verdict, answer.gates) == ("not_measurable", False)
    assert "which is not there" in answer.detail


def test_rollback_without_the_folder__says_that_objects_can_not_be_told(project: Project, database: Place) -> None:
    """A schema that somebody changed meanwhile fails the proof; which object it is the folder would know."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    shutil.rmtree(project.root / "evidence")
    database.run("create view v as select 1 as one")
    with pytest.raises(errors.RollbackFailed, match="which objects can't be told without the run's folder"):
        project.stage("rollback", "small", database.target, run_id=run_id)


def test_rollback_of_a_changed_schema__names_the_object(project: Project, database: Place) -> None:
    """On a quiet database the proof fails; the run's own objects are gone all the same."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    database.run("alter table t add column sneaked_in text")
    with pytest.raises(errors.RollbackFailed, match=r"column public\.t\.sneaked_in: new") as caught:
        project.stage("rollback", "small", database.target, run_id=run_id)
    assert caught.value.exit_status == 30
    assert not there(database, "t_a")


@pytest.mark.parametrize("stage", ["migrate", "verify", "checklist"])
def test_stage_without_the_folder__stops_and_names_it(project: Project, database: Place, stage: str) -> None:
    """Samples and verdicts lie there; without them nothing can be claimed."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    shutil.rmtree(project.root / "evidence")
    with pytest.raises(errors.MissingForerunner, match=run_id) as caught:
        project.stage(stage, "small", database.target, run_id=run_id)
    assert caught.value.exit_status == 2
    assert "evidence" in caught.value.message


def test_verify_without_the_baselines_samples__stops_and_names_the_file(project: Project, database: Place) -> None:
    """A half-lost folder is no better than none."""
    run_id = begin(project, database)
    project.stage("migrate", "small", database.target, run_id=run_id)
    (project.root / "evidence" / "small" / run_id / "baseline_samples.json").unlink()
    with pytest.raises(errors.MissingForerunner, match=r"baseline_samples\.json, which is not there"):
        project.stage("verify", "small", database.target, run_id=run_id)


def test_rollback_of_an_unknown_run__is_refused(project: Project, database: Place) -> None:
    """Also of a run of another runbook."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    with pytest.raises(errors.WrongUsage, match="knows no run r1"):
        project.stage("rollback", "small", database.target, run_id="r1")
    project.runbook("another", "create index t_b on t (b);")
    with pytest.raises(errors.WrongUsage, match="is of runbook small"):
        project.stage("rollback", "another", database.target, run_id=run_id)
    assert valid(database, "t_a")


def test_rollback_of_one_run__leaves_what_another_one_made(project: Project, database: Place) -> None:
    """Two runs of one runbook: the second found the first one's index there, and owns what it added."""
    project.runbook("small", INDEX)
    first = project.forward("small", database.target)
    project.runbook("small", INDEX + "create index t_b on t (b);")
    second = project.forward("small", database.target)
    assert steps(database, second) == [("public.t_a", "already", False), ("public.t_b", "applied", True)]
    project.stage("rollback", "small", database.target)
    assert valid(database, "t_a")
    assert not there(database, "t_b")
    assert project.stage("rollback", "small", database.target).run_id == first
    assert not there(database, "t_a")
    with pytest.raises(errors.MissingForerunner):
        project.stage("rollback", "small", database.target)


# -- quiet and live ---------------------------------------------------------------------------------------------

WRITES = (
    ("delete from other", "rows"),
    ("update t set b = 'changed' where id = 7", "answer"),
)


@pytest.mark.parametrize(("write", "check"), WRITES)
def test_data_that_changes_on_a_quiet_database__fails_verify_and_the_rollback(
    project: Project, database: Place, write: str, check: str
) -> None:
    """Nobody else writes there, so counts and answers have to be those of the baseline."""
    run_id = begin(project, database)
    project.stage("migrate", "small", database.target, run_id=run_id)
    database.run(write)
    with pytest.raises(errors.CheckFailed, match=check) as caught:
        project.stage("verify", "small", database.target, run_id=run_id)
    assert caught.value.exit_status == 10
    with pytest.raises(errors.RollbackFailed, match=check):
        project.stage("rollback", "small", database.target, run_id=run_id)
    assert not there(database, "t_a")


@pytest.mark.parametrize(("write", "check"), WRITES)
def test_data_that_changes_on_a_live_database__is_told_and_does_not_gate(
    project: Project, database: Place, write: str, check: str
) -> None:
    """`live = true`: rows are not counted, answers are compared and reported."""
    run_id = begin(project, database, "live = true\n")
    project.stage("migrate", "small", database.target, run_id=run_id)
    database.run(write)
    for stage, verdict in (("verify", "passed"), ("rollback", "rolled_back")):
        result = project.stage(stage, "small", database.target, run_id=run_id)
        assert result.verdict == verdict
        (found,) = [c for c in result.findings if c.check == check]
        assert (found.gates, found.verdict) == (False, "not_measurable" if check == "rows" else "failed")


def test_rollback_on_a_copy_of_the_database__is_refused(
    project: Project, database: Place, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger came along with the copy; the run was carried out elsewhere."""
    project.runbook("small", INDEX)
    run_id = project.forward("small", database.target)
    shutil.rmtree(project.root / "evidence")
    copy = f"{database.name}_copy"
    monkeypatch.setenv("PGRB_COPY", sandbox.conninfo(copy))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {copy} template {database.name}")
        with pytest.raises(errors.BadTarget, match="is a copy"):
            project.stage("rollback", "small", "env:PGRB_COPY", run_id=run_id)
        admin.execute(f"drop database {copy} with (force)")
    assert there(database, "t_a")
