"""One small runbook through its stages on a target that is not the sandbox."""

from __future__ import annotations

from fix_databases import Place
from fix_project import Project

TABLE = "create table t (id int primary key, a int, b text); insert into t select i, i % 50, 'b' || i from generate_series(1, 2000) i; analyze t"


def test_round_trip_of_an_index_and_a_column__leaves_the_schema_as_it_was(project: Project, database: Place) -> None:
    """Forward and back; the fingerprint proves it."""
    database.run(*TABLE.split("; "))
    project.runbook("small", "create index if not exists t_a on t (a); alter table t add column if not exists c text;")
    run_id = project.forward("small", database.target)
    assert database.run("select indisvalid from pg_index where indexrelid = 't_a'::regclass") == [(True,)]
    result = project.stage("rollback", "small", database.target, run_id=run_id)
    assert result.verdict == "rolled_back"
    assert database.run("select to_regclass('t_a')") == [(None,)]
