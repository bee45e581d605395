-- The relations of a schema that statements name.
select c.oid::int8 as oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relkind in ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S', 'c')
order by c.oid
