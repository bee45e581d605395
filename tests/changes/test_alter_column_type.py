"""TYPE: back where no value changes by it; a rewrite has to be accepted, a loss answered for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors
from pgrunbook.changes import LockMode, ObjectOptions, Observation, State

SCHEMA = """
create schema app;
create table app.t (id int primary key, a int default 5 check (a > 0), v varchar(5) default 'x' collate "C" check (v <> ''),
  n numeric(10, 2) default 1.5, f real, c char(4), b varbit(3), d date, w text, "Ö ö" smallint, k int unique, x text default 'x');
create table app.r (k int references app.t (k));
insert into app.t select i, i, 'v', 1.5, 0.1, 'c', '101', '2024-02-03', 'w', 1, i, 'x' from generate_series(1, 20) i;
create index t_v on app.t (v);
create index t_a on app.t (a) where a > 3;
comment on index app.t_a is 'on a'; comment on column app.t.a is 'a';
alter table app.t alter v set storage external; alter table app.t alter a set statistics 50;
create table app.p (k int, a varchar(3) default 'p') partition by list (k);
create table app.p1 partition of app.p (a default 'q') for values in (1);
create view app.w as select w, x from app.t
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on columns of many types."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def rows(on: db.Database) -> list[tuple]:
    return on.rows("select t::text from app.t order by id")


def accepted(on: db.Database, text: str) -> None:
    """Forth and back with the rewrite accepted."""
    (change,) = planned(on, text, concurrently=False)
    before = rows(on)
    captured = change.capture(on)
    run(on, change.apply(change.standing(on)))
    known = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1).remembering(captured)
    assert known.loss(on) == ""
    run(on, known.undo(captured))
    assert known.since(on, captured).state is State.ABSENT
    assert rows(on) == before


def test_forth_and_back__leaves_schema_and_rows_as_they_were(on: db.Database) -> None:
    """Wider types, without a rewrite and with one; defaults, checks, storage, partitions of their own."""
    from pgrunbook import fingerprint

    for text in (
        "alter table t alter v type varchar(9) collate \"C\"", "alter table app.t alter v type text collate \"C\"",
        "alter table t alter n type numeric(14, 2)", "alter table only t alter b type varbit",
        "alter table p alter a type text",
    ):  # fmt: skip
        forth_and_back(on, text)
    before = fingerprint.objects(on, "pgrunbook")
    for text in (
        "alter table t alter a type bigint", "alter table t alter k type bigint using k::bigint",
        "alter table t alter id type smallint", "alter table t alter \"Ö ö\" type numeric", "alter table t alter f type float8",
        "alter table t alter c type text", "alter table t alter d type timestamp", "alter table t alter n type numeric(14, 4)",
        "alter table t alter \"Ö ö\" type int", "alter table t alter v type text",
    ):  # fmt: skip
        accepted(on, text)
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
    forth_and_back(
        on,
        "create table e (a int default 1); alter table e alter a type bigint; create index on e (a);"
        " alter table e rename a to z; alter table e alter z type numeric",
    )
    on.execute("create type app.mood as enum ('sad', 'x')")
    on.execute("drop view w")
    for text in (
        "alter table t alter x drop default; alter table t alter x type mood using x::mood;"
        " alter table t alter x set default 'sad'",
        "alter table t add column m mood default 'sad'; alter table t alter m type text",
        # an enum rewritten: its successor is made by the same migration, and takes its name in the end
        "create type app.fewer as enum ('x', 'y'); alter table t alter x drop default;"
        " alter table t alter x type app.fewer using x::text::app.fewer",
    ):
        forth_and_back(on, text, concurrently=False)
    forth_and_back(on, 'alter table t alter x type varchar collate "C"')


