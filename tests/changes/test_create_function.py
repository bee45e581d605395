"""CREATE FUNCTION and PROCEDURE: known by their definition, replaced and brought back, or dropped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import changes, db, errors
from pgrunbook.changes import State

SCHEMA = """
create schema app; create schema other;
create type app."Mood" as enum ('sad'); create domain app.positive as int check (value > 0);
create table app.t (id int primary key, who text);
do $$ begin create role pgrb_reader; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role pgrb_writer; exception when duplicate_object or unique_violation then null; end $$;
"""
# Functions and procedures in many forms, with the name that regprocedure has for each.
FORMS = [
    ("f() returns int language sql as 'select 1'", "app.f()"),
    ('f(a "Mood", b "Mood"[]) returns int language sql as \'select 1\'', 'app.f(app."Mood",app."Mood"[])'),
    ("f(positive, timestamptz, varchar(10), float, char, \"char\") returns int language sql as 'select 1'",
     'app.f(app.positive,timestamp with time zone,character varying,double precision,character,"char")'),
    ("f(a int, inout b text, out c int, variadic d uuid[]) language sql as $$ select 'x', 1 $$", "app.f(integer,text,uuid[])"),
    ("f(a t, b numeric(3, 1) = 1.5, c bit(3) default b'101') returns setof t language sql rows 7 cost 3 as 'table app.t'",
     "app.f(app.t,numeric,bit)"),
    ("f(json, jsonb, interval) returns table (a int, b text) language sql stable strict parallel safe as $$ select 1, 'x' $$",
     "app.f(json,jsonb,interval)"),
    ("f(a anyelement) returns anyarray language sql immutable leakproof as 'select array[a]'", "app.f(anyelement)"),
    ("other.\"F f\"(a int) returns void language plpgsql security definer set search_path = '' set work_mem = '1MB' as "
     "$_$ begin perform $$x$$, '\\n', $1; end $_$", 'other."F f"(integer)'),
    ("f(bool) returns int language sql as 'select count(*)::int from not_there_yet'", "app.f(boolean)"),
    ("tr() returns trigger language plpgsql as 'begin return new; end'", "app.tr()"),
]  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a schema with types."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        opened.set("check_function_bodies", "off")
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form, each under the name that the server has for it."""
    every = "; ".join(f"create function {form}" for form, _ in FORMS) + (
        "; create procedure p(a int = 1, inout b int = 2) language plpgsql as $$ begin b := a; end $$"
    )
    found = planned(on, every)
    assert [c.object for c in found] == [*(name for _, name in FORMS), "app.p(integer,integer)"]
    with on.transaction(rollback=True):
        run(on, [p for c in found for p in c.apply(c.state(on))])
        on.value("select set_config('search_path', 'pg_catalog', true)")
        there = {n for (n,) in on.rows("select oid::regprocedure::text from pg_proc where pronamespace in "
                                       "('app'::regnamespace, 'other'::regnamespace)")}  # fmt: skip
    assert {c.object for c in found} == there
    forth_and_back(on, every)


def test_begin_atomic__is_compared_as_the_server_reads_it(on: db.Database) -> None:
    """A body that is parsed at once, from version 14 on."""
    if on.version >= 140000:
        text = "create function f(a int) returns bigint begin atomic select count(*) from t where id > a; end"
        forth_and_back(on, text)
        on.execute(text)
        assert state(on, text.replace("from t", "from app.t")) == "present"
        assert state(on, text.replace("id > a", "id >= a")) == "different"


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """Volatility, security, settings, cost and body count; how it is spelled does not."""
    on.execute("create function f(a int, b text = 'x') returns text language sql stable as $$ select b $$")
    same = "function app.f(a integer, b text default 'x'::text) returns text as ' select b ' stable language 'sql' volatile"
    assert state(on, "create " + same.replace(" volatile", "")) == "present"
    for other in (
        "immutable as $$ select b $$", "stable security definer as $$ select b $$", "stable as $$ select b$$",
        "stable cost 7 as $$ select b $$", "stable set search_path = '' as $$ select b $$",
        "stable parallel safe as $$ select b $$",
    ):  # fmt: skip
        text = f"function f(a int, b text = 'x') returns text language sql {other}"
        assert state(on, f"create {text}") == "different", other
        assert state(on, f"create or replace {text}") == "absent", other
    assert state(on, "create function f(a int, b varchar) returns text language sql as 'select b'") == "absent"


