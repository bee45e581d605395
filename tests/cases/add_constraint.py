"""ADD CONSTRAINT."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table o (id int primary key, code text unique)",
    "insert into o select i, 'c' || i from generate_series(1, 50) i",
    'create table t (id int, a int, b text, "C d" int)',
    "insert into t select i, i % 50 + 1, 'b' || i, i from generate_series(1, 200) i",
)

CASES = (
    Case(
        "check_beside_one_that_was_there",
        (
            *ROWS,
            "alter table t add constraint few check (a < 100000) not valid",
            "comment on constraint few on t is 'looked at later'",
        ),
        "alter table t add constraint positive check (a > 0), add constraint few check (a < 100000)",
        breaks="insert into t values (1000, -1, 'bad')",
        mends="delete from t where id = 1000",
        sqlstate="23514",
    ),
    Case(
        "foreign_key_without_a_name",
        ROWS,
        "alter table only t add foreign key (a) references o on delete cascade deferrable",
        breaks="insert into t values (1000, 9999, 'nowhere')",
        mends="delete from t where id = 1000",
        sqlstate="23503",
    ),
    Case(
        "unique",
        ROWS,
        'alter table t add unique (id, "C d") include (a) with (fillfactor = 70) deferrable initially deferred',
        breaks="insert into t values (7, 7, 'twice', 7)",
        mends="delete from t where b = 'twice'",
        sqlstate="23505",
    ),
    Case(
        "primary_key_and_one_that_takes_an_index_over",
        (*ROWS, "create unique index t_ids on t (id)", "comment on index t_ids is 'one each'"),
        'alter table t add constraint "T key" primary key (id, "C d"), add constraint t_key unique using index t_ids',
    ),
    Case(
        "primary_key_over_an_index_in_the_place_of_another_of_its_name",
        (
            "create table t (id int primary key, a int not null)",
            "insert into t select i, i from generate_series(1, 20) i",
        ),
        "create unique index concurrently t_new on t (id, a);\n"
        "alter table t drop constraint t_pkey, add constraint t_pkey primary key using index t_new",
    ),
    Case(
        "in_the_place_of_another",
        (
            "create table t (id int, a int)",
            "insert into t select i, i from generate_series(1, 200) i",
            "alter table t add constraint c check (a > 0)",
        ),
        "alter table t drop constraint c;\nalter table t add constraint c check (a >= 0);",
    ),
)
