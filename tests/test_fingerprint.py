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
    "create function ef() returns event_trigger language plpgsql as 'begin end'",
    "create event trigger et on sql_drop execute function ef()",
    "create publication pub for table t",
    "create aggregate agg(int) (sfunc = int4pl, stype = int)",
    "create operator ### (function = int4pl, leftarg = int, rightarg = int)",
    "create operator === (function = int4eq, leftarg = int, rightarg = int)",
    "create cast (pair as text) with inout",
    'create collation co from "C"',
    "create type ra as range (subtype = float8)",
    "create table split (id int) partition by range (id)",
    "create table split_1 partition of split for values from (0) to (10)",
    "create index split_id on only split (id)",
    "create index split_1_id on split_1 (id)",
]
NOT_NULL = "constraint nn not null id not valid"  # from 18 on
COMMENTED = {
    "schema public": "schema public",
    "table t": "table public.t",
    "column t.a": "table column public.t.a",
    "index t_a": "index public.t_a",
    "view v": "view public.v",
    "column v.a": "view column public.v.a",
    "materialized view m": "materialized view public.m",
    "sequence s": "sequence public.s",
    "constraint positive on t": "table constraint positive on public.t",
    "constraint d_check on domain d": "domain constraint d_check on public.d",
    "trigger tr on t": "trigger tr on public.t",
    "policy p on t": "policy p on public.t",
    "rule r on child": "rule r on public.child",
    "function f(int)": "function public.f(integer)",
    "aggregate agg(int)": "aggregate public.agg(integer)",
    "type e": "type public.e",
    "type pair": "type public.pair",
    "column pair.x": "composite type column public.pair.x",
    "domain d": "type public.d",
    "operator ### (int, int)": "operator public.###(integer,integer)",
    "cast (pair as text)": "cast (public.pair AS pg_catalog.text)",
    "collation co": "collation public.co",
    "statistics st": "statistics object public.st",
    "event trigger et": "event trigger et",
    "publication pub": "publication pub",
}
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
    ("relation", "alter view v set (security_invoker = true)", "alter view v reset (security_invoker)"),
    ("relation", "alter table t set (toast.autovacuum_enabled = off)",
    "alter table t reset (toast.autovacuum_enabled)"),
    ("relation", "grant select on v to {role}", "revoke select on v from {role}"),
    ("relation", "revoke insert on t from postgres", "grant insert on t to postgres"),
    ("column", "alter table t add column z int", "alter table t drop column z"),
    ("column", "alter table t alter b set default 'x'", "alter table t alter b drop default"),
    ("column", "alter table t alter c type text", "alter table t alter c type e using c::e"),
    ("column", "alter table t alter b set not null", "alter table t alter b drop not null"),
    ("column", "alter table t alter b set statistics 200", "alter table t alter b set statistics -1"),
    ("column", "alter table t alter b set storage external", "alter table t alter b set storage extended"),
    ("column", "alter table t alter b set (n_distinct = 5)", "alter table t alter b reset (n_distinct)"),
    ("column", "alter table t rename b to z", "alter table t rename z to b"),
    ("column", "grant select (a) on t to {role}", "revoke select (a) on t from {role}"),
    ("column", "grant select (a) on t to {role} with grant option; grant select (a) on v to public",
    "revoke select (a) on t from {role}; revoke select (a) on v from public"),
    ("column", "alter type pair add attribute z int", "alter type pair drop attribute z"),
    ("constraint", "alter table t add constraint z unique (b)", "alter table t drop constraint z"),
    ("constraint", "alter table t validate constraint positive",
     "alter table t drop constraint positive, add constraint positive check (a > 0) not valid"),
    ("constraint", "alter table child alter constraint child_t_id_fkey deferrable",
     "alter table child alter constraint child_t_id_fkey not deferrable"),
    ("constraint", "alter domain d add constraint z check (value < 9)", "alter domain d drop constraint z"),
    ("constraint", "alter table child alter constraint child_t_id_fkey not enforced",
    "alter table child alter constraint child_t_id_fkey enforced"),
    ("constraint", f"alter table split add {NOT_NULL}", "alter table split drop constraint nn"),
    ("constraint", "alter table parted validate constraint nn",
    f"alter table parted drop constraint nn, add {NOT_NULL}"),
    ("constraint", "alter table t rename constraint positive to z", "alter table t rename constraint z to positive"),
    ("index", "create index z on t (b)", "drop index z"),
    ("index", "alter index t_a set (fillfactor = 70)", "alter index t_a reset (fillfactor)"),
    ("index", "cluster t using t_a", "alter table t set without cluster"),
    ("index", "alter index t_a rename to z", "alter index z rename to t_a"),
    ("index", "alter index split_id attach partition split_1_id",
    "drop index split_id; create index split_id on only split (id); create index split_1_id on split_1 (id)"),
    ("policy", "create policy z on t for select to {role} using (true)", "drop policy z on t"),
    ("policy", "alter policy p on t using (a = 2)", "alter policy p on t using (a = 1)"),
    ("policy", "alter policy p on t to {role}", "alter policy p on t to public"),
    ("policy", "drop policy p on t; create policy p on t with check (a = 1)",
    "drop policy p on t; create policy p on t using (a = 1)"),
    ("policy", "alter policy p on t rename to z", "alter policy z on t rename to p"),
    ("trigger", "create trigger z after insert on t execute function tf()", "drop trigger z on t"),
    ("trigger", "alter table t disable trigger tr", "alter table t enable trigger tr"),
    ("trigger", "alter table t enable always trigger tr", "alter table t enable trigger tr"),
    ("trigger", "alter table child disable trigger all", "alter table child enable trigger all"),
    ("rule", "create rule z as on delete to child do instead nothing", "drop rule z on child"),
    ("rule", "alter table child disable rule r", "alter table child enable rule r"),
    ("sequence", "alter sequence s increment 5", "alter sequence s increment 1"),
    ("sequence", "alter sequence s owned by t.id", "alter sequence s owned by none"),
    ("function", "create or replace function f(x int) returns int language sql as 'select x + 1'",
     "create or replace function f(x int) returns int language sql as 'select x'"),
    ("function", "alter function f immutable", "alter function f volatile"),
    ("function", "alter function f security definer", "alter function f security invoker"),
    ("function", "alter function f set search_path = x", "alter function f reset search_path"),
    ("function", "revoke execute on function f from public", "grant execute on function f to public"),
    ("function", "create procedure z() language sql as 'select 1'", "drop procedure z"),
    ("function", "alter function f owner to {role}", "alter function f owner to postgres"),
    ("function", "grant execute on function f to {role}", "revoke execute on function f from {role}"),
    ("function", "create or replace aggregate agg(int) (sfunc = int4mul, stype = int)",
    "create or replace aggregate agg(int) (sfunc = int4pl, stype = int)"),
    ("function", "create aggregate z(int) (sfunc = int4pl, stype = int)", "drop aggregate z(int)"),
    ("function", "revoke execute on function agg(int) from public", "grant execute on function agg(int) to public"),
    ("enum", "alter type e rename value 'a' to 'z'", "alter type e rename value 'z' to 'a'"),
    ("enum", "create type z as enum ('a')", "drop type z"),
    ("domain", "alter domain d set default 5", "alter domain d drop default"),
    ("domain", "alter domain d set not null", "alter domain d drop not null"),
    ("statistics", "create statistics z (dependencies) on a, c from t", "drop statistics z"),
    ("statistics", "alter statistics st set statistics 99", "alter statistics st set statistics -1"),
    ("type", "alter type e owner to {role}", "alter type e owner to postgres"),
    ("type", "grant usage on type pair to {role}", "revoke usage on type pair from {role}"),
    ("type", "revoke usage on domain d from public", "grant usage on domain d to public"),
    ("type", "drop type ra; create type ra as range (subtype = float8, subtype_diff = float8mi)",
    "drop type ra; create type ra as range (subtype = float8)"),
    ("default privileges", "alter default privileges in schema public grant select on tables to {role}",
    "alter default privileges in schema public revoke select on tables from {role}"),
    ("default privileges", "alter default privileges revoke execute on functions from public",
    "alter default privileges grant execute on functions to public"),
    ("default privileges", "alter default privileges for role {role} revoke usage on types from public",
    "alter default privileges for role {role} grant usage on types to public"),
    ("event trigger", "create event trigger z on ddl_command_end when tag in ('CREATE TABLE') execute function ef()",
    "drop event trigger z"),
    ("event trigger", "alter event trigger et disable", "alter event trigger et enable"),
    ("publication", "create publication z for all tables", "drop publication z"),
    ("publication", "alter publication pub add table child", "alter publication pub drop table child"),
    ("publication", "alter publication pub set table t (id, a)", "alter publication pub set table t"),
    ("publication", "alter publication pub set table t where (id > 1)", "alter publication pub set table t"),
    ("publication", "alter publication pub add tables in schema public",
    "alter publication pub drop tables in schema public"),
    ("publication", "alter publication pub set (publish = 'insert')",
    "alter publication pub set (publish = 'insert, update, delete, truncate')"),
    ("publication", "alter publication pub owner to {role}", "alter publication pub owner to postgres"),
    ("operator", "create operator #### (function = int4mul, leftarg = int, rightarg = int)",
    "drop operator #### (int, int)"),
    ("operator", "alter operator === (int, int) set (restrict = eqsel)",
    "alter operator === (int, int) set (restrict = none)"),
    ("operator", "alter operator ### (int, int) owner to {role}", "alter operator ### (int, int) owner to postgres"),
    ("cast", "create cast (pair as json) with inout", "drop cast (pair as json)"),
    ("cast", "drop cast (pair as text); create cast (pair as text) with inout as implicit",
    "drop cast (pair as text); create cast (pair as text) with inout"),
    ("collation", "create collation z from \"POSIX\"", "drop collation z"),
    ("collation", "alter collation co owner to {role}", "alter collation co owner to postgres"),
    ("database", "grant create on database {name} to {role}", "revoke create on database {name} from {role}"),
    ("database", "alter database {name} set work_mem = '1MB'", "alter database {name} reset work_mem"),
    ("database", "alter role {role} in database {name} set work_mem = '1MB'",
    "alter role {role} in database {name} reset work_mem"),
    *(("comment", f"comment on {of} is 'x'", f"comment on {of} is null")
      for of in COMMENTED if of != "schema public"),
    ("comment", "comment on schema public is 'x'", "comment on schema public is 'standard public schema'"),
    ("schema", "create schema z", "drop schema z"),
    ("schema", "grant create on schema public to {role}", "revoke create on schema public from {role}"),
    ("schema", "alter schema public owner to {role}", "alter schema public owner to pg_database_owner"),
    ("extension", "create extension pg_trgm", "drop extension pg_trgm"),
    ("extension", "create extension pg_trgm; create schema z; alter extension pg_trgm set schema z",
    "drop extension pg_trgm; drop schema z"),
]  # fmt: skip
# what leaves no trace: the same again, by other oids, in another order, or spelled out
TRACELESS = [
    "drop index t_a; create index t_a on t (a)",
    "drop index t_a; create index t_a on public.t using btree (a asc nulls last)",
    "drop policy p on t; create policy p on t to public using ((a = 1))",
    "drop trigger tr on t; create trigger tr before insert on t for each row execute procedure tf()",
    "drop rule r on child; create rule r as on insert to child where new.t_id < 0 do nothing",
    "drop view v; create view v as select id, a from t",
    "drop materialized view m; create materialized view m as select id from t with no data",
    "drop function f; create function f(x int) returns int language sql as 'select x'",
    "drop aggregate agg(int); create aggregate agg(int) (sfunc = int4pl, stype = int)",
    "drop statistics st; create statistics st on a, b from t",
    "drop sequence s; create sequence s",
    "drop table child; create table child (t_id int references t);"
    " create rule r as on insert to child where new.t_id < 0 do nothing",
    "alter table child drop constraint child_t_id_fkey; alter table child add foreign key (t_id) references t",
    "alter table child add column z int; alter table child drop column z",
    "drop type pair cascade; create type pair as (x int, y text); create cast (pair as text) with inout",
    "drop publication pub; create publication pub for table only t",
    "alter publication pub drop table t; alter publication pub add table t",
    "drop event trigger et; create event trigger et on sql_drop execute function ef()",
    "comment on policy p on t is 'x'; comment on policy p on t is ''",
    "comment on table t is 'x'; drop view v; drop materialized view m; create view v as select id, a from t;"
    " create materialized view m as select id from t; comment on table t is null",
    "grant select on t to public; revoke select on t from public",
    "grant select (a) on t to public; revoke select (a) on t from public",
    "revoke all on function f from public; grant execute on function f to public",
    "revoke all on type e from public; grant usage on type e to public",
    "grant usage on sequence s to {role}; revoke all on sequence s from {role}",
    "revoke temporary on database {name} from public; grant temporary on database {name} to public",
    "alter default privileges in schema public grant select on tables to {role};"
    " alter default privileges in schema public revoke select on tables from {role}",
    "alter default privileges revoke execute on functions from public;"
    " alter default privileges grant execute on functions to public",
    "alter table t disable trigger all; alter table t enable trigger all",
    "alter table t enable row level security; alter table t disable row level security",
    "create temp table z (a int, constraint c check (a > 0)); comment on constraint c on z is 'x';"
    " comment on table z is 'x'; drop table z",
]
# two ways to the same end, and what takes both back
SAME = [
    ("grant select on t to {role}; grant insert on t to public",
    "grant insert on t to public; grant select on t to {role}", "revoke all on t from {role}, public"),
    ("grant select (a) on t to {role}; grant select (a) on t to public",
    "grant select (a) on t to public; grant select (a) on t to {role}", "revoke all (a) on t from {role}, public"),
    ("grant execute on function f to {role}", "revoke execute on function f from public;"
    " grant execute on function f to {role}; grant execute on function f to public",
    "revoke execute on function f from {role}"),
    ("create policy z on t to {role}, postgres", "create policy z on t to postgres, {role}", "drop policy z on t"),
    ("alter table t set (fillfactor = 70, autovacuum_enabled = off)",
    "alter table t set (autovacuum_enabled = off); alter table t set (fillfactor = 70)",
    "alter table t reset (fillfactor, autovacuum_enabled)"),
    ("alter table t alter a set (n_distinct = 5, n_distinct_inherited = 6)",
    "alter table t alter a set (n_distinct_inherited = 6, n_distinct = 5)",
    "alter table t alter a reset (n_distinct, n_distinct_inherited)"),
    ("alter database {name} set work_mem = '1MB'; alter database {name} set jit = off",
    "alter database {name} set jit = off; alter database {name} set work_mem = '1MB'",
    "alter database {name} reset all"),
    ("create table z (a int not null check (a > 0))",
    "create table z (a int); alter table z alter a set not null, add check (a > 0) not valid;"
    " alter table z validate constraint z_a_check", "drop table z"),
]  # fmt: skip


