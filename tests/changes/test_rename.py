"""RENAME: whatever has a name gets another one, in a chain, in a swap, on what the migration makes, and gets it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors
from pgrunbook.changes import LockMode, ObjectOptions, Observation, State

SCHEMA = """
create schema app; create schema "Ä b";
create table app.t (id int primary key, a int constraint positive check (a > 0), "B b" text);
insert into app.t select i, i, 'x' from generate_series(1, 20) i;
create index t_a on app.t (a);
create view app.v as select id, a from app.t;
create materialized view app.m as select id from app.t;
create sequence app.s;
create type app.mood as enum ('sad', 'it''s ok');
create type app.pair as (x int, y int);
create domain app.d as int check (value > 0);
create function app.f(int, text default 'x') returns int language sql as 'select 1';
create function app.nothing() returns trigger language plpgsql as 'begin return null; end';
create trigger tr before insert on app.t for each row execute function app.nothing();
create policy p on app.t using (a > 0);
create table "Ä b"."T t" ("Ö" int, m app.mood);
comment on column app.t.a is 'the a'
"""
FORMS = [
    "table t rename to u", "table t rename column a to z", "table t rename a to \"Z z\"", "view v rename to w",
    "view v rename column a to z", "materialized view m rename to n", "index t_a rename to t_z", "index t_pkey rename to k",
    "sequence s rename to r", "table t rename constraint positive to \"Pos\"", "trigger tr on t rename to rt",
    "policy p on t rename to q", "function f(int, text) rename to g", "function f rename to g", "routine f rename to g",
    "type mood rename to humour", "type pair rename to two", "type pair rename attribute x to z", "domain d rename to e",
    "type mood rename value 'it''s ok' to 'fine'", "schema \"Ä b\" rename to \"B ä\"",
    "table \"Ä b\".\"T t\" rename to \"Ü\"", "table \"Ä b\".\"T t\" rename column \"Ö\" to \"select\"",
    "table v rename to w", "table t_a rename to i",
]  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on one of each."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form, each in one transaction."""
    for form in FORMS:
        forth_and_back(on, f"alter {form}")
        assert len(planned(on, f"alter {form}")[0].apply(Observation(State.ABSENT))) == 1


def test_statements_on_each_others_names__go_there_and_back(on: db.Database) -> None:
    """On what was there before, and on what the migration makes: chains, swaps, changes before and after."""
    for text in (
        "alter table t add column c int; create index on t (c); create index named on t (a); alter table t rename to u;"
        " alter table u add column d int; alter table u rename column a to z; create index on u (z);"
        " alter table u rename column c to cc; alter table u rename to w; create view vw as select z, cc from w",
        "alter index t_a rename to i; alter table i rename to j",
        "create table n (a int, b int); create index on n (a); alter table n rename to o; alter table o add column c int;"
        " alter table o rename column a to z; alter table o rename column z to y",
        # a table that takes the place of another
        "create table t_new (id int); alter table t rename to t_old; alter table t_new rename to t;"
        " alter table t add column c text",
        "alter table t rename to t_old; create table t (id int); create index on t (id)",
        "create index k on t (a); alter table t rename to u; create view t as select * from u; alter table u rename a to z",
        "alter table t rename column a to a_old; alter table t rename column \"B b\" to a",
        "alter function f(int, text) rename to g; comment on function g(int, text) is 'new'",
        "alter schema \"Ä b\" rename to c; alter table c.\"T t\" add column x int; alter table c.\"T t\" rename to \"T\"",
        "alter type mood rename value 'sad' to 'blue'; alter type mood rename to mm; alter type mm rename value 'blue' to 'b'",
        "create type e as enum ('a', 'b'); alter type e rename value 'a' to 'z'; create table q (e e default 'z');"
        " alter type e rename to f",
        "comment on table t is 'x'; alter table t rename to u",
        "alter table t add constraint k check (id > 0); alter table t rename constraint k to l",
    ):  # fmt: skip
        forth_and_back(on, text)
        on.execute("drop table if exists nothing")


