"""DROP TYPE and DROP DOMAIN."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "each_sort",
        (
            "create type \"M m\" as enum ('so', 'well')", "comment on type \"M m\" is 'm'",
            'create type c as (a int, m "M m"[])', "create domain d as text not null check (value <> '')",
            "create type r as range (subtype = float8)",
        ),
        'drop type c, "M m";\ndrop domain d;\ndrop type r;',
    ),
)  # fmt: skip
