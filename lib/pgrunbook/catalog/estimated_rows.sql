-- The statistics' idea of a table's rows, its partitions included, and its bytes; 0 where there is none.
select
  coalesce(pg_catalog.sum(greatest(c.reltuples, 0)), 0)::int8 as rows,
  coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(c.oid)), 0)::int8 as bytes
from pg_catalog.pg_class c
where c.relkind = 'r' and (
  c.oid = pg_catalog.to_regclass(%(table)s)
  or c.oid in (select p.relid from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(table)s)) p)
)
order by 1
