"""CREATE SCHEMA: known by its owner; what is made in it are changes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import db, errors


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's; the first of its search_path is not there yet."""
    database.run(
        "do $$ begin create role pgrb_owner; exception when duplicate_object or unique_violation then null; end $$"
    )
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form; unqualified names are made in it from then on, and its elements follow it."""
    for text in (
        'create schema "S ä"',
        "create schema authorization pgrb_owner",
        "create schema s authorization current_user",
        "create schema app; create table t (id int primary key); create view v as select id from t; create index on t (id)",
        "create schema s create view v as select * from t create table t (u int references u)"
        " create table u (id int primary key, t int references t_two) create table t_two (id int unique, primary key (id))"
        " create index on t (u)",
        "create schema if not exists s; create sequence s.numbers; create table s.t (id int default nextval('s.numbers'))",
    ):  # fmt: skip
        forth_and_back(on, text)
    found = planned(on, "create schema app; create table t (id int)")
    assert [c.object for c in found] == ["app", "app.t"]


def test_state__is_told_by_the_owner(on: db.Database) -> None:
    """IF NOT EXISTS without AUTHORIZATION is content with any."""
    on.execute("create schema s authorization pgrb_owner")
    assert state(on, "create schema s authorization pgrb_owner") == "present"
    assert state(on, "create schema if not exists s") == "present"
    assert state(on, "create schema s") == "different"
    assert state(on, "create schema if not exists s authorization current_user") == "different"
    with pytest.raises(errors.PreflightFailed, match="role nobody_here does not exist"):
        planned(on, "create schema s authorization nobody_here")


def test_role_that_may_not_make_schemas__is_told_what_it_needs(on: db.Database) -> None:
    """Unless the schema is there already."""
    on.execute("create schema there authorization pgrb_owner")
    on.execute("set role pgrb_owner")
    assert state(on, "create schema if not exists there") == "present"
    with pytest.raises(errors.PreflightFailed, match="may not make schemas") as caught:
        planned(on, "create schema s")
    assert caught.value.remedy.startswith("grant create on database ")


def test_elements_that_may_mean_something_else__stay_in_it() -> None:
    """A name inside a string, or one of a WITH list, can't be qualified: then it is raw SQL."""
    for elements in ("create sequence q create table t (a int default nextval('q'))",
                     "create table t (a int) create view v as with t as (select 1 as a) select * from t"):  # fmt: skip
        assert [c.kind for c in typed(f"create schema s {elements}")] == ["raw_sql"]
    assert [c.kind for c in typed("create schema s create table t (a int)")] == ["create_schema", "create_table"]
