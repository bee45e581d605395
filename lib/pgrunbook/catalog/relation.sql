-- The relation of a name as the session's search_path resolves it.
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(%(name)s)
order by c.oid
