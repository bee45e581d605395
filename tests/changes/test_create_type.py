"""CREATE TYPE: enums, composite types, ranges; and the DO blocks that people wrap it in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place, on_every_version
from fix_project import Project
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import State

SCHEMA = (
    "create schema app",
    'create schema "Ö ö"',
    "create type app.old as enum ('x', 'y')",
    "create table app.t (a int)",
)
FORMS = [
    "type mood as enum ('a', 'b''c', 'Ü')", 'type "Ö ö"."M m" as enum ()', "type nothing as ()",
    'type pair as (a int, "B b" text collate "C", c app.old[], d numeric(3, 1), e mood)',
    "type span as range (subtype = float8, subtype_diff = float8mi)",
    'type "My range" as range (SUBTYPE = text, collation = "C", multirange_type_name = "Ö ö".mm)',
    "type times as range (subtype = timestamptz, subtype_opclass = timestamptz_ops)",
]  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's that makes what it makes in a schema of its own."""
    database.run(*SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


@on_every_version
def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form; what comes new into the fingerprint is what the changes say. Multiranges exist from 14 on."""
    old = on.version < 140000
    every = "; ".join(f"create {form}" for form in FORMS if not (old and "multirange" in form))
    forth_and_back(on, every)
    before, found = fingerprint.objects(on, "pgrunbook"), planned(on, every)
    for change in found:
        run(on, change.apply(change.standing(on)))
    new = set(fingerprint.objects(on, "pgrunbook")) - set(before)
    told = {ident for change in found for ident in change.idents}
    assert new == {ident for ident in told if not (old and "multirange" in ident)}


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """An enum's order, a composite type's columns, a range's subtype count; the spelling does not."""
    for form in FORMS:
        on.execute(f"create {form}")
    for same in (
        "type app.mood as enum ('a', E'b\\'c', 'Ü')", 'type pair as ("a" integer, "B b" pg_catalog.text collate '
        'pg_catalog."C", c app.old array, d decimal(3, 1), e app.mood)', "type nothing as ()",
        "type span as range (subtype_diff = pg_catalog.float8mi, subtype = double precision)",
    ):  # fmt: skip
        assert state(on, f"create {same}") == "present", same
    for other in (
        "type mood as enum ('b''c', 'a', 'Ü')", "type mood as enum ('a')", "type mood as ()",
        "type nothing as (a int)", "type span as range (subtype = float8)", "type t as (a int)",
        "type times as range (subtype = timestamptz, multirange_type_name = other)", "domain mood as text",
    ):  # fmt: skip
        assert state(on, f"create {other}") == "different", other
    assert (
        planned(on, "create type mood as enum ()")[0].state(on).detail.startswith("planned: enum (); found: enum ('a'")
    )


def test_values_added_later__are_taken_into_account(on: db.Database) -> None:
    """When all is done the type has more values than its statement; one that somebody else added is no work of ours."""
    text = "create type mood as enum ('a'); alter type mood add value 'c'; alter type mood add value 'b' before 'c'"
    made = planned(on, text)
    captured = made[0].capture(on)
    for change in made:
        run(on, change.apply(change.standing(on)))
    assert [c.standing(on).state for c in planned(on, text)] == [State.PRESENT] * 3
    again = changes.again("create_type", made[0].resolved_sql(), {}, 1)
    assert again.since(on, captured).state is State.PRESENT
    on.execute("alter type mood add value 'theirs'")
    assert again.since(on, captured).state is State.DIFFERENT
    assert planned(on, text)[0].standing(on).state is State.DIFFERENT


def test_resolve__names_a_schema_that_is_not_there(on: db.Database) -> None:
    """With its line."""
    on.set("search_path", "nowhere")
    with pytest.raises(errors.PreflightFailed, match=r"line 1 of migrate.sql makes mood in no schema"):
        planned(on, "create type mood as enum ()")


def test_what_can_not_be_compared__is_raw_sql() -> None:
    """A shell, a base type, a range with a canonical function, a temporary type."""
    for text in (
        "type t", "type t (input = a, output = b)", "type t as range (subtype = int, canonical = f)",
        "type pg_temp.t as enum ()", "type pg_temp.t as ()", "domain pg_temp.d as int",
    ):  # fmt: skip
        assert [c.kind for c in typed(f"create {text}")] == ["raw_sql"], text


def test_do_blocks__that_guard_a_statement_are_that_statement(on: db.Database) -> None:
    """By a handler that does nothing, or by a look into the catalog; the plan says itself what is there."""
    for body in (
        "begin create type m as enum ('x'); exception when duplicate_object then null; end",
        "begin create type m as enum ('x'); exception when duplicate_object then raise notice 'is there'; end",
        "begin begin create type m as enum ('x'); exception when sqlstate '42710' then end; end",
        "begin if not exists (select from pg_type t join pg_namespace n on n.oid = t.typnamespace where typname = 'm' "
        "and nspname = 'app') then create type m as enum ('x'); end if; end",
    ):
        text = f"do $body$ {body} $body$"
        assert [(c.kind, c.written.as_written) for c in typed(text)] == [("create_type", text)]
    forth_and_back(on, text)
    on.execute("create type m as enum ()")
    assert state(on, text) == "different"
    several = """do $$ begin
      alter table t add column b int, add column c int; alter table t add constraint k check (b > 0);
    exception when duplicate_column or duplicate_object then null; end $$"""
    assert [c.kind for c in typed(several)] == ["add_column", "add_column", "add_constraint"]
    forth_and_back(on, several)


def test_do_blocks__that_guard_a_drop_by_its_name_are_that_drop(on: db.Database) -> None:
    """A look for the name alone, and its table and schema; what asks for more may not be done where it is there."""
    look = "select 1 from information_schema.columns where table_name = 't' and column_name = 'old'"
    keys = "select 1 from pg_constraint where conname = 't_pkey' and conrelid = 'app.t'::regclass"
    for guard, text, kind in (
        (f"exists ({keys})", "alter table app.t drop constraint t_pkey", "drop_constraint"),
        (f"not exists ({keys})", "alter table app.t add primary key (a)", "set_not_null"),
        (f"exists ({look})", "alter table t drop column old", "drop_column"),
        (f"exists ({look} and table_schema = 'public')", "alter table t rename column old to new", "rename"),
        ("exists (select from pg_policies where policyname = 'p')", "drop policy p on app.t", "drop_policy"),
        ("exists (select from pg_type where typname = 'm')", "drop type app.m", "drop_type"),
        (f"exists ({look} and data_type = 'text')", "alter table t drop column old", "raw_sql"),
        (f"exists ({look} and table_schema = 'x')", "alter table t drop column old", "raw_sql"),
        (f"exists ({look})", "alter table t drop column old, drop column other", "raw_sql"),
        ("exists (select from pg_attribute where attname = 'old' and attnotnull)", "alter table t drop old", "raw_sql"),
        ("exists (select from pg_attribute where attname = 'old' and attnum = 3)", "alter table t drop old", "raw_sql"),
        ("exists (select from t where a = 'm')", "drop type m", "raw_sql"),
    ):
        block = f"do $body$ begin if {guard} then {text}; end if; end $body$"
        assert typed(block)[0].kind == kind, block
    block = "do $$ begin if exists (select from pg_class where relname = 'i') then drop index app.i; end if; end $$"
    assert state(on, block) == "present"


def test_other_do_blocks__stay_what_they_are() -> None:
    """What else they catch, do, or look for can't be told from what the plan does; a check stays a check."""
    for body in (
        "begin create type m as enum (); end",
        "begin create type m as enum (); exception when others then null; end",
        "begin create type m as enum (); exception when duplicate_object then perform f(); end",
        "begin create type m as enum (); exception when duplicate_object then raise; end",
        "begin create type m as enum (); exception when undefined_object then null; end",
        "begin insert into t values (1); exception when duplicate_object then null; end",
        "begin create table a (b int); insert into a values (1); exception when duplicate_table then null; end",
        "begin execute 'create type m'; exception when duplicate_object then null; end",
        "begin if not exists (select from pg_type where typname = 'other') then create type m as enum (); end if; end",
        "begin if not exists (select from pg_type where typname <> 'm') then create type m as enum (); end if; end",
        "begin if not exists (select from t where a = 'm') then create type m as enum (); end if; end",
        "begin if not exists (select from pg_type where typname = 'm') then create type m as enum (); "
        "else alter type m rename to n; end if; end",
    ):
        assert [c.kind for c in typed(f"do $$ {body} $$")] == ["raw_sql"], body
    check = "begin if exists (select from t where a is null) then raise exception 'no'; end if; end"
    assert [c.kind for c in typed(f"do $$ {check} $$")] == ["check"]


def test_types_of_one_migration__are_carried_out_and_rolled_back(project: Project, database: Place) -> None:
    """Types that use each other, with comments and a table, in a block and outside; all is there for a second run."""
    text = """
    do $$ begin create type mood as enum ('a'); exception when duplicate_object then null; end $$;
    alter type mood add value 'b';
    comment on type mood is 'how it is';
    begin;
    create domain calm as mood default 'a' check (value <> 'b');
    create type pair as (one calm, other mood);
    create table things (id int primary key, mood calm, pair pair);
    comment on domain calm is 'as it should be';
    commit;
    """
    project.runbook("types", text)
    with database.connect() as on:
        before = fingerprint.objects(on, "pgrunbook")
        run_id = project.forward("types", database.target)
        assert project.stage("verify", "types", database.target, run_id=run_id).verdict == "passed"
        assert {c.standing(on).state for c in planned(on, text.replace("begin;", "").replace("commit;", ""))} == {
            State.PRESENT
        }
        for _ in range(2):
            project.stage("rollback", "types", database.target, run_id=run_id)
            assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
