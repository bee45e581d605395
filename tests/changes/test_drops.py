"""The DROP kinds: nothing is dropped with what depends on it, and the way back brings all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors, fingerprint, plan, runbook, sqlfile
from pgrunbook.changes import State

MEANT = {"irreversible": "nobody reads it"}
BESIDE = (
    "create schema app",
    "create table app.other (id int primary key)", "insert into app.other values (1)",
    "create type app.mood as enum ('so', 'well')",
    "create function app.f() returns trigger language plpgsql as 'begin return new; end'",
    "create sequence app.apart start 7",
)  # fmt: skip
TABLE = (
    """create table app."T t" (
      id int generated always as identity (start with 5 increment by 2) primary key,
      n serial not null unique deferrable,
      "Großer Name" text collate "C" default 'it''s' constraint "not empty" check ("Großer Name" <> ''),
      mood app.mood[] default '{so}',
      apart int default nextval('app.apart'),
      twice int generated always as (n * 2) stored,
      other int constraint to_other references app.other on delete cascade,
      self int references app."T t" (id),
      loose varchar(10),
      during int4range,
      exclude using gist (during with &&) with (fillfactor = 77)
    ) with (fillfactor = 80, toast.autovacuum_enabled = off)""",
    'alter table app."T t" add constraint unproven check (n < 100000) not valid',
    'alter table app."T t" alter loose set storage external, alter n set statistics 77, alter n set (n_distinct = -0.5)',
    'create unique index "I i" on app."T t" (n) include (loose) with (fillfactor = 70)',
    "comment on index app.\"I i\" is 'it''s 100 % one'", 'alter table app."T t" cluster on "I i"',
    'alter table app."T t" replica identity using index "I i"',
    'create index j on app."T t" (lower(loose) desc) where other > 3', "alter index app.j alter column 1 set statistics 7",
    'create statistics app.st (ndistinct) on n, other from app."T t"', "alter statistics app.st set statistics 33",
    "comment on statistics app.st is 'of both'",
    'alter table app."T t" enable row level security', 'alter table app."T t" force row level security',
    """create policy "P p" on app."T t" as restrictive for update to pg_monitor, current_user using (other = 1)
       with check (n in (select id from app.other))""",
    "comment on policy \"P p\" on app.\"T t\" is 'strict'",
    'create trigger a_b before update of n on app."T t" for each row when (new.n > 3) execute function app.f(1, \'x\')',
    'alter table app."T t" disable trigger a_b', "comment on trigger a_b on app.\"T t\" is 'asleep'",
    'create constraint trigger later after insert on app."T t" deferrable initially deferred for each row '
    "execute function app.f()",
    'create rule quiet as on delete to app."T t" where old.n = 3 do instead nothing',
    'alter table app."T t" enable always rule quiet',
    'grant select, insert on app."T t" to pg_monitor with grant option', 'grant update (n, loose) on app."T t" to public',
    'grant usage on sequence app."T t_n_seq" to pg_monitor', "comment on sequence app.\"T t_id_seq\" is 'odd'",
    "comment on table app.\"T t\" is 'all of it'", "comment on column app.\"T t\".\"Großer Name\" is 'big'",
    'comment on constraint to_other on app."T t" is \'points\'',
    'insert into app."T t" (other) values (1), (1), (1)', 'insert into app.other select 2',
    'create publication p for table app."T t"',
)  # fmt: skip


@pytest.fixture
def place(version_place: Place) -> Place:
    """A database with a schema and a few objects that others need."""
    version_place.run(*BESIDE)
    return version_place


@pytest.fixture
def on(place: Place) -> Iterator[db.Database]:
    """A session of the library's whose search_path begins with another schema."""
    with db.connect(db.parse_target(place.target), search_path=["app", "public"]) as opened:
        yield opened


def test_drop_table__comes_back_empty_with_everything_on_it(place: Place, on: db.Database) -> None:
    """Columns, keys, foreign keys, indexes, policies, triggers, rules, privileges, comments, where sequences stood."""
    place.run(*TABLE)
    forth_and_back(on, 'drop table "T t"', **MEANT)
    assert place.run('insert into app."T t" (other) values (1) returning id, n') == [(11, 4)]
    assert place.run('select count(*) from app."T t"') == [(1,)]


