"""ALTER … SET SCHEMA."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "table_and_function",
        (
            "create schema s",
            "create table t (id serial primary key)",
            "insert into t select from generate_series(1, 10)",
            "create function f(int) returns int language sql as 'select 1'",
        ),
        "alter table t set schema s; alter table s.t add column a int; alter function f(int) set schema s;",
        in_database=True,
    ),
)
