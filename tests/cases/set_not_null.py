"""SET NOT NULL."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table t (id int primary key, a int, b text)",
    "insert into t select i, i, 'b' || i from generate_series(1, 200) i",
)

CASES = (
    Case(
        "one_plain_and_one_proven_by_a_check",
        (*ROWS, "alter table t add constraint filled check (b is not null and b <> '')"),
        "alter table t alter column a set not null, alter b set not null",
        breaks="insert into t values (1000, null, 'empty')",
        mends="delete from t where id = 1000",
        sqlstate="23502 23514",
    ),
    Case(
        "partitioned",
        (
            'create table "T 1" (id int, "B c" int) partition by range (id)',
            'create table p1 partition of "T 1" for values from (0) to (100)',
            'create table p2 (id int, "B c" int not null)',
            'alter table "T 1" attach partition p2 for values from (100) to (300)',
            'insert into "T 1" select i, i from generate_series(1, 200) i',
        ),
        'alter table "T 1" alter column "B c" set not null',
    ),
    Case(
        "not_valid_before",
        (
            *ROWS,
            "alter table t add constraint mine not null a not valid",
            "comment on constraint mine on t is 'it''s mine'",
        ),
        "alter table t alter column a set not null",
        oldest=180000,
    ),
)
