"""ALTER … OWNER TO."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "of_a_table",
        (
            "create table t (id int primary key)",
            "insert into t select i from generate_series(1, 10) i",
            "grant select on t to public",
        ),
        "alter table t owner to current_user; alter table t rename to u;",
    ),
)
