"""VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH: by the form that blocks least, once a run, with nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import planned, run, statements, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors
from pgrunbook.changes import Observation, State

SCHEMA = """
create schema "S s";
create table t (id int primary key, a int);
create index t_a on t (a);
create table "S s"."T t" ("Ä" int);
insert into t select i, i from generate_series(1, 50) i;
create materialized view m as select id from t;
create unique index on m (id)
"""
FORMS = {
    "vacuum t": "VACUUM public.t",
    'vacuum (analyze, verbose) t, "S s"."T t" ("Ä")': 'VACUUM (ANALYZE, VERBOSE) public.t, "S s"."T t"("Ä")',
    "vacuum": "VACUUM",
    "analyze t (a)": "ANALYZE public.t(a)",
    "analyze": "ANALYZE",
    "reindex table t": "REINDEX TABLE CONCURRENTLY public.t",
    "reindex (verbose) index concurrently t_a": "REINDEX (VERBOSE) INDEX CONCURRENTLY public.t_a",
    'reindex schema "S s"': 'REINDEX SCHEMA CONCURRENTLY "S s"',
    "refresh materialized view m": "REFRESH MATERIALIZED VIEW public.m",
    "refresh materialized view concurrently m": "REFRESH MATERIALIZED VIEW CONCURRENTLY public.m",
}


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on tables with rows."""
    database.run(*SCHEMA.strip().split(";\n"))
    with database.connect() as opened:
        yield opened


def test_forms__are_carried_out_by_what_blocks_least(on: db.Database) -> None:
    """Each runs as it is planned, and again as the ledger has it; what can be is committed with the ledger's row."""
    for text, safe in FORMS.items():
        (change,) = planned(on, text)
        assert change.kind == "maintain"
        phases = change.apply(change.standing(on))
        assert [s.sql for s in statements(phases)] == [safe]
        run(on, phases)
        known = changes.again("maintain", change.resolved_sql(), change.options.model_dump(), 1)
        assert (known.object, known.subject) == (change.object, change.subject)
        assert known.since(on, change.capture(on)).state is State.ABSENT
        assert change.lint()[-1].startswith("is done once")
    alone = [
        t for t in FORMS if not isinstance(planned(on, t)[0].apply(Observation(State.ABSENT))[0], changes.Transaction)
    ]
    assert [t.split()[0] for t in alone] == ["vacuum", "vacuum", "vacuum", "analyze", "reindex", "reindex", "reindex"]
    for text in ("reindex database x", "reindex system x", "cluster"):
        assert [c.kind for c in typed(text)] == ["raw_sql"]


def test_what_rewrites_or_blocks__has_to_be_accepted(on: db.Database) -> None:
    """VACUUM FULL and CLUSTER; REINDEX as it is written."""
    for text in ("vacuum full t", "cluster t using t_a"):
        with pytest.raises(errors.PreflightFailed, match="server rewrite"):
            planned(on, text)
        (change,) = planned(on, text, concurrently=False)
        run(on, change.apply(change.standing(on)))
    (change,) = planned(on, "reindex table t", concurrently=False)
    assert str(change.apply(Observation(State.ABSENT))[0]) == "REINDEX TABLE public.t;"
    assert "blocks writes" in change.lint()[0]
    with pytest.raises(errors.PreflightFailed, match="does not exist"):
        planned(on, "vacuum nothing")


def test_what_a_stopped_reindex_leaves__is_dropped(on: db.Database) -> None:
    """Before it is begun anew, after a failure, and by a rollback; an index of somebody's own with such a name stays."""
    on.execute("create index t_pkey_ccold on t (a)")
    (change,) = planned(on, "reindex table t")
    captured = change.capture(on)
    assert ["public.t_a_ccnew", "public.t"] in captured["leaves"]
    assert ["public.t_pkey_ccold", "public.t"] not in captured["leaves"]
    on.execute("create index t_a_ccnew on t (a)")
    on.execute("update pg_index set indisvalid = false where indexrelid = 't_a_ccnew'::regclass")
    assert change.since(on, captured).state is State.INVALID
    seen = change.standing(on)
    drop = "drop index concurrently if exists public.t_a_ccnew"
    assert [s.sql for s in statements(change.clear(seen, captured))] == [drop]
    assert [s.sql for s in statements(change.apply(seen))] == [drop, "REINDEX TABLE CONCURRENTLY public.t"]
    run(on, change.undo(captured))
    assert change.since(on, captured).state is State.ABSENT
    assert on.value("select to_regclass('t_pkey_ccold') is not null")


def test_a_runbook_that_vacuums__does_so_once_a_run(database: Place, project: Project) -> None:
    """A second run finds it done in the ledger; after a rollback it is done again."""
    database.run(*SCHEMA.strip().split(";\n"))
    project.runbook("clean", "vacuum (analyze) t; reindex index t_a; refresh materialized view concurrently m;")
    run_id = project.forward("clean", database.target)
    result = project.stage("verify", "clean", database.target, run_id=run_id)
    assert result
    counted = "select vacuum_count from pg_stat_all_tables where relid = 't'::regclass"
    second = project.forward("clean", database.target)
    assert database.run(counted) == [(1,)]
    project.stage("rollback", "clean", database.target, run_id=run_id)
    project.forward("clean", database.target)
    assert database.run(counted) == [(2,)]
    assert second != run_id
