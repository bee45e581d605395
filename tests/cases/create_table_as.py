"""CREATE TABLE … AS."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_and_without_rows",
        ("create table t (id int primary key, a text)", "insert into t select i, 'a' || i from generate_series(1, 50) i"),
        "create table c (id, b) as select id, a from t where id > 10;\n"
        'create table if not exists "E" as table t with no data;\n'
        "create unique index on c (id);\n",
        acknowledge="c",
    ),
)  # fmt: skip
