"""One small runbook through its stages on every version that is supported."""

from __future__ import annotations

from fix_databases import Place, on_every_version
from fix_faults import TABLE, Role, valid
from fix_project import Project

MIGRATE = "create index t_a on {0}t (a); alter table {0}t add column c text;"


def columns(place: Place, table: str) -> list[str]:
    """A table's columns."""
    attributes = f"from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped"
    return [name for (name,) in place.run(f"select attname {attributes} order by attnum")]


def test_round_trip_on_every_version__leaves_the_schema_as_it_was(project: Project, version_place: Place) -> None:
    """An index and a column, forward and back; the fingerprint proves it."""
    version_place.run(*TABLE)
    project.runbook("small", MIGRATE.format(""))
    run_id = project.forward("small", version_place.target)
    assert valid(version_place, "t_a")
    assert columns(version_place, "t") == ["id", "a", "b", "c"]
    assert project.stage("verify", "small", version_place.target, run_id=run_id).verdict == "passed"
    assert project.stage("rollback", "small", version_place.target, run_id=run_id).verdict == "rolled_back"
    assert not valid(version_place, "t_a")
    assert columns(version_place, "t") == ["id", "a", "b"]


@on_every_version
def test_role_that_owns_one_schema__gets_through_on_every_version(
    project: Project, database: Place, role: Role, version: int
) -> None:
    """Without superuser, with CREATE on the database for the ledger; the server is the one that was asked for."""
    assert database.run("select current_setting('server_version_num')::int / 10000") == [(version,)]
    database.run(f"grant create on database {database.name} to {role.name}")
    project.runbook("small", MIGRATE.format("app."))
    run_id = project.forward("small", role.target)
    assert valid(database, "app.t_a")
    assert project.stage("verify", "small", role.target, run_id=run_id).verdict == "passed"
    assert project.stage("rollback", "small", role.target, run_id=run_id).verdict == "rolled_back"
    assert columns(database, "app.t") == ["id", "a"]