def test_drop_column__comes_back_with_what_went_with_it(place: Place, on: db.Database) -> None:
    """The last column: its default, keys, checks, indexes, statistics, privileges, comment; or an identity."""
    place.run(
        "create table app.t (id int primary key, a int)", "insert into app.t values (1, 1), (2, 2)",
        """alter table app.t add "B b" varchar(9) collate "C" not null default 'x' check ("B b" <> ''),
             add foreign key (a) references app.other not valid""",
        'create index ab on app.t (a, "B b")', 'create unique index u on app.t ("B b", id) include (a)',
        'create statistics app.st on a, "B b" from app.t', 'alter table app.t add check (a > 0 or "B b" is null)',
        "comment on column app.t.\"B b\" is 'it''s'", 'grant select ("B b") on app.t to pg_monitor with grant option',
        'alter table app.t alter "B b" set statistics 5',
        "create table app.keyed (id int, k int generated by default as identity, primary key (k, id))",
        "insert into app.keyed values (1), (2)", "create table app.ser (id int, k bigserial)",
        "insert into app.ser values (1), (2)",
    )  # fmt: skip
    forth_and_back(on, 'alter table t drop column "B b"', **MEANT)
    forth_and_back(on, "alter table if exists app.keyed drop if exists k cascade", **MEANT)
    forth_and_back(on, "alter table app.ser drop k", **MEANT)
    assert place.run("insert into app.ser values (3) returning k") == [(3,)]
    assert place.run("insert into app.keyed values (3) returning k") == [(3,)]


def test_drop_column__whose_constraints_the_rows_can_not_meet_comes_back_without_them(
    place: Place, on: db.Database
) -> None:
    """There are no values to bring back: the undo does what can be done, and does not fail."""
    place.run(
        "create table app.t (id int, a int not null unique check (a > 0), b int primary key check (b is not null), "
        "c int not null default 3 unique)",
        "insert into app.t values (1, 1, 1, 1), (2, 2, 2, 2)",
    )
    for column in "abc":
        (change,) = planned(on, f"alter table app.t drop column {column}", **MEANT)
        captured = change.capture(on)
        run(on, change.apply(change.state(on)))
        run(on, change.undo(captured))
    found = place.run("select count(*) from app.t where (a, b, c) is not distinct from (null, null, 3)")
    assert found == [(2,)]


def test_drop_view__comes_back_with_rules_triggers_and_indexes(place: Place, on: db.Database) -> None:
    """A view on a view, and a materialized view, filled or not."""
    place.run(
        "create table app.t (id int, a text)", "insert into app.t values (1, 'a')",
        'create view app."V v" (x, "Ö") with (security_barrier) as select id, a from app.t where id > 0 '
        "with local check option",
        'alter view app."V v" alter x set default 5', "comment on view app.\"V v\" is 'v'",
        "comment on column app.\"V v\".\"Ö\" is 'o'", 'grant select (x), insert on app."V v" to pg_monitor',
        'create rule r as on insert to app."V v" do also select 1',
        'create trigger tr instead of update on app."V v" for each row execute function app.f()',
        'create materialized view app.m (k, v) with (fillfactor = 70) as select id, a from app.t',
        "create unique index mi on app.m (k) include (v)", "comment on index app.mi is 'i'",
        "alter materialized view app.m alter v set statistics 9", "comment on materialized view app.m is 'm'",
        "revoke all on app.m from current_user", "grant select on app.m to public",
        "create materialized view app.empty as select 1 as one with no data",
    )  # fmt: skip
    forth_and_back(on, 'drop view if exists "V v"')
    forth_and_back(on, "drop materialized view m, app.empty")
    assert place.run("select count(*) from app.m") == [(1,)]
    assert place.run("select relispopulated from pg_class where relname = 'empty'") == [(False,)]


def test_drop_function_and_trigger__come_back(place: Place, on: db.Database) -> None:
    """With privileges and comments, overloaded, a procedure, a disabled trigger of a partitioned table."""
    place.run(
        "create function app.\"F f\"(a int, b app.mood[] default '{}', out c text) language sql security definer "
        "set search_path = app as 'select a::text'",
        'create function app."F f"() returns int language sql as \'select 1\'',
        'revoke execute on function app."F f"(int, app.mood[]) from public',
        'grant execute on function app."F f"(int, app.mood[]) to pg_monitor',
        "comment on function app.\"F f\"(int, app.mood[]) is 'f'",
        "create procedure app.p(inout a numeric(5, 2)) language plpgsql as 'begin null; end'",
        "create table app.parted (id int, a int) partition by range (id)",
        "create table app.p1 partition of app.parted default",
        'create trigger "X x" after update of a on app.parted for each row when (old.a is distinct from new.a) '
        "execute function app.f()",
        "comment on trigger \"X x\" on app.parted is 'x'",
        "create table app.t (id int)", "create trigger y before truncate on app.t execute function app.f()",
        "alter table app.t enable replica trigger y",
    )  # fmt: skip
    forth_and_back(on, 'drop function if exists "F f"(int, mood[])')
    forth_and_back(on, 'drop routine app."F f"(); drop procedure p(numeric)')
    forth_and_back(on, 'drop trigger "X x" on parted; drop trigger if exists y on t')
    with pytest.raises(errors.PreflightFailed) as caught:
        planned(on, "drop function app.p")
    assert caught.value.remedy == "write it as app.p(numeric)"
    assert state(on, "drop function app.nowhere") == "present"
    assert state(on, "drop function nowhere(app.mood, elsewhere[])") == "present"


