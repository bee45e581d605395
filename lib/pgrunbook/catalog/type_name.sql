-- The type of a name as the session's search_path resolves it; an array's element with `is_array`.
select
  n.nspname::text as schema,
  coalesce(e.typname, t.typname)::text as name,
  e.oid is not null as is_array
from pg_catalog.pg_type t
left join pg_catalog.pg_type e on e.typarray = t.oid
join pg_catalog.pg_namespace n on n.oid = coalesce(e.typnamespace, t.typnamespace)
where t.oid = pg_catalog.to_regtype(%(name)s)
order by t.oid