@pytest.fixture(scope="module")
def role(server: str) -> str:
    """The name of a role, which is the server's."""
    return f"r_{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def place(server: str, role: str) -> Iterator[Place]:
    """A database with one object of each kind; whoever changes it takes that back."""
    with made(server) as found:
        found.run(*(text.format(role=role) for text in SCHEMA), f"alter table parted add {NOT_NULL}")
        yield found
        found.run(f"drop owned by {role}", f"drop role {role}")


@pytest.fixture(scope="module")
def db(place: Place) -> Iterator[Database]:
    """A session on it."""
    with place.connect() as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(db: Database) -> dict[str, str]:
    """The hash of each object before anything is changed; every change is rolled back."""
    return fingerprint.objects(db, "")


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
    db: Database,
    unchanged: dict[str, str],
    role: str,
    kind: str,
    change: str,
    back: str,
) -> None:
    """By the object's hash; taken back, nothing is left of it."""
    change, back = (text.format(role=role, name=db.database) for text in (change, back))
    with db.transaction(rollback=True):
        db.execute(change)
        differing = fingerprint.differing(unchanged, fingerprint.objects(db, ""))
        assert any(d.startswith(f"{kind} ") for d in differing)
        db.execute(back)
        assert fingerprint.differing(unchanged, fingerprint.objects(db, "")) == []


