-- Size of a B-tree to be built: 8 bytes a tuple header, 4 a line pointer, the columns' average widths rounded up
-- to 8, pages filled to 90 %%. Duplicates that a B-tree would merge are not merged here: an upper estimate.
with rel as (
  select c.oid, greatest(c.reltuples, 0)::numeric as tuples
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = %(schema)s and c.relname = %(table)s
),
kept as (
  select coalesce(pg_catalog.min(1 - s.null_frac), 1)::numeric as share
  from pg_catalog.pg_stats s
  where s.schemaname = %(schema)s and s.tablename = %(table)s and s.attname = any(%(not_null)s::text[])
),
width as (
  select coalesce(pg_catalog.sum(coalesce(s.avg_width, nullif(a.attlen, -1), 32)), 0) + 32 * %(expressions)s as bytes
  from rel
  join pg_catalog.pg_attribute a on a.attrelid = rel.oid and a.attname = any(%(columns)s::text[]) and a.attnum > 0
  left join pg_catalog.pg_stats s
    on s.schemaname = %(schema)s and s.tablename = %(table)s and s.attname = a.attname and not s.inherited
)
select
  (rel.tuples * kept.share)::int8 as rows,
  (8192 + rel.tuples * kept.share * (12 + 8 * pg_catalog.ceil(width.bytes / 8.0)) / 0.9)::int8 as bytes
from rel, kept, width
order by 1
