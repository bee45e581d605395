"""CREATE TABLE: known by its definition, its foreign keys apart, gone with the undo; rows in it are told of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import changes, db, errors, fingerprint, sqlfile
from pgrunbook.changes import LockMode, Observation, State
from pgrunbook.changes.create_table import CreateTable

SCHEMA = """
create schema app; create schema other;
create type app.mood as enum ('good', 'bad');
create domain app.short as varchar(5) check (length(value) > 1);
create function app.twice(a int) returns int language sql immutable as 'select 2 * a';
create sequence app.numbers;
create table app.p (a int not null, b text default 'x', c int check (c > 1), primary key (a, b)) partition by list (a);
create table app.base (id bigint, note text not null, check (id > 0));
"""
FORMS = [
    'table "T ä" ("A b" int primary key, "B" text not null default e\'it\'\'s\\n\', c app.mood check (c <> \'bad\'))',
    "table t (id serial primary key, b bigserial, c int generated always as identity (start 5 cache 3), d short unique)",
    "table t (a int, b int generated always as (a * 2) stored, c text collate \"C\", d numeric(8, 2)[] default '{1}')",
    "table t (a int, during tsrange, constraint \"no two\" exclude using gist (during with &&) where (a > 1),"
    " check (twice(a) > 3), unique (a) with (fillfactor = 70) deferrable initially deferred)",
    "unlogged table t (a int default nextval('numbers')) with (fillfactor = 70, autovacuum_enabled = false)",
    "table other.t (a int, b text) partition by range (a, lower(b))",
    "table t partition of p for values in (1, 2)",
    "table t partition of p (b default 'y', constraint few check (a < 9)) default partition by hash (b)",
    "table t (more int unique, note text default 'n') inherits (base)",
    "table t (like base including all, x int)",
    "table t ()",
    "table if not exists t (a int)",
]  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a database with what tables need."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form, and where a taken name makes the server number those that it chooses."""
    for form in FORMS:
        assert forth_and_back(on, f"create {form}")[0].startswith("drop table ")
    on.execute("create table t (id int primary key, a int unique check (a > 0))")
    on.execute("alter table t rename to t_old")
    forth_and_back(on, "create table t (id int primary key, a int unique check (a > 0), b serial)")


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """However it is spelled; IF NOT EXISTS is no proof, nor is a name."""
    on.execute(
        "create table t (id int generated always as identity, a varchar(5) not null default 'x',"
        " constraint c check (length(a) > 1), primary key (id)) with (fillfactor = 70)"
    )
    same = (
        "create table app.t (id integer generated always as identity primary key, a character varying(5)"
        " default 'x'::varchar not null, constraint c check ((length(a::text)) > 1)) with (fillfactor = '70')"
    )
    assert state(on, same) == "present"
    for old, new in [
        ("(5)", "(6)"), ("always", "by default"), ("always as identity", "always as identity (start 3)"),
        ("not null", ""), ("'x'::", "'y'::"), ("primary key", "unique"), (") > 1", ") > 2"), ("constraint c", "constraint d"),
        ("'70'", "'80'"), ("table", "unlogged table"), ("id integer", "z int, id integer"), (") with", ") inherits (base) with"),
        ("a char", 'a2 text collate "C", a char'), ("app.t", "app.base"), ("app.t", "app.p"), ("app.t", "app.numbers"),
    ]:  # fmt: skip
        seen = planned(on, same.replace(old, new, 1))[0].state(on)
        assert seen.state is State.DIFFERENT, (new, seen)
    assert state(on, same.replace("table", "table if not exists")) == "present"
    assert state(on, "create table if not exists t (id int)") == "different"
    (change,) = planned(on, same.replace("(5)", "(6)"))
    assert change.state(on).detail == (
        "planned: column a character varying(6) default 'x'::character varying not null; "
        "found: column a character varying(5) default 'x'::character varying not null"
    )
    assert state(on, "create table new (a not_there_yet)") == "absent"
    on.execute("create table u (a int)")
    on.execute("alter table u add constraint u_a_not_null not null a not valid")
    assert state(on, "create table u (a int not null)") == "different"
    assert state(on, "alter table u add a int not null default 1") == "different"
    on.execute("create table w (like base)")
    (change,) = planned(on, "create table w (like base including indexes)")
    assert "more than is compared" in change.standing(on).detail


def test_later_changes__are_not_held_against_it(on: db.Database) -> None:
    """What the same migration alters of its table is compared by the later change, before and after that is done."""
    text = """
    create table t (id serial, a int check (a > 0), b text, c int default 3, d int unique, e int);
    alter table t add column f int;
    alter table t alter column b set not null;
    alter table t drop constraint t_a_check;
    alter table t add constraint many check (a > 1 and e > 1);
    alter table t add primary key (id);
    alter sequence t_id_seq cache 20;
    """
    before = fingerprint.objects(on, "pgrunbook")
    found = planned(on, text)
    first, done = found[0], []
    for change in found:
        seen = change.standing(on)
        if seen.state is not State.PRESENT:  # a serial is NOT NULL already
            done.append((change, change.capture(on)))
            run(on, change.apply(seen))
        assert first.state(on).state is State.PRESENT, (change, first.state(on))
    assert (
        state(on, "create table t (id serial, a int check (a > 0), b text, c int default 3, d int unique, e int)")
        == "different"
    )
    for broken in ("alter column c set default 4", "add g int", "drop constraint t_d_key", "alter d type bigint"):
        on.execute("begin")
        on.execute(f"alter table t {broken}")
        assert first.state(on).state is State.DIFFERENT, broken
        on.execute("rollback")
    for change, captured in reversed(done):
        known = changes.again(change.kind, change.resolved_sql(), {}, 1)
        assert known.since(on, captured).state is State.PRESENT, known
        run(on, known.undo(captured))
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))


