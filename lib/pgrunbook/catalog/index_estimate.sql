-- Size of a B-tree to be built: 8 bytes a tuple header, 4 a line pointer, the columns' average widths rounded up
-- to 8, pages filled to 90 %%. Duplicates that a B-tree would merge are not merged here: an upper estimate.
-- A partitioned table has the rows of its partitions, and its statistics are those of all of them.
with rel as (
  select
    c.oid,
    c.relkind = 'p' as partitioned,
    greatest(coalesce((
      select pg_catalog.sum(greatest(l.reltuples, 0))
      from pg_catalog.pg_partition_tree(c.oid) t
      join pg_catalog.pg_class l on l.oid = t.relid
      where c.relkind = 'p' and t.isleaf
    ), c.reltuples), 0)::numeric as tuples
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = %(schema)s and c.relname = %(table)s
),
stats as (
  select s.attname, s.null_frac, s.avg_width
  from rel
  join pg_catalog.pg_stats s
    on s.schemaname = %(schema)s and s.tablename = %(table)s and s.inherited = rel.partitioned
),
kept as (
  select coalesce(pg_catalog.min(1 - s.null_frac), 1)::numeric as share
  from stats s
  where s.attname = any(%(not_null)s::text[])
),
width as (
  select coalesce(pg_catalog.sum(coalesce(s.avg_width, nullif(a.attlen, -1), 32)), 0) + 32 * %(expressions)s as bytes
  from rel
  join pg_catalog.pg_attribute a on a.attrelid = rel.oid and a.attname = any(%(columns)s::text[]) and a.attnum > 0
  left join stats s on s.attname = a.attname
)
select
  (rel.tuples * kept.share)::int8 as rows,
  (8192 + rel.tuples * kept.share * (12 + 8 * pg_catalog.ceil(width.bytes / 8.0)) / 0.9)::int8 as bytes
from rel, kept, width
order by 1
