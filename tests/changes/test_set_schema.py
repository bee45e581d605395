"""SET SCHEMA: of whatever has one, there and back; without its schema a name means what it meant before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import db, errors
from pgrunbook.changes import State

SCHEMA = """
create schema app; create schema other; create schema "S ä";
create table app.t (id serial primary key, a int); create index t_a on app.t (a);
create view app.v as select id from app.t; create materialized view app.m as select id from app.t;
create sequence app.s; create type app.mood as enum ('a'); create domain app.d as int;
create function app.f(int) returns int language sql as 'select 1';
create table public.second (a int)
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on one of each."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public", "other"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Of each sort; to a schema in the search_path and one that is not; with changes before and after."""
    for what in ("table t", "view v", "materialized view m", "sequence s", "type mood", "domain d", "function f(int)"):
        forth_and_back(on, f"alter {what} set schema other")
        forth_and_back(on, f'alter {what} set schema "S ä"')
    forth_and_back(
        on,
        "alter table t add column b int; alter table t set schema other; alter table other.t rename to u;"
        " alter table other.u add column c int; create index on other.u (c)",
    )
    forth_and_back(on, "create table n (a int); create index on n (a); alter table n set schema other")
    forth_and_back(on, "create schema new; alter table t set schema new; alter table new.t add column c int")


def test_state__is_told_by_both_schemas(on: db.Database) -> None:
    """Where a name without its schema could mean two things, it is asked for."""
    assert state(on, "alter table t set schema other") == "absent"
    (change,) = planned(on, "alter table t set schema other")
    assert (change.object, change.relation, change.creates_in) == ("other.t", "app.t", "other")
    run(on, change.apply(change.standing(on)))
    assert state(on, "alter table t set schema other") == "present"
    on.execute("create table app.t (x int)")
    assert planned(on, "alter table app.t set schema other")[0].standing(on).state is State.DIFFERENT
    with pytest.raises(errors.PreflightFailed, match="would mean another object"):
        planned(on, "alter table second set schema other")
    assert state(on, "alter table public.second set schema other") == "absent"
    with pytest.raises(errors.PreflightFailed, match="schema nowhere does not exist"):
        planned(on, "alter table app.t set schema nowhere")
    assert [c.kind for c in typed("alter extension x set schema y")] == ["raw_sql"]
