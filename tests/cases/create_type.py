"""CREATE TYPE, and the DO block that people wrap it in."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "enum_composite_range",
        (),
        """
        do $$ begin create type mood as enum ('sad', 'ok'); exception when duplicate_object then null; end $$;
        create type "Pair p" as (a mood, "B b" text collate "C");
        create type spans as range (subtype = float8, subtype_diff = float8mi);
        """,
    ),
)
