"""ATTACH and DETACH PARTITION: back with the bound that there was; nothing is built under the lock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import changes, db, errors
from pgrunbook.changes import LockMode, ObjectOptions, Observation, State

SCHEMA = """
create schema app; create schema "S s";
create table app.o (id int primary key);
create table app.p (k int not null, at date, o int references app.o (id), primary key (k)) partition by range (k);
create index p_at on app.p (at);
create table app.p1 partition of app.p for values from (1) to (10);
create table app.c (k int not null, at date, o int references app.o (id), primary key (k));
create index c_at on app.c (at);
insert into app.c select i, null, null from generate_series(10, 19) i;
create table "S s"."L l" (k text, "Ä" int) partition by list (lower(k));
create table "S s"."L 1" (k text, "Ä" int);
create table app.h (k int) partition by hash (k);
create table app.bare (k int not null, at date, o int)
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on partitioned tables."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """By range, list, hash and as the default; detached and attached elsewhere; made by the migration."""
    for text in (
        "alter table p attach partition c for values from (10) to (20)",
        "alter table p attach partition app.c default",
        'alter table "S s"."L l" attach partition "S s"."L 1" for values in (\'a\', null)',
        "alter table p detach partition p1",
        "alter table p detach partition p1; alter table p attach partition p1 for values from (0) to (10)",
        "create table h1 (k int); alter table h attach partition h1 for values with (modulus 2, remainder 0)",
        "create table n (k int) partition by list (k); create table n1 (k int);"
        " alter table n attach partition n1 for values in (1); create index on n (k)",
        "alter table p attach partition c for values from (10) to (20); alter table c rename to p2",
    ):
        forth_and_back(on, text)


def test_state__is_told_by_parent_and_bound(on: db.Database) -> None:
    """In the server's spelling."""
    assert state(on, "alter table p attach partition p1 for values from ('1') to (5 + 5)") == "present"
    assert state(on, "alter table p attach partition p1 for values from (1) to (9)") == "different"
    assert state(on, "alter table p attach partition c for values from (10) to (20)") == "absent"
    assert state(on, "alter table p detach partition c") == "present"
    assert state(on, "alter table h detach partition p1") == "different"


def test_a_detached_partition__is_attached_again_only_where_it_is_the_same_table(on: db.Database) -> None:
    """One that is gone, or another one under its name, is left."""
    (change,) = planned(on, "alter table p detach partition p1")
    captured = change.capture(on)
    run(on, change.apply(change.standing(on)))
    assert change.since(on, captured).state is State.PRESENT
    on.execute("drop table p1")
    assert change.since(on, captured).state is State.DIFFERENT
    on.execute("create table p1 (like p)")
    assert "another table" in change.since(on, captured).detail


def test_what_the_server_would_build_under_its_lock__is_asked_for_before(on: db.Database) -> None:
    """Indexes, keys and foreign keys; the CHECK that spares the reading is told."""
    with pytest.raises(errors.PreflightFailed, match="lacks what") as caught:
        planned(on, "alter table p attach partition bare for values from (10) to (20)")
    assert "CREATE INDEX p_at" in caught.value.message
    assert "FOREIGN KEY (o)" in caught.value.message
    with pytest.raises(errors.PreflightFailed, match="empty range bound"):
        planned(on, "alter table p attach partition c for values from (20) to (10)")
    (change,) = planned(on, "alter table p attach partition c for values from (10) to (20)")
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.c")]
    assert "check (((k IS NOT NULL) AND (k >= 10) AND (k < 20)))" in change.lint()[1]
    known = changes.again(change.kind, change.resolved_sql(), ObjectOptions().model_dump(), 1)
    assert str(known.undo({})[0]) == "alter table app.p detach partition app.c;"
    assert [c.kind for c in typed("alter table p detach partition p1 concurrently")] == ["raw_sql"]


def test_a_trigger_that_differs__keeps_its_partition(on: db.Database) -> None:
    """Its way back would not bring that."""
    on.execute("create function f() returns trigger language plpgsql as 'begin return null; end'")
    on.execute("create trigger x after insert on p for each row execute function f()")
    forth_and_back(on, "alter table p detach partition p1")
    on.execute("alter table p1 disable trigger x")
    with pytest.raises(errors.PreflightFailed, match="would lose its triggers x"):
        planned(on, "alter table p detach partition p1")
