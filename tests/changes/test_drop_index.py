"""DROP INDEX: dropped concurrently, and built again with all that it had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, statements, typed
from fix_databases import Place
from pgrunbook import changes, db, errors
from pgrunbook.changes import Observation, State

SCHEMA = (
    "create schema app",
    "create schema other",
    'create table app."T t" (id int primary key, a int not null, b text)',
    """insert into app."T t" select i, i, 'b' || i from generate_series(1, 50) i""",
    'create unique index "I i" on app."T t" (a) include (b) with (fillfactor = 70)',
    "comment on index app.\"I i\" is 'it''s one'",
    'alter table app."T t" cluster on "I i"',
    'alter table app."T t" replica identity using index "I i"',
    'create index j on app."T t" (lower(b) desc nulls last, a) where a > 3',
    "alter index app.j alter column 1 set statistics 77",
    "create index k on app.\"T t\" using gin (to_tsvector('simple', b))",
    'create unique index needed on app."T t" (a, id)',
    'create table app.child (a int, id int, foreign key (a, id) references app."T t" (a, id))',
    "create table app.parted (id int, a int) partition by range (id)",
    'create table app."P 1" partition of app.parted for values from (0) to (10)',
    "create table app.p2 partition of app.parted for values from (10) to (20) partition by list (a)",
    "create table app.p3 partition of app.p2 default",
    "insert into app.parted values (1, 1), (11, 1)",
    "create index i_p on app.parted (a, id)",
    "comment on index app.i_p is 'of all'",
    "alter index app.p3_a_id_idx rename to \"odd one\"",
    "comment on index app.\"odd one\" is 'of one'",
    "create index elsewhere on app.child (a)",
)  # fmt: skip


@pytest.fixture
def on(version_place: Place) -> Iterator[db.Database]:
    """A session of the library's on every version."""
    version_place.run(*SCHEMA)
    with db.connect(db.parse_target(version_place.target), search_path=["app", "other"]) as opened:
        yield opened


def test_forth_and_back__brings_all_of_it_back(on: db.Database) -> None:
    """Options, comment, clustering, replica identity, statistics; a partitioned one with the names of its parts."""
    back = forth_and_back(on, 'drop index "I i", app.j, k')
    assert back.count("drop index concurrently if exists app.j") == 1
    assert "ALTER" not in " ".join(s for s in back if "concurrently" in s.lower())
    back = forth_and_back(on, "drop index i_p")
    assert [s for s in back if "CONCURRENTLY" in s and "odd one" in s]


def test_a_way_back_that_was_stopped__is_walked_again(on: db.Database) -> None:
    """After each of its phases it is told from one that is done."""
    for name in ('"I i"', "i_p"):
        (change,) = planned(on, f"drop index {name}")
        seen, captured = change.state(on), change.capture(on)
        known = changes.again(change.kind, change.resolved_sql(), {}, 1)
        run(on, change.apply(seen))
        back = known.undo(captured)
        for done in range(len(back)):
            run(on, back[:done])
            assert known.since(on, captured).state is State.PRESENT, (name, done)
        run(on, back)
        assert known.since(on, captured).state is State.ABSENT


def test_apply__is_concurrent_but_for_a_partitioned_one(on: db.Database) -> None:
    """The plan says which, and what it locks."""
    (one,) = planned(on, "drop index if exists j")
    assert [s.sql for s in statements(one.apply(one.state(on)))] == ["drop index concurrently app.j"]
    assert "written without CONCURRENTLY" in one.lint()[0]
    (one,) = planned(on, "drop index j", concurrently=False)
    assert [s.sql for s in statements(one.apply(one.state(on)))] == ["drop index app.j"]
    (tree,) = planned(on, "drop index i_p")
    assert [s.sql for s in statements(tree.apply(tree.state(on)))] == ["drop index app.i_p"]
    assert "locks app.parted and all its partitions, ACCESS EXCLUSIVE" in tree.lint()[0]
    assert tree.undo({}) == []


def test_state__is_present_where_there_is_none_and_the_plan_stays_the_same(on: db.Database) -> None:
    """A run that is taken up has to know its plan again."""
    before = planned(on, "drop index j")[0]
    assert (before.state(on).state, before.relation) == (State.ABSENT, 'app."T t"')
    run(on, before.apply(before.state(on)))
    after = planned(on, "drop index j")[0]
    assert after.state(on).state is State.PRESENT
    assert (after.object, after.resolved_sql()) == (before.object, before.resolved_sql())
    assert after.apply(Observation(State.ABSENT))[0].statements[0].sql == "drop index concurrently app.j"


def test_an_invalid_index__is_dropped_and_not_built_again(on: db.Database) -> None:
    """A leftover is no loss; it is said."""
    on.execute("insert into child values (null, 1), (null, 1)")
    with pytest.raises(errors.StatementFailed):
        on.execute("create unique index concurrently broken on child (id)")
    (change,) = planned(on, "drop index broken")
    captured = change.capture(on)
    assert captured == {"leftover": "CREATE UNIQUE INDEX broken ON app.child USING btree (id)"}
    run(on, change.apply(change.state(on)))
    assert change.undo(captured) == []


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        (
            '"T t_pkey"',
            'stands behind constraint "T t_pkey" of app."T t"',
            'alter table app."T t" drop constraint "T t_pkey"',
        ),
        ('"P 1_a_id_idx"', "is a part of app.i_p", "drop index app.i_p"),
        ("needed", "the foreign keys child_a_id_fkey of app.child need", "drop these first"),
        ("child", "app.child is no index", "name an index"),
    ],
)
def test_an_index_that_something_stands_on__is_refused(on: db.Database, name: str, message: str, remedy: str) -> None:
    """With what to do instead."""
    with pytest.raises(errors.PreflightFailed, match=r"line 1 of migrate\.sql") as e:
        planned(on, f"drop index {name}")
    assert message in str(e.value)
    assert e.value.remedy.startswith(remedy)


def test_a_name_of_another_schema__has_to_be_written(database: Place) -> None:
    """Once it is dropped, nobody could tell which one was meant."""
    database.run(*SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["other", "app"]) as on:
        with pytest.raises(errors.PreflightFailed, match="without naming its schema") as e:
            planned(on, "drop index j")
        assert e.value.remedy == "write it as app.j"
        assert state(on, "drop index app.j") == "absent"


def test_dropped_and_made_anew__is_carried_out_and_undone_in_turn(database: Place) -> None:
    """The new one may bear the old one's name; made and dropped, nothing is done."""
    database.run(*SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["app"]) as on:
        forth_and_back(on, 'drop index j; create index j on "T t" (b)')
        first, last = planned(on, 'create index new on "T t" (b); drop index new')
        assert (first.state(on).state, last.state(on).state) == (State.PRESENT, State.PRESENT)


def test_cascade__is_raw_sql() -> None:
    """What else it takes along is not known."""
    assert [c.kind for c in typed("drop index i cascade")] == ["raw_sql"]
    assert [c.kind for c in typed("drop index i, j")] == ["drop_index", "drop_index"]
