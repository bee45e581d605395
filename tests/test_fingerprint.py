"""The fingerprint: equal for equal schemas, however they came about, and different for every kind of object."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from fix_databases import Place, made
from pgrunbook import fingerprint
from pgrunbook.db import Database

SCHEMA = [
    "create role {role}",
    "create type e as enum ('a', 'b')",
    "create domain d as int check (value > 0)",
    "create type pair as (x int, y text)",
    "create table t (id int primary key, a int, b text, c e)",
    "alter table t add constraint positive check (a > 0) not valid",
    "create table child (t_id int references t)",
    "create table parted (id int) partition by range (id)",
    "create table part partition of parted for values from (0) to (10)",
    "create index t_a on t (a)",
    "create view v as select id, a from t",
    "create materialized view m as select id from t",
    "create sequence s",
    "create function f(x int) returns int language sql as 'select x'",
    "create function tf() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger tr before insert on t for each row execute function tf()",
    "create policy p on t using (a = 1)",
    "create rule r as on insert to child where new.t_id < 0 do nothing",
    "create statistics st on a, b from t",
]
# kind, what changes it, what takes that back
CHANGES = [
    ("relation", "create table z (a int)", "drop table z"),
    ("relation", "alter table t set (fillfactor = 70)", "alter table t reset (fillfactor)"),
    ("relation", "alter table t owner to {role}", "alter table t owner to postgres"),
    ("relation", "alter table t replica identity full", "alter table t replica identity default"),
    ("relation", "alter table child set unlogged", "alter table child set logged"),
    ("relation", "grant select on t to {role}", "revoke select on t from {role}"),
    ("relation", "grant usage on sequence s to {role}", "revoke usage on sequence s from {role}"),
    ("relation", "alter sequence s owner to {role}", "alter sequence s owner to postgres"),
    ("relation", "alter table t enable row level security", "alter table t disable row level security"),
    ("relation", "alter table t force row level security", "alter table t no force row level security"),
    ("relation", "create or replace view v as select id, a + 0 as a from t",
    "create or replace view v as select id, a from t"),
    ("relation", "alter view v set (security_barrier = on)", "alter view v reset (security_barrier)"),
    ("relation", "alter table parted detach partition part",
    "alter table parted attach partition part for values from (0) to (10)"),
    ("column", "alter table t add column z int", "alter table t drop column z"),
    ("column", "alter table t alter b set default 'x'", "alter table t alter b drop default"),
    ("column", "alter table t alter c type text", "alter table t alter c type e using c::e"),
    ("column", "alter table t alter b set not null", "alter table t alter b drop not null"),
    ("column", "alter table t alter b set statistics 200", "alter table t alter b set statistics -1"),
    ("column", "alter table t alter b set storage external", "alter table t alter b set storage extended"),
    ("column", "alter table t alter b set (n_distinct = 5)", "alter table t alter b reset (n_distinct)"),
    ("column", "alter table t rename b to z", "alter table t rename z to b"),
    ("column", "grant select (a) on t to {role}", "revoke select (a) on t from {role}"),
    ("column", "alter type pair add attribute z int", "alter type pair drop attribute z"),
    ("constraint", "alter table t add constraint z unique (b)", "alter table t drop constraint z"),
    ("constraint", "alter table t validate constraint positive",
     "alter table t drop constraint positive, add constraint positive check (a > 0) not valid"),
    ("constraint", "alter table child alter constraint child_t_id_fkey deferrable",
     "alter table child alter constraint child_t_id_fkey not deferrable"),
    ("constraint", "alter domain d add constraint z check (value < 9)", "alter domain d drop constraint z"),
    ("index", "create index z on t (b)", "drop index z"),
    ("index", "alter index t_a set (fillfactor = 70)", "alter index t_a reset (fillfactor)"),
    ("index", "cluster t using t_a", "alter table t set without cluster"),
    ("index", "alter index t_a rename to z", "alter index z rename to t_a"),
    ("policy", "create policy z on t for select to {role} using (true)", "drop policy z on t"),
    ("policy", "alter policy p on t using (a = 2)", "alter policy p on t using (a = 1)"),
    ("policy", "alter policy p on t to {role}", "alter policy p on t to public"),
    ("trigger", "create trigger z after insert on t execute function tf()", "drop trigger z on t"),
    ("trigger", "alter table t disable trigger tr", "alter table t enable trigger tr"),
    ("rule", "create rule z as on delete to child do instead nothing", "drop rule z on child"),
    ("rule", "alter table child disable rule r", "alter table child enable rule r"),
    ("sequence", "alter sequence s increment 5", "alter sequence s increment 1"),
    ("function", "create or replace function f(x int) returns int language sql as 'select x + 1'",
     "create or replace function f(x int) returns int language sql as 'select x'"),
    ("function", "alter function f immutable", "alter function f volatile"),
    ("function", "alter function f security definer", "alter function f security invoker"),
    ("function", "alter function f set search_path = x", "alter function f reset search_path"),
    ("function", "revoke execute on function f from public", "grant execute on function f to public"),
    ("function", "create procedure z() language sql as 'select 1'", "drop procedure z"),
    ("enum", "alter type e rename value 'a' to 'z'", "alter type e rename value 'z' to 'a'"),
    ("enum", "create type z as enum ('a')", "drop type z"),
    ("domain", "alter domain d set default 5", "alter domain d drop default"),
    ("domain", "alter domain d set not null", "alter domain d drop not null"),
    ("statistics", "create statistics z (dependencies) on a, c from t", "drop statistics z"),
    ("comment", "comment on table t is 'x'", "comment on table t is null"),
    ("comment", "comment on column t.a is 'x'", "comment on column t.a is null"),
    ("comment", "comment on index t_a is 'x'", "comment on index t_a is null"),
    ("schema", "create schema z", "drop schema z"),
    ("schema", "grant create on schema public to {role}", "revoke create on schema public from {role}"),
    ("extension", "create extension pg_trgm", "drop extension pg_trgm"),
]  # fmt: skip


@pytest.fixture(scope="module")
def role(server: str) -> str:
    """The name of a role, which is the server's."""
    return f"r_{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def place(server: str, role: str) -> Iterator[Place]:
    """A database with one object of each kind; whoever changes it takes that back."""
    with made(server) as found:
        found.run(*(text.format(role=role) for text in SCHEMA))
        yield found
        found.run(f"drop owned by {role}", f"drop role {role}")


