-- The partitions of a table at every level, from the top down, each with its indexes, one a row, or without.
-- `part_of` is the partitioned index that an index is a part of. One behind a constraint can be no other index's part.
select
  n.nspname::text as schema,
  c.relname::text as name,
  c.relkind::text as kind,
  t.level,
  t.parentrelid::int8 as parent,
  c.oid::int8 as oid,
  coalesce(i.indexrelid, 0)::int8 as index,
  coalesce(x.relname::text, '') as index_name,
  coalesce(i.indisvalid and i.indisready and i.indislive, false) as valid,
  coalesce(h.inhparent, 0)::int8 as part_of
from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(table)s)) t
join pg_catalog.pg_class c on c.oid = t.relid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join (
  pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
) on i.indrelid = c.oid and not exists (
  select from pg_catalog.pg_constraint k
  where k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
)
left join pg_catalog.pg_inherits h on h.inhrelid = i.indexrelid
where t.level > 0
order by t.level, n.nspname, c.relname, x.relname
