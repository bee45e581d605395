"""UPDATE in batches."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table t (id int primary key, a text, b int)",
    "insert into t select i, i::text, case when i % 7 = 0 then i end from generate_series(1, 300) i",
)

CASES = (
    Case(
        "where",
        ROWS,
        "update t set b = a::int where b is null",
        breaks="insert into t values (150000, 'no number', null)",
        mends="delete from t where id = 150000",
        sqlstate="22P02",
    ),
    Case("without_where", ROWS, "update t set b = coalesce(b, 0) + 1, a = a || '''s'"),
    Case(
        "from_join_over_two_columns_key",
        (
            'create table "T t" ("a b" text, n int, v text, w jsonb, primary key ("a b", n))',
            "insert into \"T t\" select 'k' || i / 10, i, null, '{}' from generate_series(1, 200) i",
            "create table u (n int, v text)",
            "insert into u select i / 2, 'v' || i from generate_series(1, 200) i",
        ),
        "update \"T t\" x set v = u.v, w = jsonb_build_object('n', x.n) from u where u.n = x.n and x.v is null",
    ),
    Case(
        "partitioned",
        (
            "create table t (id int, k int, c text, primary key (k, id)) partition by range (k)",
            "create table t_1 partition of t for values from (0) to (100)",
            "create table t_2 partition of t for values from (100) to (200)",
            "insert into t select i, i, null from generate_series(1, 199) i",
        ),
        "update t set c = 'c' || id where c is null",
    ),
    Case(
        "reads_itself",
        (*ROWS, "create unique index t_b on t (b)"),
        "update t set b = (select max(b) from t) + id where b is null",
    ),
)
