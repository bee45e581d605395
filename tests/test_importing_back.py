"""The way back of an imported migration: derived, authored, by form, or accepted as missing; never guessed."""

from __future__ import annotations

import pathlib
import re

import pytest

from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, errors, runbook, sqlfile
from pgrunbook.derived_checks import checks_of_migration
from pgrunbook.importing import back, by_form, drafting, sources
from pgrunbook.importing.cleaning import Kept
from pgrunbook.importing.drafting import Imported
from pgrunbook.importing.fate import Place as Line
from pgrunbook.importing.objects import course, effect
from pgrunbook.importing.sources import Source, Text


def made(up: str, down: str = "", accept: str = "") -> Imported:
    """The runbook of one file, with an authored way back if there is one."""
    back = (Text("down.sql", down),) if down else ()
    return drafting.imported("x", Source("a test", (Text("up.sql", up),), back), accept=accept)


def kept(text: str) -> list[Kept]:
    return [Kept(Line("x.sql", s.line), s) for s in sqlfile.split(text)]


def undone(found: Imported) -> dict[str, list[str]]:
    """The statements of rollback.sql by what they undo."""
    parts = re.split(r"-- undoes: (\S+)\n", found.draft.rollback)
    return {label: [s.sql for s in sqlfile.split(text)] for label, text in zip(parts[1::2], parts[2::2], strict=True)}


# -- what answers for a statement of no known kind ---------------------------------------------------------------


def test_authored_statements__answer_for_what_names_the_same() -> None:
    """The same object first, then the same table; what the kinds undo themselves is not taken from the file."""
    found = made(
        "create table n (a int); create table plain (a int);\n"
        "alter role joe set work_mem = '1GB'; insert into old values (1); insert into old values (2);\n"
        "insert into settings values (1); insert into settings values (2); insert into settings values (3);\n"
        "create or replace rule r as on insert to old do nothing",
        "drop rule r on public.old; delete from settings; delete from n; delete from old where a = 2;\n"
        "delete from old where a = 1; alter role joe reset work_mem; drop table plain; drop table n; select odd()",
    )
    assert undone(found) == {
        "statement_3": ["alter role joe reset work_mem"],
        "statement_4": ["delete from old where a = 1"],
        "statement_5": ["delete from old where a = 2"],
        "statement_6": ["delete from settings"],
        "statement_7": ["select"],
        "statement_8": ["select"],
        "statement_9": ["drop rule r on public.old"],
    }
    assert "undone together with statement_6" in found.draft.rollback
    assert [n for n in found.report.notes if "answers for no statement" in n] == [
        "source/down.sql:3: this SELECT of the authored way back answers for no statement, and is not run: select odd()"
    ]
    backs = {r.statement: r.back for r in found.report.rows}
    assert (backs[1], backs[3], backs[4]) == ("derived", "authored (down.sql:2)", "authored (down.sql:2)")


def test_files_with_both_ways__are_taken_apart(tmp_path: pathlib.Path) -> None:
    """As goose, dbmate, sql-migrate and others mark them; lines stay where they are, the last file goes back first."""
    for up, down in (
        ("-- +goose Up", "-- +goose Down"), ("-- migrate:up transaction:false", "-- migrate:down"),
        ("-- +migrate Up", "-- +migrate Down"), ("-- Up Migration", "-- Down Migration"), ("-- UP", "-- DOWN --"),
        ("-- rambler up", "-- rambler down"), ("-- first", "---- create above / drop below ----"),
    ):  # fmt: skip
        one, two = tmp_path / "1.sql", tmp_path / "2.sql"
        one.write_text(f"{up}\ncreate table t (a text default '\n{down}\n');\n{down}\ndrop table t;\n")
        two.write_text(f"{up}\r\nalter table t add b int; select 1;\r\n{down}\r\nalter table t drop b;\r\n")
        source = sources.of_files([str(one), str(two)])
        assert [[s.sql for s in sqlfile.split(t.sql)] for t in source.down] == [
            ["alter table t drop b"],
            ["drop table t"],
        ]
        assert [s.line for t in source.texts for s in sqlfile.split(t.sql)][:2] == [2, 2], up
        found = drafting.imported("x", source)
        assert [(r.what, r.verdict) for r in found.report.rows] == [
            ("t", "safe as written"), ("t.b", "safe as written"), ("", "left out"),
        ]  # fmt: skip
        assert not found.report.down
        assert found.draft.files["source/1.sql"] == one.read_text()
        given = sources.of_files([str(one)], [str(one)])  # the same file for both
        assert [[s.sql for s in sqlfile.split(t.sql)] for t in given.down] == [["drop table t"]]
    plain = "-- down the drain\ncreate table t ();\n-- Down migration: drop table t;\n"
    one.write_text(plain)
    source = sources.of_files([str(one)])
    assert (source.texts[0].sql, source.down, source.notes) == (plain, (), ())


