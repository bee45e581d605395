-- The roles under a policy that this session can become, to ask for a plan as one of them: those that the policy names
-- first. A role that row security does not hold for is left out, and one without the privilege.
select r.rolname::text as role
from pg_catalog.pg_class c
cross join pg_catalog.pg_roles r
where c.oid = %(relation)s::oid and not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
  and exists (
    select from pg_catalog.unnest(%(roles)s::oid[]) g(role)
    where case when g.role = 0 then true else pg_catalog.pg_has_role(r.oid, g.role, 'usage') end
  )
  and (c.relforcerowsecurity or not pg_catalog.pg_has_role(r.oid, c.relowner, 'usage'))
  and pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'usage')
  and case %(privilege)s::text
    when 'delete' then pg_catalog.has_table_privilege(r.oid, c.oid, 'delete')
    else pg_catalog.has_any_column_privilege(r.oid, c.oid, %(privilege)s::text)
  end
  and pg_catalog.pg_has_role(
    r.oid, case when pg_catalog.current_setting('server_version_num')::int4 >= 160000 then 'set' else 'member' end
  )
order by (r.oid = any (%(roles)s::oid[])) desc, r.rolname
limit 1
