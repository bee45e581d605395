"""DETACH PARTITION."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_rows",
        (
            "create table p (k int not null, a int, primary key (k)) partition by range (k)",
            "create index p_a on p (a)",
            "create table c partition of p for values from (1) to (100)",
            "insert into p select i, i from generate_series(1, 50) i",
        ),
        "alter table p detach partition c;",
    ),
)
