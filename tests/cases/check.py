"""DO blocks that only look."""

from __future__ import annotations

from cases import Case

BLOCK = """
-- No value is negative
do $$
declare
  wrong bigint;
begin
  select count(*) into wrong from t where a < 0;
  if wrong > 0 then
    raise exception '% rows of t are negative', wrong;
  end if;
  raise notice 'looked at %', (select count(*) from t);
end $$;
"""

CASES = (
    Case(
        "between_two_changes",
        ("create table t (id int primary key, a int)", "insert into t select i, i from generate_series(1, 100) i"),
        f"alter table t add column c int;\n{BLOCK}\ncreate index t_a on t (a);\n",
        breaks="insert into t values (1000, -1)",
        mends="delete from t where id = 1000",
        sqlstate="P0001",
    ),
    Case(
        "of_the_catalog",
        ("create table t (id int primary key)",),
        "do $$ begin if not exists (select from pg_index where indrelid = 't'::regclass) then"
        " raise exception 'no index'; end if; end $$;",
    ),
)
