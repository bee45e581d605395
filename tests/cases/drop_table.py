"""DROP TABLE: empty ones, since no rows come back."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_all_on_it",
        (
            "create table u (id int primary key)", "insert into u values (1)",
            "create function f() returns trigger language plpgsql as 'begin return new; end'",
            'create table "T t" (id int generated always as identity primary key, n serial, u int references u, '
            "a text default 'x' check (a <> ''))",
            'create index i on "T t" (lower(a) desc) where n > 3', "comment on index i is 'i'",
            'alter table "T t" enable row level security', 'create policy p on "T t" using (n = 1)',
            'create trigger x before insert on "T t" for each row execute function f()',
            'alter table "T t" disable trigger x', 'grant select on "T t" to pg_monitor',
        ),
        'drop table if exists "T t" cascade;',
        toml='[objects.statement_1]\nirreversible = "it is empty"',
    ),
)  # fmt: skip