@pytest.fixture(scope="module")
def db(place: Place) -> Iterator[Database]:
    """A session on it."""
    with place.connect() as opened:
        yield opened


def take(on: Place, **options: object) -> dict[str, str]:
    """One hash per kind."""
    with on.connect() as db:
        return fingerprint.take(db, "pgrunbook", **options)


def objects(on: Place) -> dict[str, str]:
    """One hash per object."""
    with on.connect() as db:
        return fingerprint.objects(db, "pgrunbook")


def kinds(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The kinds that differ."""
    return {k for k in {*before, *after} if before.get(k) != after.get(k)}


@pytest.mark.parametrize(("kind", "change", "back"), CHANGES, ids=lambda text: text[:40])
def test_a_change_of_each_kind__differs_until_it_is_taken_back(
    db: Database, role: str, kind: str, change: str, back: str
) -> None:
    """Both in the kinds' hashes and in the objects'; taken back, nothing is left of it."""
    before, before_objects = fingerprint.take(db, ""), fingerprint.objects(db, "")
    db.execute(change.format(role=role))
    differing = fingerprint.differing(before_objects, fingerprint.objects(db, ""))
    assert kind in kinds(before, fingerprint.take(db, ""))
    assert any(d.startswith(f"{kind} ") for d in differing)
    db.execute(back.format(role=role))
    assert fingerprint.differing(before_objects, fingerprint.objects(db, "")) == []
    assert fingerprint.take(db, "") == before


def test_a_new_enum_value__differs(database: Place) -> None:
    """It can't be taken back."""
    database.run("create type e as enum ('a')")
    before = take(database)
    database.run("alter type e add value 'b'")
    assert kinds(before, take(database)) == {"enum"}


def test_an_invalid_index__is_a_kind_of_its_own(database: Place) -> None:
    """So that a leftover that is not restored can be an exception."""
    database.run("create table t (a int)", "insert into t values (1), (1)")
    before = take(database)
    with database.session() as own, pytest.raises(Exception, match="could not create unique index"):
        own.execute("create unique index concurrently i on t (a)")
    assert kinds(before, take(database)) == {"invalid index"}


def test_rows_statistics_and_vacuum__change_nothing(place: Place) -> None:
    """It is the schema's fingerprint: not that of the data, nor of what was measured about it."""
    before = take(place)
    place.run("insert into t select i, i, i::text, 'a' from generate_series(1, 500) i", "select nextval('s')")
    place.run("vacuum analyze t", "refresh materialized view m", "reindex table t", "vacuum full t", "delete from t")
    assert take(place) == before


def test_equal_schemas_made_in_another_order__are_equal(database: Place, server: str) -> None:
    """Numbers that the server gave out along the way do not count."""
    parts = [
        "create table a (id int primary key, x text)",
        "create table b (id int primary key, y text)",
        "create function fa() returns int language sql as 'select 1'",
        "create function fb() returns int language sql as 'select 1'",
        "create sequence s",
        "create type e as enum ('x', 'y')",
    ]
    later = ["create index a_x on a (x)", "create index b_y on b (y)", "create policy pa on a using (true)",
             "create policy pb on a using (false)", "comment on table a is 'x'",
             "comment on table b is 'x'"]  # fmt: skip
    database.run(*parts, *later)
    with made(server) as other:
        other.run(
            "create table gone (a int, b int)", "alter table gone drop column a", *reversed(parts), *reversed(later)
        )
        other.run("drop table gone")
        assert objects(other) == objects(database)
        assert take(other) == take(database)


def test_a_column_dropped_and_added_again__is_equal(database: Place) -> None:
    """The gap it leaves in the numbers is no difference, but the order of columns is one."""
    database.run("create table t (a int, b text)")
    before = take(database)
    database.run(
        "alter table t add column c int",
        "alter table t drop column c",
        "alter table t drop column b",
        "alter table t add column b text",
    )
    assert take(database) == before
    database.run("alter table t drop column a", "alter table t add column a int")
    assert kinds(before, take(database)) == {"column"}


def test_privileges_granted_and_revoked__are_equal_to_none(database: Place) -> None:
    """An explicit list that says what the default says."""
    database.run("create table t (a int)", "create function f() returns int language sql as 'select 1'")
    before = take(database)
    database.run(
        "grant select on t to public",
        "revoke select on t from public",
        "revoke all on function f from public",
        "grant execute on function f to public",
    )
    assert database.run("select relacl is null from pg_class where relname = 't'") == [(False,)]
    assert take(database) == before


def test_excluded_objects__are_left_out(database: Place) -> None:
    """By kind and name; another object of the same kind still counts."""
    database.run('create table "T" (a int)')
    before = take(database)
    database.run('create index i on "T" (a)', 'alter table "T" add column "B c" int not null default 0')
    excluded = ["index public.i", 'column public."T"."B c"', 'constraint public."T"."T_B c_not_null"']
    assert take(database, excluded=excluded) == before
    database.run('create index j on "T" (a)')
    assert kinds(before, take(database, excluded=excluded)) == {"index"}


def test_objects_of_extensions__are_ignored_but_for_their_version(database: Place) -> None:
    """Their functions, types, domains, tables: the extension answers for them."""
    before = objects(database)
    database.run(
        "create extension cube",
        "create extension earthdistance",
        "create extension pg_stat_statements",
        "create extension hstore",
    )
    assert {d.partition(":")[0] for d in fingerprint.differing(before, objects(database))} == {
        f"extension {name}" for name in ("cube", "earthdistance", "pg_stat_statements", "hstore")
    }


def test_the_ledger_and_temporary_tables__are_ignored(database: Place) -> None:
    """The run's own schema is no part of what a rollback restores."""
    before = take(database)
    database.run("create schema pgrunbook", "create table pgrunbook.run (a int primary key)")
    with database.session() as own:
        own.execute("create temp table x (a int)")
        assert take(database) == before
    with database.connect() as db:
        assert fingerprint.take(db, "other") != before


def test_take__does_not_depend_on_the_search_path(place: Place) -> None:
    """Names are spelled out whatever the session looks through; the session keeps its own path."""
    with place.connect() as db:
        first = fingerprint.take(db, "pgrunbook")
        db.set("search_path", "pg_catalog, nowhere")
        assert fingerprint.take(db, "pgrunbook") == first
        assert db.value("show search_path") == "pg_catalog, nowhere"
