"""VALIDATE CONSTRAINT."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table o (id int primary key)",
    "insert into o select i from generate_series(1, 50) i",
    "create table t (id int primary key, a int)",
    "insert into t select i, i % 50 + 1 from generate_series(1, 200) i",
    "alter table t add constraint positive check (a > 0) not valid",
    "comment on constraint positive on t is 'looked at later'",
    'alter table t add constraint "F k" foreign key (a) references o not valid',
)

CASES = (
    Case(
        "check_and_foreign_key_and_one_of_this_migration",
        ROWS,
        'alter table t validate constraint positive; alter table t validate constraint "F k";'
        "alter table t add constraint many check (a < 100) not valid; alter table t validate constraint many",
    ),
)