def test_report__says_what_is_done_and_never_more() -> None:
    """Of statements that are taken apart, of an index on a new table, of a type that only the target knows."""
    rows = made(
        "create table p (id int primary key);\n"
        "create table t (a int references p, b int references p);\n"
        "create index concurrently i on t (a);\n"
        "alter table t add column c int references p;\n"
        "alter table old alter column a type bigint;\n"
        "alter table only p replica identity full;\n"
    ).report.rows
    assert [(r.verdict, r.why) for r in rows[1:4]] == [
        ("rewritten", "taken apart into 3: the table, then its foreign keys"),
        (
            "rewritten",
            "CONCURRENTLY is left out: the table is of this migration, and while it is empty nobody waits",
        ),
        ("rewritten", f"taken apart into 2: the column, then its foreign key; {rows[3].why.partition('; ')[2]}"),
    ]
    assert rows[4].verdict == "run as written"


def test_authored_way_back__is_right_where_it_is() -> None:
    """A table takes its partitions along; what undoes a setting that is undone anyway needs no note."""
    found = made(
        "create table s.p (id int) partition by range (id);\n"
        "create table s.p1 partition of s.p for values from (1) to (2) partition by range (id);\n"
        "create table s.p11 partition of s.p1 for values from (1) to (2);\n"
        "create table s.p2 (id int);\n"
        "alter table s.p attach partition s.p2 for values from (2) to (3);\n"
        "alter table s.t alter column a type bigint, alter column b set not null;\n"
        "alter table s.t set (fillfactor = 80);\n",
        "alter table t reset (fillfactor);\nalter table s.t alter b drop not null;\n"
        "alter table s.t alter a type int;\nalter table s.p2 alter id type int;\n"
        "alter table s.t alter c type int, alter a type int;\ndrop table s.p;\n",
    ).report
    assert found.down == ()
    assert [n for n in found.notes if "answers for no statement" in n] == [
        "source/down.sql:6: this ALTER TABLE of the authored way back answers for no statement, and is not run: "
        "alter table s.t alter c type int, alter a type int"
    ]
    (fault,) = made(
        "create table p (id int) partition by list (id); alter table p attach partition old for values in (1)",
        "drop table p",
    ).report.down
    assert fault == "down.sql:1: takes table old, a partition of table p that the migration does not make"
    with pytest.raises(errors.WrongUsage) as caught:
        made("alter table t drop column a", "alter table t add column a int")
    assert "--down" not in caught.value.remedy
    assert "--accept-irreversible" in caught.value.remedy