def test_the_hash_of_a_kind__differs_where_one_of_its_objects_does(db: Database) -> None:
    """And no other kind's."""
    before = fingerprint.take(db, "")
    with db.transaction(rollback=True):
        db.execute("alter policy p on t using (a = 2); comment on policy p on t is 'x'; drop operator ### (int, int)")
        assert kinds(before, fingerprint.take(db, "")) == {"policy", "comment", "operator"}


@pytest.mark.parametrize("again", TRACELESS, ids=lambda text: text[:40])
def test_the_same_again__leaves_no_trace(db: Database, unchanged: dict[str, str], role: str, again: str) -> None:
    """Dropped and made again, or given and taken back."""
    with db.transaction(rollback=True):
        db.execute(again.format(role=role, name=db.database))
        assert fingerprint.differing(unchanged, fingerprint.objects(db, "")) == []


@pytest.mark.parametrize(("one", "other", "back"), SAME, ids=lambda text: text[:40])
def test_two_ways_to_the_same_end__are_equal(
    db: Database, unchanged: dict[str, str], role: str, one: str, other: str, back: str
) -> None:
    """The order in which it was said is no difference."""
    found = []
    with db.transaction(rollback=True):
        for text in (one, back, other, back):
            db.execute(text.format(role=role, name=db.database))
            found.append(fingerprint.objects(db, ""))
    assert found[0] == found[2] != unchanged
    assert found[1] == found[3] == unchanged


