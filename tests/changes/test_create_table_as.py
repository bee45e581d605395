"""CREATE TABLE … AS: the ledger alone says whether it was done, a table that is there before is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import planned, run, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import State

ROWS = "create table app.t as select i as id, 'x' || i as a from generate_series(1, 9) i"


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a schema with rows."""
    database.run("create schema app", ROWS)
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """With rows and without, with names of its own; what it made is known by more than its name."""
    before = fingerprint.objects(on, "pgrunbook")
    for text in (
        'create table "C c" ("A", b) with (fillfactor = 70) as select id, a from t',
        "create unlogged table c as table t with no data",
        "create table if not exists c as select id, 1 as one from t",
    ):
        (change,) = planned(on, text)
        assert (change.kind, change.recorded, change.creates_in) == ("create_table_as", True, "app")
        seen = change.standing(on)
        assert seen.state is State.ABSENT
        (transaction,) = change.apply(seen)
        run(on, [transaction])
        assert change.state(on).state is State.DIFFERENT
        assert "only" not in change.state(on).detail
        assert change.verify(on)[0].verdict == "passed"
        assert bool(change.loss(on)) == ("no data" not in text)
        new = {n.partition(": ")[0] for n in fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))}
        assert new == set(change.idents) or "table t" in text
        known = changes.again("create_table_as", change.resolved_sql(), {}, 1)
        assert known.since(on, {}).state is State.PRESENT
        run(on, known.undo({}))
        assert known.since(on, {}).state is State.ABSENT
        assert known.loss(on) == ""
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))


def test_run__is_told_by_the_ledger_and_refuses_what_was_there(project: Project, database: Place) -> None:
    """A second run finds it done, one of another runbook is refused; rows have to be given up on purpose."""
    project.runbook("one", "create table c as select 1 as a;\ncreate index on c (a);")
    run_id = project.forward("one", database.target)
    project.stage("verify", "one", database.target, run_id=run_id)
    project.forward("one", database.target)
    project.runbook("two", "create table if not exists c as select 2 as a;")
    with pytest.raises(errors.PgRunbookError, match="c is there"):
        project.forward("two", database.target)
    with pytest.raises(errors.CheckFailed, match=r"would lose the rows in public\.c"):
        project.stage("rollback", "one", database.target, run_id=run_id, scope="all")
    project.stage("rollback", "one", database.target, run_id=run_id, scope="all", acknowledge_loss="c")
    assert database.run("select to_regclass('c')") == [(None,)]


def test_other_forms__are_raw_sql() -> None:
    """A temporary table, SELECT … INTO, EXECUTE; a materialized view is none of them."""
    for text in ("create temp table c as select 1", "select 1 as a into c", "create table c as execute prepared"):
        assert [c.kind for c in typed(text)] == ["raw_sql"]
    assert [c.kind for c in typed("create materialized view c as select 1")] != ["create_table_as"]