def test_foreign_keys__are_changes_of_their_own(on: db.Database) -> None:
    """Inline or not, named as the server would; two tables may refer to each other."""
    text = """
    create table a (id int primary key, other int, up int unique deferrable references a deferrable not null);
    create table if not exists b (id int primary key references a (id) on delete cascade check (id > 0),
        x int, y int, constraint "named one" foreign key (x) references a, foreign key (x, y) references other_b (u, v));
    alter table a add foreign key (other) references b;
    """
    on.execute("create table other_b (u int, v int, unique (u, v))")
    found = planned(on, text)
    assert [c.kind for c in found] == ["create_table", "add_constraint"] * 1 + ["create_table"] + ["add_constraint"] * 4
    assert [c.object for c in found if c.kind == "add_constraint"] == [
        "app.a.a_up_fkey", "app.b.b_id_fkey", 'app.b."named one"', "app.b.b_x_y_fkey", "app.a.a_other_fkey",
    ]  # fmt: skip
    assert "UNIQUE DEFERRABLE NOT NULL" in found[0].resolved_sql()
    forth_and_back(on, text)
    twice = typed("create table c (a int references x references y)")
    assert [getattr(c, "name", "") for c in twice] == ["c", "c_a_fkey", "c_a_fkey1"]
    assert [c.kind for c in typed("create temp table c (a int references x)")] == ["raw_sql"]


def test_rows__are_told_of_before_they_are_lost(on: db.Database) -> None:
    """Also where row security hides them from the owner."""
    (change,) = planned(on, "create table t (a int)")
    assert change.loss(on) == ""
    run(on, change.apply(change.state(on)))
    assert change.loss(on) == ""
    on.execute("insert into t values (1)")
    assert change.loss(on) == "the rows in app.t"
    assert change.label == "t"


def test_partition__says_what_it_locks(on: db.Database) -> None:
    """ACCESS EXCLUSIVE on the parent, and a default partition is read."""
    (change,) = planned(on, "create table p1 partition of p for values in (1)")
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.p")]
    (note,) = change.lint()
    assert "ACCESS EXCLUSIVE on app.p" in note
    assert "ATTACH PARTITION" in note
    on.execute("create table rest partition of p default")
    (change,) = planned(on, "create table p1 partition of p for values in (1)")
    assert "reads the whole of app.rest" in change.lint()[1]
    (change,) = planned(on, "create table x () inherits (base)")
    assert [s.lock for s in change.apply(Observation(State.ABSENT))[0].statements] == [LockMode.SHARE_UPDATE_EXCLUSIVE]
    fresh = planned(
        on, "create table q (a int) partition by list (a); create table q1 partition of q for values in (1)"
    )
    assert fresh[1].fresh
    assert fresh[1].lint() == []
    forth_and_back(on, "create table q (a int) partition by list (a); create table q1 partition of q for values in (1)")


def test_facts__are_those_of_the_statement(on: db.Database) -> None:
    """What it makes, its sequences and indexes included, for later changes and for the fingerprint."""
    text = 'create table "T" (id serial, a int primary key, b int unique, c int generated always as identity)'
    (change,) = planned(on, text)
    assert isinstance(change, CreateTable)
    assert (str(change.makes), change.creates_in, change.relation) == ('app."T"', "app", "")
    before = fingerprint.objects(on, "pgrunbook")
    run(on, change.apply(change.state(on)))
    new = {name.partition(": ")[0] for name in fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))}
    assert new <= set(change.idents)
    names = changes.Names(on)
    change.follow(names)
    for made in ('app."T_id_seq"', 'app."T_pkey"', 'app."T_b_key"', 'app."T_c_seq"'):
        assert names.awaited(made)
    assert changes.again("create_table", change.resolved_sql(), {}, 1).undo({})


@pytest.mark.parametrize(("text", "says"), [
    ("create table t partition of nowhere default", "does not exist"),
    ("create table t partition of base default", "needs a partitioned table"),
    ("create table t (like nowhere)", "does not exist"),
])  # fmt: skip
def test_names_that_are_not_there__are_refused_with_their_line(on: db.Database, text: str, says: str) -> None:
    """Before anything is done."""
    with pytest.raises(errors.PreflightFailed, match=says):
        planned(on, text)


def test_temporary_tables__are_raw_sql() -> None:
    """They end with their session."""
    for text in ("temp table t (a int)", "table pg_temp.t (a int)"):
        assert [c.kind for c in typed(f"create {text}")] == ["raw_sql"]
    assert CreateTable.from_ast(sqlfile.split("select 1")[0]) is None
