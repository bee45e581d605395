-- The columns of a table's primary key, in the key's order; its name as the session's search_path resolves it.
select
  n.nspname::text as schema,
  c.relname::text as name,
  coalesce(
    (select pg_catalog.array_agg(a.attname::text order by k.position)
     from pg_catalog.pg_index i
     cross join pg_catalog.unnest(i.indkey::int2[]) with ordinality k(attnum, position)
     join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
     where i.indrelid = c.oid and i.indisprimary),
    array[]::text[]
  ) as key,
  exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attname = %(tenant)s and a.attnum > 0 and not a.attisdropped
  ) as has_tenant
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(%(name)s) and c.relkind in ('r', 'p')
order by 1, 2
