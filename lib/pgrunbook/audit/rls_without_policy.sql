/*---
title = "Row level security without a policy"
group = "row level security"
says = """
Row level security is enabled and there is no policy: every row is denied to everybody but the owner, superusers and
roles with BYPASSRLS. A SELECT finds nothing and says nothing; a write fails or changes no row.

Important where an ordinary role holds a privilege on the table, by a grant of its own, of a column, to PUBLIC, or
inherited: it was meant to get at rows. Noted where none does: then it is a second lock on a door that is shut. Under
FORCE the owner counts as an ordinary role. A partition is left out: who goes through its parent is under the parent's
policies, and a partition that denies direct access is in order.
"""
mend = "Write policies for the commands that the roles need, or revoke privileges that nobody is meant to use."
doubt = """
It may be shut on purpose, with all access by a service that bypasses row security or by SECURITY DEFINER functions;
then the privileges of ordinary roles are better revoked.
"""
---*/
-- Who holds what is read off the access lists, as a call of has_table_privilege for each role and table would be slow.
with recursive tables as materialized (
  select c.oid, c.relowner, c.relforcerowsecurity as forced, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)) as acl,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0) as rows
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relrowsecurity and c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
    and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)
), reach (member, role) as materialized (  -- whose privileges a role has: its own, and those that it inherits
  select r.oid, r.oid
  from pg_catalog.pg_roles r
  union
  select h.member, m.roleid
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.role
  join pg_catalog.pg_auth_members m on m.member = h.role
  where coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit)
), ordinary as materialized (
  select r.oid, r.rolname
  from pg_catalog.pg_roles r
  where not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
), granted as materialized (
  select t.oid, a.grantee
  from tables t
  cross join lateral pg_catalog.aclexplode(t.acl) a
  where a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  union
  select t.oid, a.grantee
  from tables t
  join pg_catalog.pg_attribute c on c.attrelid = t.oid and c.attacl is not null and not c.attisdropped
  cross join lateral pg_catalog.aclexplode(c.attacl) a
  union
  select t.oid, r.oid
  from tables t
  join pg_catalog.pg_roles r on r.rolname in ('pg_read_all_data', 'pg_write_all_data')
), held as materialized (
  select g.oid, pg_catalog.string_agg(distinct coalesce(pg_catalog.quote_ident(o.rolname), 'PUBLIC'), ', ') as roles
  from granted g
  join tables t on t.oid = g.oid
  left join reach h on h.role = g.grantee
  left join ordinary o on o.oid = h.member
  left join reach w on w.member = o.oid and w.role = t.relowner
  where g.grantee = 0 or o.oid is not null and (t.forced or w.role is null)
  group by 1
)
select
  t.q as object,
  t.q as relation,
  case when h.oid is null then 'noted' else 'important' end as level,
  pg_catalog.format('row level security is enabled%%s and there is no policy; about %%s rows are denied to everybody '
    'it holds for; %%s', case when t.forced then ', for the owner as well,' else '' end,
    pg_catalog.to_char(t.rows, 'FM999,999,999,999,990'), coalesce(
      'privileges on it are held by ' || case
        when pg_catalog.length(h.roles) > 200 then pg_catalog.left(h.roles, 200) || ' …' else h.roles end,
      'no ordinary role holds a privilege on it')) as detail,
  '' as remedy,
  case when h.oid is null then 'nothing, if it is shut on purpose'
    else pg_catalog.format(
      'create policies on %%s for the commands that these roles need, or revoke their privileges', t.q)
  end as advice,
  '' as doubt,
  t.rows::float8 as weight
from tables t
left join held h on h.oid = t.oid
order by 8 desc, 1