def test_a_comment__is_named_by_its_object(db: Database, unchanged: dict[str, str]) -> None:
    """By the name that the server gives in every language, never by a number."""
    with db.transaction(rollback=True):
        db.execute("; ".join(f"comment on {of} is 'x'" for of in COMMENTED))
        words = fingerprint.differing(unchanged, fingerprint.objects(db, ""))
    names = sorted(f"comment {ident}" for ident in COMMENTED.values())
    assert [w.partition(": ")[0] for w in words] == names


def test_an_ordinary_role__sees_the_same(db: Database, role: str) -> None:
    """Owner of one schema and nothing else: names are taken from what everybody may read."""
    with db.transaction(rollback=True):
        db.execute(f"create schema own authorization {role}; alter default privileges grant select on tables to {role}")
        db.execute(f"create table own.t (a int); alter table own.t owner to {role}; grant insert on t to {role}")
        seen = fingerprint.objects(db, "")
        assert any(name == "relation own.t" for name in seen)
        db.execute(f"set local role {role}")
        assert fingerprint.objects(db, "") == seen


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


def test_objects_of_extensions__are_ignored_but_for_version_and_comment(database: Place) -> None:
    """Their functions, types, domains, tables: the extension answers for them."""
    before = objects(database)
    database.run(
        "create extension cube",
        "create extension earthdistance",
        "create extension pg_stat_statements",
        "create extension hstore",
    )
    assert {d.partition(":")[0] for d in fingerprint.differing(before, objects(database))} == {
        f"{word}extension {name}"
        for word in ("", "comment ")
        for name in ("cube", "earthdistance", "pg_stat_statements", "hstore")
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