def test_state__is_told_by_both_names(on: db.Database) -> None:
    """Both: in the way. Neither: refused, unless an earlier line makes it. A circle can't be told from nothing."""
    assert state(on, "alter table t rename to u") == "absent"
    assert state(on, "alter table gone rename to t") == "present"
    assert state(on, "alter table t rename to v") == "different"
    for text, said in (
        ("alter table gone rename to gone_too", "does not exist"),
        ("alter table t rename column gone to gone_too", "column app.t.gone does not exist"),
        ("alter index t rename to i", "needs an index"),
        ("alter table gone rename to x; alter table t rename to gone", "does not exist"),
        ("alter table t rename to t_old; alter table gone rename to t", "does not exist"),
        ("alter table t rename to u; alter table v rename to t; alter table u rename to v", "closes a circle of names"),
        ("alter table t rename a to b; alter table t rename b to a", "closes a circle of names"),
    ):
        with pytest.raises(errors.PreflightFailed, match=said):
            planned(on, text)
    (change,) = planned(on, "alter table t rename column a to z")
    captured = change.capture(on)
    run(on, change.apply(change.state(on)))
    on.execute("alter table t drop column z cascade")
    on.execute("alter table t add column z int")
    assert change.since(on, captured).state is State.DIFFERENT


def test_facts__are_those_of_the_statement(on: db.Database) -> None:
    """Locks, what the application loses, and what is not taken up."""
    (table,) = planned(on, "alter table t rename to u")
    assert (table.object, table.subject, table.relation) == ("app.u", "table app.u", "app.t")
    (transaction,) = table.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.t")]
    assert "breaks at the moment of the commit" in table.lint()[1]
    (index,) = planned(on, "alter index t_a rename to i")
    assert index.relation == "app.t"
    assert index.apply(Observation(State.ABSENT))[0].statements[0].lock is LockMode.SHARE_UPDATE_EXCLUSIVE
    known = changes.again("rename", table.resolved_sql(), ObjectOptions().model_dump(), 1)
    assert str(known.undo({})[0]) == "alter table app.u rename to t;"
    for text in ("alter domain d rename constraint a to b", "alter role a rename to b",
                 "alter type pair rename attribute x to y cascade", "alter aggregate a(int) rename to b"):  # fmt: skip
        assert [c.kind for c in typed(text)] == ["raw_sql"], text


def test_a_migration_of_renames__is_done_once_and_taken_back(database: Place, project: Project) -> None:
    """Through the stages: a second run finds all there, in a block and outside; the rollback proves the fingerprint."""
    database.run(*SCHEMA.strip().split(";\n"), "create table here (a int)", "insert into here values (1)")
    body = (
        "alter table here rename to there; alter table there set schema app;"
        "alter table app.t rename to u; create index on app.u (id, a); alter table app.u rename column a to z;"
        "alter table app.u add column c int; create table a (x int); create index on a (x); alter table a rename to b;"
        "alter table b add column y int; alter table b rename column x to z;"
    )
    for name, text in (
        ("plain", body),
        ("block", f"begin; {body.replace('create index on app.u (id, a);', '')} commit;"),
    ):
        project.runbook(name, text)
        run_id = project.forward(name, database.target)
        with database.connect() as on:
            from pgrunbook import plan, runbook

            made = plan.make(runbook.load(project.root, name), on)
        assert not made.left, [(s.change.written.sql, s.seen) for s in made.left]
        project.stage("verify", name, database.target, run_id=run_id)
        project.stage("rollback", name, database.target, run_id=run_id)


def test_what_is_renamed_and_dropped__is_refused(database: Place) -> None:
    """Before both and after both the new name stands for nothing: neither would ever be done."""
    database.run("create table t (id int primary key, a int constraint ck check (a > 0))", "create index i on t (a)")
    with database.connect() as on:
        for text in (
            "alter table t rename constraint ck to kk; alter table t drop constraint kk",
            "alter index i rename to j; drop index j",
        ):
            with pytest.raises(errors.PreflightFailed, match="nothing tells so"):
                planned(on, text)
