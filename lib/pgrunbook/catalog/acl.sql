-- The privileges on one object and on its columns, one a row; a null acl is the default.
with object(acl, owner) as (
  select
    coalesce(relacl, pg_catalog.acldefault(case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner)),
    relowner
  from pg_catalog.pg_class
  where %(catalog)s = 'pg_class' and oid = %(oid)s
  union all
  select coalesce(proacl, pg_catalog.acldefault('f', proowner)), proowner
  from pg_catalog.pg_proc
  where %(catalog)s = 'pg_proc' and oid = %(oid)s
  union all
  select coalesce(nspacl, pg_catalog.acldefault('n', nspowner)), nspowner
  from pg_catalog.pg_namespace
  where %(catalog)s = 'pg_namespace' and oid = %(oid)s
  union all
  select coalesce(typacl, pg_catalog.acldefault('T', typowner)), typowner
  from pg_catalog.pg_type
  where %(catalog)s = 'pg_type' and oid = %(oid)s
),
acls(column_name, acl, owner) as (
  select '', acl, owner from object
  union all
  select a.attname::text, a.attacl, c.relowner
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  where %(catalog)s = 'pg_class' and a.attrelid = %(oid)s and not a.attisdropped
)
select
  case e.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(e.grantee)::text end as grantee,
  e.privilege_type as privilege,
  a.column_name as "column",
  e.is_grantable as grantable,
  e.grantor = a.owner as by_owner,
  pg_catalog.pg_get_userbyid(e.grantor)::text as grantor
from acls a
cross join lateral pg_catalog.aclexplode(a.acl) e
order by 3, 1, 2, 6