def test_drop_type_sequence_statistics_schema__come_back(place: Place, on: db.Database) -> None:
    """Enums in their order, composite types, domains, ranges; a sequence where it stood."""
    place.run(
        "alter type app.mood add value 'ill' before 'so'", "comment on type app.mood is 'm'",
        "revoke usage on type app.mood from public", 'create type app."C c" as (a int, "B" text collate "C", c app.mood[])',
        "comment on column app.\"C c\".\"B\" is 'b'",
        "create domain app.d as varchar(7) collate \"C\" default 'x''y' not null constraint \"is it\" check (value <> '')",
        "comment on constraint \"is it\" on domain app.d is 'yes'", "create domain app.free as int",
        "alter domain app.free add check (value > 0) not valid",
        "create type app.r as range (subtype = float8, subtype_diff = float8mi)",
        "create sequence app.\"S s\" as smallint increment 3 minvalue -5 maxvalue 500 start 4 cache 2 cycle",
        "select nextval('app.\"S s\"')", "comment on sequence app.\"S s\" is 's'", 'grant usage on app."S s" to pg_monitor',
        "create table app.t (id int, a int, b int)", "alter sequence app.apart owned by app.t.a",
        'create statistics app."St st" (dependencies) on a, b from app.t', 'alter statistics app."St st" set statistics 8',
        "comment on statistics app.\"St st\" is 'st'",
        'create schema "Ö s"', "comment on schema \"Ö s\" is 'o'", 'grant usage on schema "Ö s" to pg_monitor',
    )  # fmt: skip
    forth_and_back(on, 'drop type "C c", app.r; drop type mood')
    forth_and_back(on, "drop domain d, free")
    forth_and_back(on, 'drop sequence "S s"; drop sequence app.apart')
    last, following = place.run('select last_value, nextval(\'app."S s"\') from app."S s"')[0]
    assert (last, following) == (7, 10)
    forth_and_back(on, 'drop statistics "St st"')
    forth_and_back(on, 'drop schema if exists "Ö s"')


def test_drop_extension__comes_back_of_its_version(place: Place, on: db.Database) -> None:
    """In its schema; one that something uses, or whose privileges were changed, stays."""
    place.run("create extension citext schema app", "comment on extension citext is 'c'")
    forth_and_back(on, "drop extension if exists citext")
    place.run("revoke execute on function app.citextin(cstring) from public")
    with pytest.raises(errors.PreflightFailed, match="privileges on objects of extension citext"):
        planned(on, "drop extension citext")[0].capture(on)
    place.run("create table app.uses (t app.citext)")
    (change,) = planned(on, "drop extension citext cascade")
    assert "column t of table app.uses" in change.state(on).detail


def test_drop_partitions__come_back_where_they_were(place: Place, on: db.Database) -> None:
    """One partition with an index and a name of its own, and the whole tree."""
    place.run(
        "create table app.parted (id int, a text, other int references app.other, unique (id, a)) "
        "partition by range (id)",
        "create index on app.parted (a)",
        "create trigger x after insert on app.parted for each row execute function app.f()",
        'create table app."P 1" partition of app.parted for values from (0) to (9)',
        "create table app.p2 partition of app.parted (check (a <> '')) default partition by list (a)",
        "create table app.p3 (a text not null constraint p2_a_check check (a <> ''), other int, id int not null)",
        "alter table app.p2 attach partition app.p3 for values in ('c')",
        'create index "own" on app."P 1" (a, id)', "comment on table app.\"P 1\" is 'p'",
        'grant select on app."P 1" to pg_monitor',
    )  # fmt: skip
    forth_and_back(on, 'drop table app."P 1"', **MEANT)
    forth_and_back(on, "drop table parted", **MEANT)