def test_statement_that_nothing_undoes__is_refused_until_accepted(project: Project) -> None:
    """Each with file, line and reason, and three remedies; accepted it stands in runbook.toml and in the checklist."""
    up = "create table t (a int);\ninsert into old values (1);\ndrop table legacy;\n\ncall p();"
    with pytest.raises(errors.WrongUsage) as caught:
        made(up)
    assert caught.value.message.splitlines() == [
        "nothing was written; these statements have no way back:",
        "up.sql:2: this INSERT adds rows, and its inverse has to say which ones to take out again",
        caught.value.message.splitlines()[2],
        "up.sql:5: this CALL is of no known kind",
    ]
    assert "up.sql:3: this DROP loses the rows of legacy" in caught.value.message
    assert all(word in caught.value.remedy for word in ("--down", "--accept-irreversible", "by hand"))
    with pytest.raises(errors.WrongUsage):
        made(up, accept="  ")
    found = made(up, accept="nobody\nneeds it")
    found.write(project.root)
    loaded = runbook.load(project.root, "x")
    assert {k: o.irreversible for k, o in loaded.about.objects.items()} == {
        f"statement_{n}": "nobody needs it" for n in (2, 3, 4)
    }
    assert {i.id for i in loaded.about.checklist} >= {"irreversible_accepted", "dump_taken"}
    assert [r.verdict for r in found.report.rows] == ["safe as written", *["cannot be undone"] * 3]
    assert "-- undoes" not in found.draft.rollback


def test_dropped_table__is_not_undone_by_making_it_anew() -> None:
    """An authored CREATE TABLE brings no rows back."""
    with pytest.raises(errors.WrongUsage, match=r"up\.sql:1: this DROP loses the rows"):
        made("drop table legacy", "create table legacy (a int)")


BY_FORM = {
    "create aggregate s.total (int, text[]) (sfunc = s.step, stype = int)": "DROP AGGREGATE s.total(int, text[])",
    "create operator s.=== (leftarg = s.c, rightarg = s.c, function = s.same)": "DROP OPERATOR s.===(s.c, s.c)",
    "create cast (s.c as int) with function s.number(s.c)": "DROP CAST (s.c AS int)",
    'create rule "R r" as on insert to s.t do nothing': 'DROP RULE "R r" ON s.t',
    "create publication p for table s.t": "DROP PUBLICATION p",
    "create foreign data wrapper w": "DROP FOREIGN DATA WRAPPER w",
    "create server sv foreign data wrapper w": "DROP SERVER sv",
    "create foreign table s.ft (a int) server sv": "DROP FOREIGN TABLE s.ft",
    "create user mapping for current_user server sv": "drop user mapping for current_user server sv",
    "create collation s.co (locale = 'C')": "DROP COLLATION s.co",
    "create text search configuration s.tc (copy = english)": "DROP TEXT SEARCH CONFIGURATION s.tc",
    "create text search dictionary s.td (template = simple)": "DROP TEXT SEARCH DICTIONARY s.td",
    "create event trigger e on ddl_command_end execute function s.ev()": "DROP EVENT TRIGGER e",
    "create operator class s.oc for type s.c using hash as operator 1 =": "DROP OPERATOR CLASS s.oc USING hash",
}


def test_natural_drop__takes_back_what_it_is_for(database: Place) -> None:
    """On a real server: made, dropped and made again; what a CREATE may have found there already has none."""
    database.run(
        "create schema s", "create type s.c as (n int)", "create table s.t (a int)",
        "create function s.step(int, int, text[]) returns int language sql as 'select 1'",
        "create function s.same(s.c, s.c) returns boolean language sql as 'select true'",
        "create function s.number(s.c) returns int language sql as 'select 1'",
        "create function s.ev() returns event_trigger language plpgsql as 'begin end'",
    )  # fmt: skip
    drops = []
    for sql, expected in BY_FORM.items():
        (statement,) = sqlfile.split(sql)
        assert by_form.way_back(statement)[0] == expected
        drops.append(expected)
        if "operator class" not in sql:  # it needs an operator of a family
            database.run(sql)
    database.run(*(d for d in reversed(drops) if "OPERATOR CLASS" not in d))
    database.run(*(sql for sql in BY_FORM if "operator class" not in sql))
    role, note = by_form.way_back(sqlfile.split('create role "A b"')[0])
    assert (role, "cluster" in note) == ('drop role "A b"', True)
    for sql in (
        "create or replace rule r as on insert to t do nothing", "create foreign table if not exists f () server s",
        "create temp table t (a int)", "alter role a nologin", "do $$ begin end $$", "grant a to b",
        "create aggregate o (basetype = int, sfunc = f, stype = int)",
    ):  # fmt: skip
        assert by_form.way_back(sqlfile.split(sql)[0]) == ("", ""), sql


