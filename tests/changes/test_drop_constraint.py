"""DROP CONSTRAINT: the way back is the safe form of adding it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, statements, typed
from fix_databases import Place
from pgrunbook import changes, db, errors
from pgrunbook.changes import Observation, State

SCHEMA = (
    "create schema app",
    "create table app.o (id int primary key)",
    "insert into app.o values (1), (2)",
    'create table app."T t" (id int, a int, b text, r int4range)',
    """insert into app."T t" values (1, 1, 'x', '[1,2)'), (2, 2, 'y', '[3,4)')""",
    'alter table app."T t" add constraint "P k" primary key (id) include (b) with (fillfactor = 70)',
    "comment on constraint \"P k\" on app.\"T t\" is 'it''s the key'",
    'alter table app."T t" add constraint u unique (a, b) deferrable initially deferred',
    "comment on constraint u on app.\"T t\" is 'both'",
    "comment on index app.u is 'its index'",
    'alter table app."T t" cluster on u',
    'alter table app."T t" add constraint c check (a > 0) no inherit',
    "comment on constraint c on app.\"T t\" is 'positive'",
    'alter table app."T t" add constraint later check (a < 9) not valid',
    'alter table app."T t" add constraint f foreign key (a) references app.o on delete cascade',
    'alter table app."T t" add constraint x exclude using gist (r with &&)',
    "create table app.parted (id int, a int, constraint pk primary key (id)) partition by range (id)",
    "create table app.p1 partition of app.parted for values from (0) to (10)",
    "alter table app.parted add constraint pf foreign key (a) references app.o",
    "alter table app.parted add constraint pc check (a > 0)",
)  # fmt: skip
NAMES = ('"P k"', "u", "c", "later", "f", "x")


@pytest.fixture
def on(version_place: Place) -> Iterator[db.Database]:
    """A session of the library's on every version."""
    version_place.run(*SCHEMA)
    with db.connect(db.parse_target(version_place.target), search_path=["app"]) as opened:
        yield opened


def test_forth_and_back__brings_all_of_it_back(on: db.Database) -> None:
    """Validity, comments, options of the index, what the table is clustered on; of partitions too."""
    for name in NAMES:
        forth_and_back(on, f'alter table "T t" drop constraint {name}')
    forth_and_back(on, 'alter table "T t" ' + ", ".join(f"drop constraint if exists {n}" for n in NAMES))
    for name in ("pk", "pf", "pc"):
        forth_and_back(on, f"alter table parted drop constraint {name}")


def test_the_way_back__looks_at_rows_while_they_are_written(on: db.Database) -> None:
    """NOT VALID and validated apart, or by an index that is built concurrently."""
    for name, wanted in (
        ("c", ["drop", "add constraint c check (a > 0)) no inherit not valid", "comment", "validate"]),
        ("later", ["drop", "not valid"]),
        ('"P k"', ["drop", "drop index concurrently", "index concurrently", "using index", "comment"]),
    ):
        (change,) = planned(on, f'alter table "T t" drop constraint {name}')
        back = [s.sql.lower() for s in statements(change.undo(change.capture(on)))]
        assert len(back) == len(wanted), back
        assert all(w.replace("(a > 0))", "((a > 0))") in b for w, b in zip(wanted, back, strict=True)), back
        assert change.undo({}) == []
    (change,) = planned(on, 'alter table "T t" drop constraint x')
    assert change.lint()[1] == 'the way back blocks app."T t" until it is done: ' + (
        "an exclusion constraint builds its index at once"
    )


def test_a_way_back_that_was_stopped__is_walked_again(on: db.Database) -> None:
    """After each of its phases it is told from one that is done, and from one that somebody else made."""
    for name in ("u", "f", "c"):
        (change,) = planned(on, f'alter table "T t" drop constraint {name}')
        captured = change.capture(on)
        known = changes.again(change.kind, change.resolved_sql(), {}, 1)
        run(on, change.apply(Observation(State.ABSENT)))
        back = known.undo(captured)
        for done in range(1, len(back)):
            run(on, back[:done])
            assert known.since(on, captured).state is State.PRESENT, (name, done)
        run(on, back)
        assert known.since(on, captured).state is State.ABSENT
    on.execute('alter table "T t" drop constraint c, add constraint c check (a > -1)')
    assert known.since(on, captured).state is State.DIFFERENT


def test_state__is_present_where_there_is_none(on: db.Database) -> None:
    """With IF EXISTS or without."""
    assert state(on, 'alter table "T t" drop constraint c') == "absent"
    assert state(on, 'alter table "T t" drop constraint nothing') == "present"
    assert state(on, 'alter table "T t" drop constraint if exists nothing') == "present"


def test_what_an_undo_could_not_bring_back__is_refused(on: db.Database) -> None:
    """One that comes from a parent, one whose triggers somebody disabled; CASCADE is no known form."""
    with pytest.raises(errors.PreflightFailed, match=r"app.p1.pc comes from a parent of app.p1, so line 1"):
        planned(on, "alter table p1 drop constraint pc")
    on.execute('alter table "T t" disable trigger all')
    with pytest.raises(errors.PreflightFailed, match="has triggers of its own or disabled ones"):
        planned(on, 'alter table "T t" drop constraint f')
    assert typed("alter table t drop constraint c cascade")[0].kind == "raw_sql"
