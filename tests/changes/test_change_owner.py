"""OWNER TO: to another role and back, with the privileges that the new owner had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import db, errors
from pgrunbook.changes import LockMode, Observation, State

SCHEMA = """
do $$ begin create role pgrb_owner; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role "pgrb Ö"; exception when duplicate_object or unique_violation then null; end $$;
create schema app; grant create, usage on schema app to pgrb_owner;
create schema "S s"; create table "S s"."T t" (a int);
create table app.t (id serial primary key, a int);
create view app.v as select id from app.t; create materialized view app.m as select id from app.t;
create sequence app.s; create type app.mood as enum ('a'); create domain app.d as int; create type app.pair as (x int);
create function app.f(int) returns int language sql as 'select 1';
grant select, update on app.t to pgrb_owner; grant insert (a) on app.t to pgrb_owner with grant option;
grant execute on function app.f(int) to pgrb_owner with grant option; grant usage on type app.mood to pgrb_owner;
grant select on app.v to public; grant usage on sequence app.s to pgrb_owner
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on one of each."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Of each sort, twice, on what the migration makes."""
    for what in (
        "table t", "view v", "materialized view m", "sequence s", "type mood", "domain d", "type pair", "function f(int)",
        "routine f", "schema app", "schema \"S s\"", "table v",
    ):  # fmt: skip
        forth_and_back(on, f"alter {what} owner to pgrb_owner")
    forth_and_back(on, 'alter table "S s"."T t" owner to "pgrb Ö"')
    forth_and_back(on, 'alter table t owner to pgrb_owner; alter table t rename to u; alter table u owner to "pgrb Ö"')
    forth_and_back(on, "create table n (a int); alter table n owner to pgrb_owner")


def test_state_and_facts__are_those_of_the_owner(on: db.Database) -> None:
    """A role that is not there, or that nobody could tell from the owner any more, is refused."""
    assert state(on, "alter table t owner to current_user") == "present"
    (change,) = planned(on, "alter table t owner to pgrb_owner")
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.t")]
    assert "has to be a member of pgrb_owner" in change.lint()[-1]
    with pytest.raises(errors.PreflightFailed, match="no role"):
        planned(on, "alter table t owner to pgrb_nobody")
    on.execute("set role pgrb_owner")
    on.execute("grant insert (a) on app.t to public")
    on.execute("reset role")
    with pytest.raises(errors.PreflightFailed, match="has granted privileges on it"):
        planned(on, "alter table t owner to pgrb_owner")
    assert [c.kind for c in typed("alter publication p owner to x")] == ["raw_sql"]
