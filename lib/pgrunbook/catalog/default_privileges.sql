-- What a role's objects of one kind give to whom as they are made: in a schema, or in all of them (schema empty).
select coalesce(g.rolname::text, '') as grantee, e.privilege_type as privilege, e.is_grantable as grantable
from pg_catalog.pg_roles r
left join pg_catalog.pg_default_acl d
  on d.defaclrole = r.oid
  and d.defaclnamespace = coalesce((select n.oid from pg_catalog.pg_namespace n where n.nspname = %(schema)s), 0)
  and d.defaclobjtype = %(objects)s::"char"
cross join lateral pg_catalog.aclexplode(coalesce(
  d.defaclacl,
  case when %(schema)s = '' then pg_catalog.acldefault(%(standard)s::"char", r.oid) end)) e
left join pg_catalog.pg_roles g on g.oid = e.grantee
where r.rolname = %(role)s
order by 1, 2, 3
