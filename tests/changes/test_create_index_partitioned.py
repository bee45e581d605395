"""CREATE INDEX on a partitioned table: on each partition at every level, attached from the bottom up."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, statements
from fix_databases import Place
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import LockMode, Observation, State

SCHEMA = (
    "create schema app",
    "create schema parts",
    'create table app."T t" (id int, a int, "B b" text) partition by range (id)',
    'create table app.p1 partition of app."T t" for values from (0) to (10)',
    'create table parts."P 2" partition of app."T t" for values from (10) to (20) partition by list (a)',
    'create table parts.p3 partition of parts."P 2" for values in (1, 2) partition by list (a)',
    "create table parts.p4 partition of parts.p3 for values in (1)",
    'create table parts.p5 partition of parts."P 2" default',
    """insert into app."T t" select i, i % 3 + case when i < 10 then 0 else 1 end, 'b' || i from generate_series(0, 19) i
       where i < 10 or i % 3 <> 1""",
)  # fmt: skip
TEXT = 'create index on "T t" (a, lower("B b"))'


@pytest.fixture
def on(version_place: Place) -> Iterator[db.Database]:
    """A session of the library's on every version."""
    version_place.run(*SCHEMA)
    with db.connect(db.parse_target(version_place.target), search_path=["app"]) as opened:
        yield opened


def indexes(on: db.Database) -> list[str]:
    """All indexes by name, with their parents."""
    return [
        f"{name} of {parent}"
        for name, parent in on.rows(
            "select i.indexrelid::regclass::text, h.inhparent::regclass::text from pg_index i left join pg_inherits h"
            " on h.inhrelid = i.indexrelid where i.indrelid >= 16384 and i.indrelid::regclass::text !~ 'pg_toast'"
            " and i.indisvalid order by 1"
        )
    ]


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Plain, unique, with all that an index may have; without a partition; with one of another schema."""
    for text in (
        TEXT,
        'create index "I i" on "T t" using hash ("B b") where a > 3',
        'create unique index u on "T t" (id, a) include ("B b") with (fillfactor = 70)',
    ):
        forth_and_back(on, text)
    on.execute("create table empty (id int) partition by range (id)")
    forth_and_back(on, "create index e on empty (id)")


def test_built__is_what_the_plain_statement_makes(on: db.Database) -> None:
    """The same names on the same partitions, also where a name is taken."""
    on.execute("create index p1_a_lower_idx on p1 (id)")
    run(on, planned(on, TEXT)[0].apply(planned(on, TEXT)[0].state(on)))
    mine = indexes(on)
    assert state(on, TEXT) == "present"
    on.execute('drop index "T t_a_lower_idx"')
    on.execute(TEXT)
    assert indexes(on) == mine
    assert len(mine) == 7


def test_each_step__is_told_and_gone_on_from(on: db.Database) -> None:
    """What is built is not built again, and an undo takes all of it back from anywhere."""
    (change,) = planned(on, TEXT)
    before, captured = fingerprint.objects(on, "pgrunbook"), change.capture(on)
    phases = change.apply(change.state(on))
    every = [s.sql for s in statements(phases)]
    assert len(every) == 1 + 2 + 3 * 2 + 2 + 1
    known = changes.again(change.kind, change.resolved_sql(), {}, 1)
    for done in range(1, len(phases) - 1):
        run(on, phases[:done])
        seen = change.state(on)
        assert seen.state is State.INVALID
        assert sorted(s.sql for s in statements(change.apply(seen))) == sorted(every[done:])
        assert change.clear(seen, captured) == []
        assert known.since(on, captured).state is State.INVALID
        run(on, known.undo(captured))
        assert known.since(on, captured).state is State.ABSENT
        assert fingerprint.objects(on, "pgrunbook") == before
    back = known.undo(captured)
    run(on, phases)
    for done in range(1, len(back)):
        run(on, back[:done])
    assert fingerprint.objects(on, "pgrunbook") == before


def test_the_plan__locks_as_little_as_can_be_and_is_the_same_once_begun(on: db.Database) -> None:
    """Partitions come and go: they are no part of the digest."""
    (change,) = planned(on, TEXT)
    blank = change.apply(Observation(State.ABSENT))
    assert [type(p).__name__ for p in blank] == ["Transaction", "Look"]
    locks = {s.lock for s in statements(change.apply(change.state(on))) if "CONCURRENTLY" in s.sql}
    assert locks == {LockMode.SHARE_UPDATE_EXCLUSIVE}
    run(on, blank[:1])
    with pytest.raises(errors.StatementFailed, match="not every partition has its part of"):
        run(on, blank[1:])
    on.execute('create table p6 partition of "T t" for values from (20) to (30)')
    (later,) = planned(on, TEXT)
    assert [str(p) for p in later.apply(Observation(State.ABSENT))] == [str(p) for p in blank]
    run(on, later.apply(later.state(on)))
    assert state(on, TEXT) == "present"
    assert change.known() == {"partitioned": True}
    assert "built concurrently on each partition" in change.lint()[0]
    assert change.lint()[1] == 'dropping it locks app."T t" and all its partitions: ACCESS EXCLUSIVE, briefly'


def test_a_failed_build__costs_no_more_than_its_own_partition(on: db.Database) -> None:
    """A duplicate in the last one: the good ones stay, the invalid one goes, and it is gone on from there."""
    text = 'create unique index u on "T t" (id, a)'
    on.execute("insert into parts.p5 select * from parts.p5 limit 1")
    (change,) = planned(on, text)
    captured = change.capture(on)
    with pytest.raises(errors.StatementFailed, match="could not create unique index"):
        run(on, change.apply(change.state(on)))
    seen = change.state(on)
    broken = [n for n in map(json.loads, seen.found) if n["state"] == "invalid"]
    assert [n["table"] for n in broken] == ["p5"]
    run(on, change.clear(seen, captured))
    seen = change.state(on)
    assert [n["state"] for n in map(json.loads, seen.found)][-2:] == ["missing", "missing"]
    on.execute("truncate parts.p5")
    run(on, change.apply(seen))
    assert change.state(on).state is State.PRESENT
    run(on, change.undo(captured))
    assert change.since(on, captured).state is State.ABSENT
    assert indexes(on) == []


def test_an_index_that_a_partition_has__is_taken_over_and_comes_back(on: db.Database) -> None:
    """As the server does it; one that can't come back stops the plan."""
    on.execute('create index mine on parts.p4 (a, lower("B b"))')
    on.execute("comment on index parts.mine is 'it''s mine'")
    back = forth_and_back(on, TEXT)
    assert sum("CREATE INDEX CONCURRENTLY mine" in s for s in back) == 1
    assert "comment on index parts.mine is 'it''s mine'" in back
    on.execute("drop index parts.mine")
    on.execute('create index between on parts.p3 (a, lower("B b"))')
    assert planned(on, TEXT)[0].state(on).state is State.DIFFERENT


