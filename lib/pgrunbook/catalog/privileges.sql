-- What the role lacks to change some tables: it has to own them and may create in their schemas.
select
  t.name as relation,
  pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
  n.nspname::text as schema,
  pg_catalog.pg_has_role(c.relowner, 'usage') as owns,
  pg_catalog.has_schema_privilege(n.oid, 'create') as may_create
from pg_catalog.unnest(%(relations)s::text[]) t(name)
join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(t.name)
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by t.name