def test_way_back_by_form__is_marked_for_a_person(project: Project) -> None:
    """In rollback.sql, in the report and in the checklist."""
    found = made("create rule r as on insert to t do nothing; lock table t")
    found.write(project.root)
    assert undone(found) == {"statement_1": ["DROP RULE r ON t"], "statement_2": ["select"]}
    assert "by form, of up.sql:1: a person has to look at it" in found.draft.rollback
    assert [r.back for r in found.report.rows] == ["by form", "by form"]
    assert "rollback_by_form_read" in {i.id for i in found.draft.about.checklist}


# -- whether the authored way back holds -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up", "down", "says"),
    [
        ("create table t (a int); create index i on t (a)", "drop index i; drop table t", []),
        ("create table t (a int); create index i on t (a)", "drop table t", []),
        ("alter table t add column c int; alter table t rename column a to b", "alter table t rename column b to a; alter table t drop column c", []),
        ("alter table t add unique (a); create index on t (a)", "alter table t drop constraint t_a_key; drop index t_a_idx", []),
        ("alter table t drop constraint k", "alter table t add constraint k check (a > 0)", []),
        ("alter table t rename to u", "alter table u rename to t", []),
        ("create schema s; create table s.t (a int)", "drop schema s cascade", ["CASCADE takes all that depends on schema s"]),
        ("create table t (a int); create type e as enum ('a')", "drop table t", ["leaves what the migration makes: type e"]),
        ("drop index i", "select 1", ["does not make again what the migration drops or renames: index i"]),
        ("create table t (a int)", "drop table t; drop table u", ["x.sql:1: drops table u, which the migration does not make"]),
        ("create table t (a int); create index i on t (a)", "drop table t;\ndrop index i", ["x.sql:2: would fail: index i is gone by then, with x.sql:1"]),
        ("create table t (a int); create index i on t (a)", "drop table t;\ndrop index if exists i", ["IF EXISTS hides what is missing: x.sql:2"]),
        (
            "create table a (i int primary key); create table b (i int references a)", "drop table a; drop table b",
            ["x.sql:1: would fail: table b still needs table a"],
        ),
        (
            "create type e as enum ('a'); create table t (c e)", "drop type e; drop table t",
            ["x.sql:1: would fail: table t still needs type e"],
        ),
        (
            "create table a (i int); create view v as select i from a", "drop table a cascade",
            ["CASCADE takes all that depends on table a by then (view v", "leaves what the migration makes: view v"],
        ),
        ("create table t (a int)", "drop table t; create table u (a int)", ["x.sql:1: makes table u, which was not there before"]),
        ("drop table t", "drop table t", ["drops table t, which the migration has dropped", "does not make again"]),
        ("create function f(a int) returns int language sql as ''", "drop function f(text, int)", ["drops function f", "leaves what the migration makes: function f"]),
    ],
)  # fmt: skip
def test_authored_way_back__is_held_against_the_migration(up: str, down: str, says: list[str]) -> None:
    """What is left, what is not its own, what comes too early or too late, what hides or takes more than it says."""
    found = back.faults(kept(up), kept(down))
    assert len(found) == len(says), found
    for fault, said in zip(found, says, strict=True):
        assert said in fault


# -- objects and checks ------------------------------------------------------------------------------------------

