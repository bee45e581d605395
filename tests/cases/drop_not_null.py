"""DROP NOT NULL."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table t (id int primary key, a int not null, b int)",
    "insert into t select i, i, i from generate_series(1, 200) i",
)

CASES = (
    Case("plain", ROWS, "alter table t alter column a drop not null"),
    Case(
        "with_a_name_and_a_comment",
        (
            *ROWS,
            "alter table t add constraint mine not null b",
            "comment on constraint mine on t is 'it''s mine'",
        ),
        "alter table t alter column b drop not null",
        oldest=180000,
    ),
)
