"""CREATE SCHEMA."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_what_is_made_in_it",
        ("create table t (id int primary key)",),
        'create schema "S ä" create view v as select id from b create table b (id int primary key);\n'
        "create schema if not exists public;\n"
        'create table "S ä".c (id int references "S ä".b, t int references t);\n'
        "comment on schema \"S ä\" is 'made here';\n",
        in_database=True,
    ),
)
