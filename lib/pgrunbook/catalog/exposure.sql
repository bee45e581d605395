-- Who may read or execute some tables, views and functions, and with whose rights; and who passes every policy.
with named(kind, object, oid) as (
  select 'table', t, pg_catalog.to_regclass(t)::oid from pg_catalog.unnest(%(tables)s::text[]) t
  union all
  select 'view', t, pg_catalog.to_regclass(t)::oid from pg_catalog.unnest(%(views)s::text[]) t
  union all
  select 'function', t, pg_catalog.to_regprocedure(t)::oid from pg_catalog.unnest(%(functions)s::text[]) t
),
found(kind, object, owner, rights, acl, privilege, definer) as (
  select
    o.kind, o.object, c.relowner,
    case
      when o.kind = 'view' then
        case when c.reloptions::text ~ 'security_invoker=(true|on|1|yes)' then 'its reader''s' else 'its owner''s' end
      when not c.relrowsecurity then 'no row security'
      else pg_catalog.concat(
        'row security, policies: ', (select pg_catalog.count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid),
        case when c.relforcerowsecurity then ', forced' else ', its owner passes' end)
    end,
    coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)), 'SELECT', false
  from named o
  join pg_catalog.pg_class c on c.oid = o.oid
  where o.kind <> 'function'
  union all
  select
    o.kind, o.object, p.proowner,
    pg_catalog.concat(
      case when p.prosecdef then 'its owner''s' else 'its caller''s' end,
      case when p.proconfig::text ~ 'search_path=' then ', search_path fixed' end),
    coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), 'EXECUTE', p.prosecdef
  from named o
  join pg_catalog.pg_proc p on p.oid = o.oid
  where o.kind = 'function'
)
select
  f.kind,
  f.object,
  pg_catalog.pg_get_userbyid(f.owner)::text as owner,
  f.rights,
  coalesce(pg_catalog.string_agg(
    case when a.grantee = 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(a.grantee)::text end, ', '
    order by a.grantee <> 0, pg_catalog.pg_get_userbyid(a.grantee)::text
  ) filter (where a.privilege_type = f.privilege and a.grantee <> f.owner), 'its owner only') as may_use,
  f.definer,
  coalesce(pg_catalog.bool_or(a.privilege_type = f.privilege and a.grantee = 0), false) as by_public
from found f
left join lateral pg_catalog.aclexplode(f.acl) a on true
group by f.kind, f.object, f.owner, f.rights, f.definer
union all
select
  'role', r.rolname::text, '', case when r.rolsuper then 'superuser' else 'BYPASSRLS' end, 'passes every policy', false, false
from pg_catalog.pg_roles r
where (r.rolsuper or r.rolbypassrls) and %(roles)s
order by 1, 2
