-- Who may do what by the default privileges of roles, and in some schemas: `head` and `target` are those of a GRANT or a
-- REVOKE, `grants` give what there is now, `usual` what there is where nothing was said. Run with search_path pg_catalog.
with granted as (
  select
    format('alter default privileges for role %%I %%s', r.rolname, 'in schema ' || quote_ident(n.nspname) || ' ') as head,
    case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
      when 'n' then 'schemas' else 'large objects' end as target,
    d.defaclacl as acl,
    case when n.oid is null then
      acldefault(case d.defaclobjtype when 'S' then 's'::"char" else d.defaclobjtype end, r.oid) end as usual
  from pg_default_acl d
  join pg_roles r on r.oid = d.defaclrole
  left join pg_namespace n on n.oid = d.defaclnamespace
  union all
  select '', format('schema %%I', nspname), coalesce(nspacl, acldefault('n', nspowner)), null
  from pg_namespace
  where nspname = any (%(schemas)s)
)
select head, target, now.grants, now.grantees, coalesce(before.grants, '{}') as usual
from granted
cross join lateral (
  select
    coalesce(array_agg(format('grant %%s on %%s to %%s%%s', lower(e.privilege_type), target, w.name, w.option)
      order by w.name, e.privilege_type), '{}') as grants,
    coalesce(array_agg(distinct w.name), '{}') as grantees
  from aclexplode(acl) e
  cross join lateral (
    select case e.grantee when 0 then 'public' else e.grantee::regrole::text end as name,
      case when e.is_grantable then ' with grant option' else '' end as option) w) now
cross join lateral (
  select
    array_agg(format('grant %%s on %%s to %%s%%s', lower(e.privilege_type), target, w.name, w.option)
      order by w.name, e.privilege_type) as grants
  from aclexplode(usual) e
  cross join lateral (
    select case e.grantee when 0 then 'public' else e.grantee::regrole::text end as name,
      case when e.is_grantable then ' with grant option' else '' end as option) w) before
order by head, target
