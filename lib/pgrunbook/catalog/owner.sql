-- The owner of one object.
select pg_catalog.pg_get_userbyid(o.owner)::text as owner
from (
  select relowner from pg_catalog.pg_class where %(catalog)s = 'pg_class' and oid = %(oid)s
  union all
  select proowner from pg_catalog.pg_proc where %(catalog)s = 'pg_proc' and oid = %(oid)s
  union all
  select nspowner from pg_catalog.pg_namespace where %(catalog)s = 'pg_namespace' and oid = %(oid)s
  union all
  select typowner from pg_catalog.pg_type where %(catalog)s = 'pg_type' and oid = %(oid)s
) o(owner)
order by 1
