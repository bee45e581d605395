"""DROP VIEW and DROP MATERIALIZED VIEW."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "two",
        (
            "create table t (id int, a text)", "insert into t select i, i from generate_series(1, 50) i",
            'create view "V v" as select id, a from t where id > 3', "comment on view \"V v\" is 'v'",
            'grant select on "V v" to pg_monitor', "create materialized view m as select id from t",
            "create unique index mi on m (id)",
        ),
        'drop view "V v";\ndrop materialized view m;',
    ),
    Case(
        "made_anew",
        ("create table t (id int, a text)", "create view v as select id, a from t", "comment on view v is 'v'",
         "grant select on v to pg_monitor"),
        "drop view if exists v;\ncreate view v as select a, id from t;",
    ),
    # what comes between needs them gone, though each is made again as it stands
    Case(
        "made_again_as_it_was",
        ("create table t (id int, a int)",
         "create view v as select id, a from t", "create view w as select * from v"),
        "drop view w;\ndrop view v;\nalter table t alter column a type bigint;\ncreate view v as select id, a from t;\n"
        "create view w as select * from v;",
    ),
    Case(
        "made_again_in_one_transaction",
        ("create table t (id int, a int)", "create view v as select * from t", "create policy p on t using (a > 0)"),
        "begin;\ndrop view v;\ndrop policy p on t;\nalter table t alter column a type bigint;\nalter table t add c int;\n"
        "create policy p on t using (a > 0);\ncreate view v as select * from t;\ncommit;",
    ),
)  # fmt: skip
