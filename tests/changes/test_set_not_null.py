"""SET NOT NULL and DROP NOT NULL: the way there looks at the rows while they are written, on every version."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, statements
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors
from pgrunbook.changes import State
from pgrunbook.changes.set_not_null import SetNotNull

SCHEMA = (
    "create schema app",
    'create table app."T t" (id int primary key, a int, "B b" text, c int check (c is not null and c > 0))',
    """insert into app."T t" select i, i, 'b' || i, i from generate_series(1, 5) i""",
    "create table app.parent (a int)",
    "create table app.child () inherits (app.parent)",
    "create table app.parted (id int, a int) partition by range (id)",
    "create table app.p1 partition of app.parted for values from (0) to (10)",
    "create table app.p2 (id int, a int not null)",
    "alter table app.parted attach partition app.p2 for values from (10) to (20)",
)
FORMS = (
    'alter table "T t" alter column a set not null',
    'alter table only "T t" alter "B b" set not null',
    'alter table if exists app."T t" alter c set not null',
    "alter table parent alter a set not null",
    "alter table parted alter a set not null",
    'alter table "T t" alter a set not null, alter "B b" set not null',
)


@pytest.fixture
def on(version_place: Place) -> Iterator[db.Database]:
    """A session of the library's on tables of several sorts, on every version."""
    version_place.run(*SCHEMA)
    with db.connect(db.parse_target(version_place.target), search_path=["app"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Plain, proven by a CHECK already, with children, with partitions of which one has it before."""
    for text in FORMS:
        forth_and_back(on, text)
    for text in FORMS:
        run(on, [p for c in planned(on, text) for p in c.apply(c.state(on))])
    for text in FORMS[:4]:
        forth_and_back(on, text.replace("set not null", "drop not null"))


def test_state__is_told_at_each_step_and_gone_on_from(on: db.Database) -> None:
    """What is done of it is not done again, and an undo takes all of it back from anywhere."""
    (change,) = planned(on, FORMS[0])
    phases = change.apply(change.state(on))
    captured = change.capture(on)
    for done in range(1, len(phases)):
        for phase in phases[:done]:
            run(on, [phase])
        half = change.state(on)
        assert half.state is State.INVALID
        assert statements(change.apply(half)) == statements(phases[done:])
        again = changes.again(change.kind, change.resolved_sql(), {}, 1)
        assert again.since(on, captured).state is State.INVALID
        run(on, again.undo(captured))
        assert change.state(on).state is State.ABSENT
    run(on, phases)
    assert (change.state(on).state, change.verify(on)[0].verdict) == (State.PRESENT, "passed")
    for phase in phases:
        assert len([s for s in phase.statements if s.lock == "SHARE UPDATE EXCLUSIVE"]) in (0, len(phase.statements))


def test_a_valid_check__proves_it_without_looking(on: db.Database) -> None:
    """Alone or among other conditions; one that says something else proves nothing."""
    (change,) = planned(on, FORMS[2])
    assert [s.sql for s in statements(change.apply(change.state(on)))] == [
        'alter table app."T t" alter column c set not null'
    ]
    for check, proves in (("a is not null", True), ("a is not null or c > 0", False), ("a > 0", False)):
        on.execute(f'alter table "T t" add constraint k check ({check})')
        (change,) = planned(on, FORMS[0])
        assert (len(change.apply(change.state(on))) == 1) is proves, check
        on.execute('alter table "T t" drop constraint k')


def test_a_row_that_is_null__fails_and_leaves_nothing_in_the_way(project: Project, version_place: Place) -> None:
    """The error says which column; after it a null can be written as before."""
    version_place.run("create table t (id int primary key, a int)", "insert into t values (1, 1), (2, null)")
    project.runbook("null", "alter table t alter column a set not null;")
    run_id = project.stage("baseline", "null", version_place.target).run_id
    with pytest.raises(errors.StatementFailed, match=r"(column|constraint) .*a.* (contains null|is violated)") as e:
        project.stage("migrate", "null", version_place.target, run_id=run_id)
    assert e.value.sqlstate in ("23502", "23514")
    assert "select * from public.t where a is null" in e.value.remedy
    version_place.run("insert into t values (3, null)")
    assert version_place.run("select count(*) from pg_constraint where conrelid = 't'::regclass and contype = 'c'") == [
        (0,)
    ]


def test_one_that_is_not_validated__is_validated_and_comes_back_so(database: Place) -> None:
    """From 18 on: its name and its comment are kept."""
    database.run(
        "create table t (a int)",
        "alter table t add constraint mine not null a not valid",
        "comment on constraint mine on t is 'it''s mine'",
    )
    with database.connect() as on:
        (change,) = planned(on, "alter table t alter a set not null")
        captured, seen = change.capture(on), change.state(on)
        assert seen.state is State.INVALID
        assert [s.sql for s in statements(change.apply(seen))] == ["alter table public.t validate constraint mine"]
        run(on, change.apply(seen))
        assert change.state(on).state is State.PRESENT
        assert change.clear(seen, captured) == []
        run(on, change.undo(captured))
        assert change.since(on, captured).state is State.ABSENT
        forth_and_back(on, "alter table t alter a drop not null")


def test_only_where_there_are_children__is_refused(database: Place) -> None:
    """ONLY means something there; a child by itself does not."""
    database.run(*SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["app"]) as on:
        for table in ("parent", "parted"):
            with pytest.raises(errors.PreflightFailed, match=f"app.{table} has partitions or child tables, and line 1"):
                planned(on, f"alter table only {table} alter a set not null")
        assert state(on, "alter table only child alter a set not null") == "absent"


def test_an_older_server__is_shown_the_helper(database: Place) -> None:
    """Under a name that fits into 63 bytes; the digest of a plan is of the whole way."""
    database.run(f'create table t ("{"long " * 12}" int)')
    with database.connect() as on:
        (new,) = planned(on, f'alter table t alter "{"long " * 12}" set not null')
        assert isinstance(new, SetNotNull)
        old = type(new)(new.written, new.options, schema="public", version=170000)
        add, validate, last = old.apply(old.state(on))
        run(on, [add, validate])
        assert old.state(on).found == ("helper, valid",)
        run(on, [last])
        assert old.state(on).state is State.PRESENT
        run(on, old.undo({"version": 170000}))
        assert old.state(on).state is State.ABSENT
    assert "here a helper, CHECK" in old.lint()[0]
    assert "added NOT VALID, briefly" in new.lint()[0]


def test_set_and_dropped_in_one_migration__is_done_in_turn(database: Place) -> None:
    """The later one decides."""
    database.run("create table t (a int)")
    with database.connect() as on:
        first, last = planned(on, "alter table t alter a set not null; alter table t alter a drop not null")
        assert (first.state(on).state, last.state(on).state) == (State.PRESENT, State.PRESENT)