def test_replaced__comes_back_with_its_owner_and_privileges(on: db.Database) -> None:
    """In place where the server can; where it can't, since a default was added, dropped and made again."""
    for statement in (
        "create function f(a int) returns int language sql as 'select 1'",
        "comment on function f(int) is 'it''s f'",
        "revoke execute on function f(int) from public",
        "grant execute on function f(int) to pgrb_reader with grant option",
        "grant create on schema app to pgrb_writer",
        "alter function f(int) owner to pgrb_writer",
        "alter default privileges in schema app grant execute on functions to pgrb_reader, public",
    ):
        on.execute(statement)
    in_place = forth_and_back(on, "create or replace function f(a int) returns int language sql as 'select 2'")
    assert [sql.split()[0] for sql in in_place] == ["CREATE"]
    remade = forth_and_back(on, "create or replace function f(a int = 1) returns int language sql as 'select 2'")
    assert remade[0] == "drop function app.f(integer)"
    forth_and_back(on, "create or replace function f(a int) returns int language sql as 'select 2';"
                   "create or replace function f(a int) returns int language sql as 'select 3';")  # fmt: skip


def test_a_privilege_of_another_grantor__refuses_what_would_lose_it(on: db.Database) -> None:
    """It could not be granted again by whoever granted it."""
    on.execute("create function f(a int) returns int language sql as 'select 1'")
    on.execute("grant execute on function f(int) to pgrb_reader with grant option")
    on.execute("grant usage on schema app to pgrb_reader")
    with on.transaction():
        on.execute("set local role pgrb_reader")
        on.execute("grant execute on function app.f(int) to pgrb_writer")
    (fine,) = planned(on, "create or replace function f(a int) returns int language sql as 'select 2'")
    assert fine.capture(on)["lost"] == []
    (change,) = planned(on, "create or replace function f(a int = 1) returns int language sql as 'select 2'")
    with pytest.raises(errors.PreflightFailed, match="somebody else than its owner"):
        change.capture(on)


def test_what_the_server_does_not_replace__is_different_with_its_reason(on: db.Database) -> None:
    """Another result type, other argument names, a procedure in its place, an aggregate."""
    on.execute("create function f(a int) returns int language sql as 'select 1'")
    on.execute("create aggregate total(int) (sfunc = int4pl, stype = int)")
    for text, reason in [
        ("function f(a int) returns text language sql as 'select 1'", "cannot change return type"),
        ("function f(b int) returns int language sql as 'select 2'", "cannot change name of input parameter"),
        ("procedure f(a int) language sql as 'select 1'", "cannot change routine kind"),
        ("function total(int) returns int language sql as 'select 1'", "an aggregate"),
    ]:
        (change,) = planned(on, f"create or replace {text}")
        seen = change.state(on)
        assert seen.state is State.DIFFERENT, text
        assert reason in seen.detail
        assert change.undo(change.capture(on))


def test_resolve__names_a_type_that_is_not_there(on: db.Database) -> None:
    """With its line; so for a schema that is not there."""
    with pytest.raises(errors.PreflightFailed, match=r"type nothing does not exist .*line 1"):
        planned(on, "create function f(nothing) returns int language sql as 'select 1'")
    on.set("search_path", "nowhere")
    with pytest.raises(errors.PreflightFailed, match="in no schema"):
        planned(on, "create function f() returns int language sql as 'select 1'")


def test_what_can_not_be_compared__is_raw_sql() -> None:
    """A C function, a window function, one in pg_temp, an argument by a column's type; an aggregate."""
    for text in (
        "function f() returns int language c as 'x', 'y'", "function f() returns int language internal as 'x'",
        "function f() returns int language sql window as 'select 1'", "function pg_temp.f() returns int language sql as ''",
        "function f(a t.id%type) returns int language sql as ''", "aggregate a(int) (sfunc = int4pl, stype = int)",
    ):  # fmt: skip
        assert [c.kind for c in typed(f"create {text}")] == ["raw_sql"]


def test_lint__is_of_security_definer_alone(on: db.Database) -> None:
    """Without a fixed search_path, and without a word on who may execute it."""
    head = "create function f() returns int language sql as 'select 1'"
    assert planned(on, head)[0].lint() == []
    path, who = planned(on, f"{head} security definer")[0].lint()
    assert "without a fixed search_path" in path
    assert "revoke execute on function app.f() from public" in who
    assert len(planned(on, f"{head} security definer set search_path from current")[0].lint()) == 1
    found = planned(on, f"{head} security definer set search_path = ''; revoke execute on function f() from public")
    assert found[0].lint() == []


def test_again__knows_its_name_without_a_catalog(on: db.Database) -> None:
    """From the statement that the ledger keeps; what stood there comes from what was captured."""
    for form, name in FORMS:
        (change,) = planned(on, f"create function {form}")
        known = changes.again("create_function", change.resolved_sql(), {}, 1)
        assert (known.object, known.together, known.idents) == (name, f"function {name}", (f"function {name}",))
        assert str(known.undo({})[0]) == f"drop function {name};"
        assert str(known.undo({"before": "X", "lost": ["Y"]})[0]) == f"begin;\ndrop function {name};\nX;\nY;\ncommit;"
