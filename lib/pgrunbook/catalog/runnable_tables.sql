-- The tables that a statement may mean: by their oids, and by their names as the session's search_path has them.
select
  c.oid::int8 as oid,
  n.nspname::text as schema,
  c.relname::text as name,
  c.relkind::text as kind,
  greatest(c.reltuples, 0)::float8 as rows,
  coalesce(c.oid = any (%(relations)s::oid[]), false) as known,
  array(
    select a.attname::text from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  ) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = any (%(relations)s::oid[])
  or c.oid in (select pg_catalog.to_regclass(asked.name) from pg_catalog.unnest(%(names)s::text[]) asked(name))
order by c.oid
