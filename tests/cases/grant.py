"""GRANT."""

from __future__ import annotations

from cases import Case

ROLES = ("pgrb_reader", "pgrb_writer")

CASES = (
    Case(
        "on_a_table_and_its_columns",
        (
            "create table t (id int primary key, a int, b text)",
            "grant select (b) on t to pgrb_reader",
            "grant update on t to pgrb_writer",
        ),
        "grant select, insert (a, b) on t to pgrb_reader, pgrb_writer;\n"
        "grant update on t to pgrb_writer with grant option;\n",
        roles=ROLES,
    ),
    Case(
        "on_a_new_view",
        (
            "create table t (id int primary key, a int)",
            "alter default privileges in schema public grant all on tables to pgrb_reader with grant option",
        ),
        "create view v as select id, a from t;\n"
        "revoke all on v from pgrb_reader, public;\n"
        "grant select on v to pgrb_reader;\n",
        roles=ROLES,
        toml="",
    ),
    Case(
        "on_everything_else",
        (
            "create sequence s",
            "create type \"Mood\" as enum ('sad', 'ok')",
            "create function f(a int, b text[]) returns int language sql as 'select 1'",
            "create function g() returns int language sql as 'select 1'",
            "revoke all on function g() from public",
            'revoke all on type "Mood" from public',
        ),
        "grant usage on schema public to pgrb_writer;\n"
        "grant all on sequence s to pgrb_reader;\n"
        'grant usage on type "Mood" to pgrb_reader;\n'
        "grant execute on function f(int, text[]), g to pgrb_reader with grant option;\n",
        roles=ROLES,
    ),
)