def test_drop__is_refused_where_something_depends_on_it(place: Place, on: db.Database) -> None:
    """CASCADE would take away what nobody has read of; an earlier statement may drop it first."""
    place.run(
        "create table app.t (id int primary key, a app.mood, b int default nextval('app.apart'))",
        "create view app.v as select a from app.t", "create table app.child (id int references app.t)",
        "create function app.g(app.t) returns int language sql as 'select 1'",
    )  # fmt: skip
    told = {
        "drop table t cascade": ("constraint child_id_fkey", "view app.v", "function app.g(app.t)"),
        "drop table t": ("constraint child_id_fkey", "view app.v"),
        "alter table t drop column a": ("view app.v",),
        "drop type app.mood cascade": ("column a of table app.t",),
        "drop sequence app.apart cascade": ("default value for column b of table app.t",),
        "drop schema app cascade": ("table app.t", "type app.mood", "sequence app.apart", "function app.f()"),
        "drop index if exists app.nothing; drop view v; drop table t cascade": ("child_id_fkey", "function app.g"),
    }
    for text, words in told.items():
        *_, change = planned(on, text, **MEANT)
        seen = change.state(on)
        assert seen.state is State.DIFFERENT, text
        assert all(w in seen.detail for w in words), (text, seen.detail)
        assert "CASCADE" in change.if_different
    text = "drop view v; alter table child drop constraint child_id_fkey; drop function g(t); drop table t cascade"
    assert [c.standing(on).state for c in planned(on, text, **MEANT)] == [State.ABSENT] * 4
    assert "cascade" not in str(planned(on, text, **MEANT)[-1].apply(changes.NOTHING_THERE)).lower()
    forth_and_back(on, text, **MEANT)


def test_drop__is_refused_where_it_can_not_be_brought_back(place: Place, on: db.Database) -> None:
    """Each with what stands in the way."""
    place.run(
        "create table app.parent (id int)", "create table app.heir () inherits (app.parent)",
        "create table app.typed (id int, a int)", "create type app.c as (id int)", "create table app.of_c of app.c",
        "alter default privileges in schema app grant select on tables to public",
        "create schema empty", "alter default privileges in schema empty grant select on tables to public",
        "create table app.t (id int generated always as identity)",
    )  # fmt: skip
    for text, words in {
        "drop table heir": "app.heir inherits from app.parent",
        "drop table of_c": "app.of_c is a table of type app.c",
    }.items():
        with pytest.raises(errors.PreflightFailed, match=words) as caught:
            planned(on, text, **MEANT)[0].capture(on)
        assert caught.value.remedy
    for text, words in {
        "drop table parent": "table app.heir",
        "drop schema empty": "default privileges",
        "drop sequence app.t_id_seq": "part of",
        "drop type app.typed": "part of",
    }.items():
        assert words in planned(on, text, **MEANT)[0].state(on).detail
    with pytest.raises(errors.PreflightFailed, match="is a table"):
        planned(on, "drop view t")


def test_destroying__needs_a_reason(on: db.Database) -> None:
    """Reading the runbook refuses what loses rows; types, views and sequences lose none."""
    for text in ("drop table t", "drop table if exists a, b", "alter table t drop column a, drop column b"):
        for change in changes.of_migration(sqlfile.split(text), {}, {}):
            assert "for good" in change.refusal(), text
            assert 'set irreversible = "reason" under [objects."statement_1"]' in change.refusal()
            assert change.lint()
    for text in (
        "drop view v",
        "drop type y",
        "drop sequence s",
        "drop function f()",
        "drop schema s",
        "drop trigger x on t",
    ):
        for change in changes.of_migration(sqlfile.split(text), {}, {}):
            assert (change.refusal(), change.kind[:5]) == ("", "drop_"), text
            assert change.undo({}) == []


def test_drop__of_what_an_earlier_line_makes_is_told_by_the_ledger(on: db.Database) -> None:
    """Once both are done nothing in the catalog tells so: none of them is done before the ledger says it."""
    for text in (
        "create table x (id int); create index on x (id); drop table x",
        "create function x() returns int language sql as 'select 1'; drop function x()",
        "create type x as enum ('a'); drop type x",
        "alter table other add column a int; alter table other drop column a",
    ):
        found = planned(on, text)
        assert [(c.by_ledger, c.refusal(), c.standing(on).state) for c in found] == [(True, "", "absent")] * len(found)
    on.execute("create table x (id int)")  # between the plan and the run: the executor asks again, and refuses
    assert planned(on, "create table x (id int); drop table x")[0].standing(on).state is State.DIFFERENT
    on.execute("drop table x")
    with pytest.raises(errors.PreflightFailed, match="nothing tells so"):
        planned(on, "alter table other rename to x; drop table x")