EVERY = """
create schema s; create extension hstore; create type s.mood as enum ('a'); create domain s.small as int;
create sequence s.numbers; create function s.f(a int, out b int) language sql as 'select 1';
create function s.tr() returns trigger language plpgsql as 'begin return new; end';
create table s."T t" (id int primary key, "C c" int constraint positive check ("C c" > 0), gone int, mood s.mood);
create index "I i" on s."T t" ("C c"); create index of_gone on s."T t" (gone);
alter table s."T t" add constraint late check (id > 0) not valid;
create trigger tr before insert on s."T t" for each row execute function s.tr();
create policy p on s."T t"; create view s.v as select 1 as one; create materialized view s.m as select 1 as one;
create statistics s.st on id, "C c" from s."T t"; create rule r as on insert to s.v do instead nothing;
alter table s."T t" drop column gone; alter table s."T t" rename column mood to feeling;
drop table old_table; drop index old_index; alter table kept drop column old_column; alter table kept rename to renamed;
create table s.passing (a int); drop table s.passing; create aggregate s.agg(int) (sfunc = int4pl, stype = int);
"""


def test_derived_checks__fail_before_and_pass_after(database: Place) -> None:
    """One a kind of object, on a real server; what goes again in the same migration is looked for nowhere."""
    database.run(
        "create table old_table (a int)",
        "create table kept (a int, old_column int)",
        "create index old_index on kept (a)",
    )
    statements = sqlfile.split(EVERY)
    there, gone = course(statements).final()
    checks = checks_of_migration(changes.of_migration(statements, {}, {}), there, gone)
    before = {c.name for c in checks if database.run(c.sql)}
    assert before == {c.name for c in checks}
    database.run(*(s.sql for s in statements))
    assert {c.name: rows for c in checks if (rows := database.run(c.sql))} == {}
    assert {c.name for c in checks} == {
        "schema_there", "extension_there", "types_there", "sequence_there", "functions_there", "tables_there", "tables_gone",
        "columns_there", "column_gone", "constraint_there", "index_s_i_i_valid", "index_gone", "trigger_there",
        "policy_there", "view_there", "materialized_view_there", "statistics_there", "rule_there", "aggregate_there",
    }  # fmt: skip
    shown = "\n".join(c.sql for c in checks)
    assert "of_gone" not in shown
    assert "passing" not in shown
    assert "'late'" not in shown


def test_many_indexes__share_one_check(database: Place) -> None:
    """More than twelve; an invalid one is named."""
    database.run("create table t (a int)")
    statements = sqlfile.split(";".join(f"create index i{n} on t (a)" for n in range(20)))
    there, gone = course(statements).final()
    (check,) = checks_of_migration(changes.of_migration(statements, {}, {}), there, gone)
    assert check.name == "indexes_valid"
    assert len(database.run("set search_path = public", check.sql)) == 20
    database.run(*(s.sql for s in statements))
    database.run("update pg_index set indisvalid = false where indexrelid = 'i7'::regclass")
    assert database.run(check.sql) == [("i7", "t", "invalid")]


@pytest.mark.parametrize(
    ("sql", "made", "dropped"),
    [
        ("create schema x create table t (a int) create index i on t (a)", ["schema x", "table x.t", "column x.t.a", "index i"], []),
        ("create temp table t (a int)", [], []),
        ("create table p partition of t for values in (1)", ["table p"], []),
        ("create table s.x as select 1", ["table s.x"], []),
        ("alter table t add column a int constraint k unique, drop column if exists b cascade", ["column t.a", "constraint k of t"], ["column t.b"]),
        ("drop function f(int), g", [], ["function f", "function g"]),
        ("drop owned by joe", [], []),
        ("drop trigger a on s.t", [], ["trigger a of s.t"]),
    ],
)  # fmt: skip
def test_effect__is_what_the_text_says(sql: str, made: list[str], dropped: list[str]) -> None:
    """Of statements with a form of their own."""
    found = effect(sqlfile.split(sql)[0])
    assert ([str(o) for o in found.made], [str(o) for o in found.dropped]) == (made, dropped)