def test_what_blocks_or_loses__has_to_be_accepted(on: db.Database) -> None:
    """A rewrite of rows; a value that would be another; what reads the column."""
    for text, said, remedy in (
        ("alter table t alter a type bigint", "rewrite app.t", "concurrently = false"),
        ("alter table t alter n type numeric(10, 1)", "numeric(10,2) becomes numeric(10,1)", "irreversible = "),
        (
            "alter table t alter a type numeric",
            "would not write CHECK ((a > 0)); btree (a) WHERE (a > 3) as before",
            "irr",
        ),
        ("alter table t alter d type text", "date becomes text", "irreversible = "),
        ("alter table t alter w type varchar(5)", "cuts off", "irreversible = "),
        ("alter table t alter v type varchar(9)", "build its indexes again", "concurrently = false"),
        ("alter table t alter w type varchar", "read by app.w", "drop what reads it"),
    ):
        with pytest.raises(errors.PreflightFailed) as caught:
            planned(on, text)
        assert said in caught.value.message, text
        assert remedy in caught.value.remedy, text
    (change,) = planned(on, "alter table t alter d type text", irreversible="it is meant", concurrently=False)
    assert change.undo(change.capture(on)) == []
    assert "accepted: it is meant" in change.lint()[1]
    (using,) = changes.typed(changes_of("alter table t alter d type int using 3"), {}, {})
    assert "USING makes other values" in using.refusal()
    known = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1)
    assert known.irreversible == "it is meant"


def test_an_enum_rewritten__comes_back_with_its_rows(database: Place, project: Project) -> None:
    """By way of its text, into an enum of the same migration that takes its name; a new value is told beforehand."""
    database.run(
        "create type mood as enum ('sad', 'ok', 'old')", "create table t (id int primary key, m mood not null)",
        "insert into t values (1, 'sad'), (2, 'ok')",
    )  # fmt: skip
    up = """
    create type fewer as enum ('ok', 'sad', 'new');
    alter table t alter column m type fewer using (m::text::fewer);
    drop type mood;
    alter type fewer rename to mood;
    """
    project.runbook("moods", up, toml="[objects.statement_2]\nconcurrently = false\n")
    run_id = project.forward("moods", database.target)
    project.stage("verify", "moods", database.target, run_id=run_id)
    database.run("update t set m = 'new' where id = 1")
    with pytest.raises(errors.CheckFailed, match=r"values of public\.t\.m that"):
        project.stage("rollback", "moods", database.target, run_id=run_id)
    database.run("update t set m = 'sad' where id = 1")
    project.stage("rollback", "moods", database.target, run_id=run_id)
    with database.connect() as on:
        assert on.rows("select id, m::text from t order by id") == [(1, "sad"), (2, "ok")]
        assert on.value("select enum_range(null::mood)::text") == "{sad,ok,old}"


def changes_of(text: str):
    from pgrunbook import sqlfile

    return sqlfile.split(text)[0]


def test_state__is_told_by_the_type(on: db.Database) -> None:
    """In the server's words."""
    assert state(on, "alter table t alter a type int4") == "present"
    assert state(on, 'alter table t alter v type character varying(6) collate "C"') == "absent"
    (change,) = planned(on, 'alter table t alter v type varchar(6) collate "C"')
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [s.lock for s in transaction.statements] == [LockMode.ACCESS_EXCLUSIVE]
    assert "reads the whole table for the column's constraints; no rewrite" in change.lint()[0]
    assert changes.again(change.kind, change.resolved_sql(), ObjectOptions().model_dump(), 1).undo({}) == []


def test_values_that_came_since__are_told_before_anything_is_undone(database: Place, project: Project) -> None:
    """A rollback with a value that the old type has no room for is refused; without it goes through."""
    database.run("create table t (id int primary key, a int, n numeric(6, 1))", "insert into t values (1, 1, 1.5)")
    project.runbook(
        "wide", "alter table t alter a type bigint; alter table t alter n type numeric(8, 2);",
        toml='[objects.statement_1]\nconcurrently = false\n[objects.statement_2]\nconcurrently = false\n',
    )  # fmt: skip
    run_id = project.forward("wide", database.target)
    for value, column, old in (("3000000000", "a", 1), ("1.25", "n", 1.5)):
        database.run(f"update t set {column} = {value}")
        with pytest.raises(errors.CheckFailed, match=f"values of public.t.{column} that .* does not hold"):
            project.stage("rollback", "wide", database.target, run_id=run_id)
        database.run(f"update t set {column} = {old}")
    project.stage("verify", "wide", database.target, run_id=run_id)
    project.stage("rollback", "wide", database.target, run_id=run_id)