ANEW = """
drop view v;
create view v as select a, id from t;
drop function f(int);
create function f(int) returns text language sql as 'select null::text';
drop trigger if exists x on t;
create trigger x before insert on t for each row execute function tf();
drop type y;
create type y as enum ('b', 'c');
drop domain if exists d;
create domain d as text check (value <> '');
drop sequence s;
create sequence s start 100;
drop statistics st;
create statistics st (dependencies) on id, a from t;
drop schema before;
create schema before;
drop table empty;
create table empty (x int primary key);
alter table sparse drop column a;
alter table sparse add column a text;
alter table gone add column q int;
drop table gone;
"""


@pytest.mark.parametrize(
    "around",
    [pytest.param(("", ""), id="apart", marks=pytest.mark.servers), pytest.param(("begin;", "commit;"), id="block")],
)
def test_dropped_and_made_anew__brings_the_old_ones_back(
    project: Project, database: Place, around: tuple[str, str]
) -> None:
    """One migration that drops and makes each object: done, all is there; rolled back, all is as it was."""
    database.run(
        "create table t (id int primary key, a text)", "insert into t values (1, 'a')",
        "create view v as select id from t", "comment on view v is 'old'", "grant select on v to public",
        "create function f(int) returns int language sql as 'select 1'", "comment on function f(int) is 'old'",
        "create function tf() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger x after insert on t for each row execute function tf()", "alter table t disable trigger x",
        "create type y as enum ('a')", "comment on type y is 'old'", "create domain d as int", "create sequence s",
        "create statistics st on id, a from t", "create schema before", "comment on schema before is 'old'",
        "create table empty (id int primary key, b text unique)", "create table sparse (id int, a int default 3)",
        "create table gone (id int)",
    )  # fmt: skip
    text = around[0] + ANEW + around[1]
    lost = [s.position for s in sqlfile.split(text) if "drop table" in s.sql or "drop column" in s.sql]
    toml = "".join(f'[objects.statement_{n}]\nirreversible = "it is empty"\n' for n in lost)
    project.runbook("anew", text, toml=toml)
    with database.connect() as session:
        before = fingerprint.objects(session, "pgrunbook")
    run_id = project.forward("anew", database.target)
    with database.connect() as session:
        made = plan.make(runbook.load(project.root, "anew"), session)
        assert [(s.kind, s.seen) for s in made.steps if s.to_do] == []
    assert project.stage("rollback", "anew", database.target, run_id=run_id).verdict == "rolled_back"
    with database.connect() as session:
        assert not fingerprint.differing(before, fingerprint.objects(session, "pgrunbook"))


@pytest.mark.parametrize(
    ("make", "drop"),
    [
        ("create table s.x (a int)", "drop table s.x"),
        ("create table s.x as select 1 as a", "drop table s.x"),
        ("create view s.x as select 1 as a", "drop view s.x"),
        ("create materialized view s.x as select 1 as a", "drop materialized view s.x"),
        ("create sequence s.x", "drop sequence s.x"),
        ("create type s.x as enum ('a')", "drop type s.x"),
        ("create domain s.x as int", "drop domain s.x"),
        ("create schema x", "drop schema x"),
        ("create extension x", "drop extension x"),
        ("create statistics s.x on a, b from s.t", "drop statistics s.x"),
        ("create trigger x before insert on s.t for each row execute function f()", "drop trigger x on s.t"),
        ("create policy x on s.t", "drop policy x on s.t"),
        ("create index x on s.t (a)", "drop index s.x"),
        ("alter table s.t add column x int", "alter table s.t drop column x"),
        ("alter table s.t add constraint x check (a > 0)", "alter table s.t drop constraint x"),
    ],
)
def test_drop__calls_its_object_as_the_change_that_makes_it_does(make: str, drop: str) -> None:
    """By that a migration knows what it makes anew; else a second run would drop the new one."""
    made, dropped = (changes.of_migration(sqlfile.split(text), {}, {})[0] for text in (make, drop))
    if made.kind != "create_index":  # its schema is its table's, known once it is resolved
        assert made.subject == dropped.subject
    assert made.may_follow(dropped)
