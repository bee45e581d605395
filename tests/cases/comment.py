"""COMMENT ON."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "replaced_and_taken_away",
        (
            'create table t (id int primary key, "A b" int)',
            "create policy p on t",
            "comment on table t is 'it''s old'",
            "comment on column t.\"A b\" is 'old'",
        ),
        "comment on table t is E'new\\\\n\\n\"quoted\"';\n"
        'comment on column t."A b" is null;\n'
        "comment on constraint t_pkey on t is 'the key';\n"
        "comment on policy p on t is 'nobody';\n"
        "comment on schema public is 'ours';\n",
    ),
    Case(
        "on_what_the_migration_makes",
        ("create table t (id int primary key)",),
        "alter table t add column c int;\n"
        "comment on column t.c is 'new';\n"
        "create view v as select id from t;\n"
        "comment on view v is 'a view';\n"
        "create function f(a int) returns int language sql as 'select 1';\n"
        "comment on function f is 'a function';\n",
    ),
)
