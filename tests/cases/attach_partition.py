"""ATTACH PARTITION."""

from __future__ import annotations

from cases import Case

TABLES = (
    "create table p (k int not null, a int) partition by range (k)",
    "create index p_a on p (a)",
    "create table c (k int not null, a int)",
    "create index c_a on c (a)",
    "insert into c select i, i from generate_series(1, 50) i",
)

CASES = (
    Case(
        "a_table_with_rows",
        TABLES,
        "alter table p attach partition c for values from (1) to (100);",
        breaks="insert into c values (500, 1)",
        mends="delete from c where k = 500",
        sqlstate="23514",
    ),
)
