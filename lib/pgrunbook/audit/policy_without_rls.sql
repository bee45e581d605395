/*---
title = "Policy without row level security"
group = "row level security"
says = """
The table has policies, but row level security is not enabled on it: the server never looks at them, and every role
with a privilege on the table reaches every row. FORCE alone does not enable it either. A partition counts by itself:
policies on a partition are only for those who name it, and need row level security there.
"""
mend = "Enable row level security, once the policies cover every command that the roles need."
doubt = """
It may have been switched off for a while, for a migration or a load, or stands ready for a change to come. Enabling it
denies at once what no policy permits.
"""
---*/
-- pg_class.relhaspolicy does not exist; the policies themselves are counted.
select
  f.q as object,
  f.q as relation,
  'important' as level,
  pg_catalog.format('%%s but row level security is not enabled%%s: %%s', case f.policies
      when 1 then pg_catalog.format('there is a policy (%%s),', f.names)
      else pg_catalog.format('there are %%s policies (%%s),', f.policies, f.names) end,
    case when f.relforcerowsecurity then ', only forced,' else '' end,
    coalesce(
      'all of about ' || pg_catalog.to_char(f.rows, 'FM999,999,999,999,990') || ' rows are open to ' || f.holders,
      'nobody but the owner holds a privilege on it')) as detail,
  pg_catalog.format('alter table %%s enable row level security;', f.q) as remedy,
  '' as advice,
  '' as doubt,
  f.rows::float8 as weight
from (
  select
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    c.relforcerowsecurity,
    p.policies,
    case when pg_catalog.length(p.names) > 200 then pg_catalog.left(p.names, 200) || ' …' else p.names end as names,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0) as rows,
    (
      select pg_catalog.string_agg(distinct coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC'), ', ')
      from pg_catalog.aclexplode(c.relacl) a
      left join pg_catalog.pg_roles r on r.oid = a.grantee
      where a.grantee <> c.relowner and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    ) as holders
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join (
    select polrelid, count(*) as policies,
      pg_catalog.string_agg(pg_catalog.quote_ident(polname), ', ' order by polname) as names
    from pg_catalog.pg_policy
    group by 1
  ) p on p.polrelid = c.oid
  where not c.relrowsecurity
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
) f
order by 8 desc, 1
