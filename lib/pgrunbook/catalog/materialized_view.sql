-- A view or materialized view as a query under the names of its columns. Run with search_path = pg_catalog.
select
  pg_catalog.format('(%%s) as %%s', c.columns, pg_catalog.rtrim(pg_catalog.pg_get_viewdef(v.oid), ';')) as query,
  coalesce(v.reloptions, '{}')::text[] as options,
  coalesce(t.spcname::text, '') as tablespace,
  v.relkind::text as kind,
  v.relispopulated as populated
from pg_catalog.pg_class v
left join pg_catalog.pg_tablespace t on t.oid = v.reltablespace
cross join lateral (
  select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
  from pg_catalog.pg_attribute a
  where a.attrelid = v.oid and a.attnum > 0 and not a.attisdropped
) c(columns)
where v.oid = pg_catalog.to_regclass(%(name)s) and v.relkind in ('v', 'm')
order by v.oid
