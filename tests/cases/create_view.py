"""CREATE VIEW."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, who text)",
    "insert into t select i, 'x' from generate_series(1, 50) i",
)
OLD = (
    *TABLE,
    "create view v with (security_barrier = 1) as select id from t where who = 'x' with local check option",
    "comment on view v is 'it''s old'", "comment on column v.id is 'the key'",
    "grant select on v to case_reader with grant option", "grant update (id) on v to case_reader",
)  # fmt: skip

CASES = (
    Case("new", TABLE, "create view v (a, b) with (security_barrier) as select * from t where id > 3;"),
    Case("readers_rights", TABLE, "create view v with (security_invoker = true) as select id from t;", oldest=150000),
    Case("replaced_in_place", OLD, "create or replace view v as select id from t where who = 'y';",
         roles=("case_reader",)),
    # a view loses no column by CREATE OR REPLACE: the way back drops it
    Case("replaced_by_more_columns", OLD, "create or replace view v as select id, who from t;", roles=("case_reader",)),
    Case("replaced_over_a_new_column", OLD,
         "alter table t add column c int; create or replace view v as select id, c from t where who = 'x';",
         roles=("case_reader",)),
    Case("replaced_by_all_columns_in_one_transaction", (*TABLE, "create view v as select * from t"),
         "begin; alter table t add column c int; create or replace view v as select * from t; commit;"),
)  # fmt: skip
