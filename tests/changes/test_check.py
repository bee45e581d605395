"""DO blocks that only look: which ones are known, what the server refuses besides, and what verify says of them."""

from __future__ import annotations

import pytest

from changes.test_grant import planned, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, errors
from pgrunbook.changes import NOTHING_THERE, Look, State
from pgrunbook.changes.check import only_looks
from pgrunbook.findings import Verdict

LOOKING = [
    "declare r record; x t.a%type; y t%rowtype; a int[]; begin a[1] := 5; a := a || 1; r.x := 2;"
    " select count(*) into strict x from t; for r in select * from t loop exit when r.a; continue; end loop; return; end",
    "begin perform 1 from t where f(a); if not found then raise exception 'x' using hint = 'y'; end if; assert 1 = 1; end",
    "declare x int = 1; begin case x when 1 then null; else raise 'x'; end case; while x > 1 loop x := x - 1; end loop; end",
    "<<l>> declare x int; begin declare y int; begin y := x; get diagnostics x = row_count; end; end",
    "declare c cursor for select 1; x int; begin open c; fetch c into x; close c; end",
    "begin foreach x in array array[1, 2] loop raise notice '%', x; end loop; end".replace(
        "begin", "declare x int; begin", 1
    ),
    "begin perform 1 / 0; exception when division_by_zero then raise notice 'x'; end",
    "begin perform 1; exception when others then raise warning 'so'; raise; end",
    "begin perform to_regclass('t') from t; raise notice '$body$'; end",
]
DOING = [
    "begin insert into t values (1); end",
    "begin if false then null; elsif true then update t set a = 1; end if; end",
    "begin for i in 1..2 loop delete from t; end loop; end",
    "declare x int; begin with d as (delete from t returning 1) select count(*) into x from d; end",
    "declare x int; begin select 1 into x from t for update; end",
    "begin execute 'drop table t'; end",
    "declare r record; begin for r in execute 'select 1' loop end loop; end",
    "declare c refcursor; begin open c for execute 'select 1'; end",
    "begin create table u (); end",
    "begin call p(); end",
    "begin commit; end",
    "begin lock table t; end",
    "begin set local work_mem = '1MB'; end",
    "begin notify x; end",
    "begin perform tidy_up(); end",
    "begin perform set_config('a.b', 'c', false) from t; end",
    "begin perform pg_catalog.pg_advisory_lock(1) from t; end",
    "declare x int := nextval('s'); begin end",
    "declare x int; begin x := nextval('s'); end",
    "begin raise notice '%', nextval('s'); end",
    "begin perform f() from t; exception when others then null; end",
    "begin perform f() from t; exception when others then raise notice 'x'; end",
    "begin perform f() from t; exception when others then return; raise; end",
    "begin perform f() from t; exception when sqlstate '25006' then null; end",
    "begin x := 1; end",
    "no block at all",
]


@pytest.mark.parametrize("body", LOOKING)
def test_a_block_that_only_looks__is_a_check(body: str) -> None:
    """Declarations, assignments, loops, queries, RAISE and ASSERT."""
    assert only_looks(body)
    (change,) = typed(f"do $do$ {body} $do$")
    assert (change.kind, change.label, change.object) == ("check", "statement_1", "statement_1")
    assert [type(p) for p in change.apply(NOTHING_THERE)] == [Look]
    assert change.undo({}) == []


@pytest.mark.parametrize("body", DOING)
def test_a_block_that_does_anything_else__is_raw_sql(body: str) -> None:
    """Or that hides it if the server refuses a write."""
    (change,) = typed(f"do $do$ {body} $do$")
    assert change.kind == "raw_sql"


def test_a_block_in_another_language__is_raw_sql() -> None:
    """Nobody reads it here."""
    assert [c.kind for c in typed("do language plpython3u 'pass'; do language plpgsql 'begin end'")] == [
        "raw_sql",
        "check",
    ]


@pytest.mark.parametrize(
    ("comments", "title"),
    [
        ("-- Rows have an owner\n-- and more", "Rows have an owner"),
        ("/* Rows have\n an owner */", "Rows have"),
        ("-- =====\n-- STEP 3\n-- =====\n\n-- Verification 3: rows", "Verification 3: rows"),
        ("-- =====\n-- STEP 3\n-- =====", "STEP 3"),
        ("", "line 1 of migrate.sql"),
    ],
)
def test_the_title_of_a_check__is_what_its_comment_says(comments: str, title: str) -> None:
    """Not the heading above it."""
    (change,) = typed(f"{comments}\ndo 'begin end'".lstrip())
    assert change.title == title


def test_verify__tells_exceptions_warnings_and_notices(database: Place) -> None:
    """An exception gates, a warning does not, a notice is a detail; nothing is left behind."""
    database.run(
        "create table t (a int)",
        "create function f() returns bool language sql as 'insert into t values (1); select true'",
    )
    with database.connect() as on:
        good, warns, fails, writes = planned(
            on,
            "-- all is well\ndo $$ begin raise notice 'looked'; perform 1 from t; end $$;"
            "do $$ begin raise warning 'a little off'; raise info 'so'; end $$;"
            "do $$ begin raise warning 'first'; raise exception 'wrong' using detail = 'a secret'; end $$;"
            "do $$ begin if f() then null; end if; end $$",
        )
        assert good.state(on).state is State.UNKNOWN
        found = [c.verify(on)[0] for c in (good, warns, fails, writes)]
        assert [(c.check, c.object) for c in found[:2]] == [
            ("check: statement_1", "all is well"),
            ("check: statement_2", "line 2 of migrate.sql"),
        ]
        assert [(c.verdict, c.gates) for c in found] == [
            (Verdict.PASSED, True),
            (Verdict.FAILED, False),
            (Verdict.FAILED, True),
            (Verdict.FAILED, True),
        ]
        assert [c.measured for c in found] == [
            "raises nothing",
            "a little off",
            "wrong [P0001]; first",
            "cannot execute INSERT in a read-only transaction [25006]",
        ]
        assert [c.detail for c in found] == ["NOTICE: looked", "INFO: so", "", ""]
        assert on.notices == []
        known = changes.again("check", good.resolved_sql(), {}, 1)
        assert known.since(on, {}).state is State.ABSENT
    assert database.run("select * from t") == []


def test_a_check_that_fails__stops_the_run_between_two_changes(project: Project, database: Place) -> None:
    """What was done before it stays, what comes after it waits; once it is mended the run goes on, and verify looks again."""
    database.run("create table t (id int primary key)", "insert into t values (1)")
    project.runbook(
        "r",
        "alter table t add column c int;\n"
        "-- No row is negative\n"
        "do $$ begin if exists (select 1 from t where id < 0) then raise exception 'negative rows'; end if; end $$;\n"
        "alter table t add column d int;\n",
    )
    database.run("insert into t values (-1)")
    with pytest.raises(errors.StatementFailed, match=r"line 3 of migrate\.sql says: negative rows"):
        project.forward("r", database.target)
    columns = "select string_agg(attname, ',' order by attnum) from pg_attribute where attrelid = 't'::regclass and attnum > 0"
    assert database.run(columns) == [("id,c",)]
    database.run("update t set id = 2 where id < 0")
    (run_id,) = database.run("select run_id from pgrunbook.run")[0]
    project.stage("migrate", "r", database.target, run_id=run_id)
    assert database.run(columns) == [("id,c,d",)]
    result = project.stage("verify", "r", database.target, run_id=run_id)
    assert [(c.verdict, c.object) for c in result.findings if c.check.startswith("check:")] == [
        ("passed", "No row is negative")
    ]
