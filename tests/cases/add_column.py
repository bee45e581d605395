"""ADD COLUMN."""

from __future__ import annotations

from cases import Case

ROWS = ("create table t (id int primary key, a int)", "insert into t select i, i from generate_series(1, 200) i")

CASES = (
    Case(
        "three_in_one_statement",
        ROWS,
        "alter table t add column c text not null default 'x', add column d text, add column e int default 5",
    ),
    Case(
        "volatile_default_and_check",
        ROWS,
        "alter table t add column c int not null default extract(century from clock_timestamp()) check (c > 0)",
        acknowledge="t.c",
    ),
    Case(
        "reference",
        (*ROWS, "create table o (id int primary key)"),
        "alter table t add column o_id int references o on delete cascade, add column seen text default current_catalog",
        acknowledge="t.seen",
    ),
    Case(
        "accepted_rewrites",
        ROWS,
        "alter table t add column s serial, add column g int generated always as (a + 1) stored",
        toml='[objects."t.s"]\nconcurrently = false\n[objects."t.g"]\nconcurrently = false\n',
        acknowledge="t.s",
    ),
)
