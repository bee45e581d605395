-- An index that was just built on a table: its name, those of its partitions' indexes, and their size. `usable` is false
-- where rows that changed lately keep the transaction that built it from reading it.
with recursive tree as (
  select i.indexrelid as oid
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = pg_catalog.to_regclass(%(table)s) and c.relname = %(index)s
  union all
  select h.inhrelid
  from tree
  join pg_catalog.pg_inherits h on h.inhparent = tree.oid
)
select
  pg_catalog.array_agg(c.relname::text order by c.oid) as names,
  coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0)::int8 as bytes,
  pg_catalog.bool_and(not i.indcheckxmin) as usable,
  pg_catalog.bool_or(i.indexprs is not null) as expressions
from tree
join pg_catalog.pg_class c on c.oid = tree.oid
join pg_catalog.pg_index i on i.indexrelid = c.oid
order by 1