def test_other_forms__are_accepted_or_left_to_the_author(on: db.Database) -> None:
    """concurrently = false gives the plain statement; ON ONLY is what it says."""
    (change,) = planned(on, TEXT, concurrently=False)
    (only,) = planned(on, 'create index o on only "T t" (id)')
    for one, word in ((change, "CREATE INDEX"), (only, "ON ONLY")):
        captured = one.capture(on)
        (phase,) = one.apply(one.state(on))
        assert word in phase.statements[0].sql
        assert phase.statements[0].lock is LockMode.SHARE
        run(on, [phase])
        assert one.state(on).state is State.PRESENT
        run(on, one.undo(captured))
        assert one.state(on).state is State.ABSENT
    assert "blocks writes" in change.lint()[0]


def test_a_partition_on_another_server__is_refused(on: db.Database) -> None:
    """Its index can't be attached, so the parent's would never be valid."""
    on.execute("create foreign data wrapper nothing")
    on.execute("create server nowhere foreign data wrapper nothing")
    on.execute('create foreign table far partition of "T t" for values from (50) to (60) server nowhere')
    with pytest.raises(errors.PreflightFailed, match="has a partition on another server") as e:
        planned(on, TEXT)
    assert "index the partitions one by one, or let it block writes" in e.value.remedy


def test_estimate__is_of_all_partitions(on: db.Database) -> None:
    """Rows and widths are those of the whole."""
    on.execute('analyze "T t"')
    assert planned(on, TEXT)[0].estimate(on).rows == on.value('select count(*) from "T t"')
