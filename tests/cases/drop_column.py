"""ALTER TABLE … DROP COLUMN: of an empty table, since no values come back."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_what_goes_with_it",
        (
            "create table u (id int primary key)",
            "create table t (id int primary key, a int, \"B b\" int not null default 3 unique references u)",
            'create index i on t (a, "B b")', "comment on column t.\"B b\" is 'b'",
        ),
        'alter table t drop column "B b";',
        toml='[objects.statement_1]\nirreversible = "nobody reads it"',
    ),
)  # fmt: skip
