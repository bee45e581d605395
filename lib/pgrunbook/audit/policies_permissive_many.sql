/*---
title = "Several permissive policies"
group = "row level security"
says = """
Two or more permissive policies apply to the same role and command. The server joins them by OR and tries one after the
other on each row until one lets it through, so that a row that is denied pays for all of them; and whoever reads one
of them does not know what is allowed. A policy FOR ALL counts for each command, one for PUBLIC for every role, one for
a role also for those who inherit its privileges. Restrictive policies are joined by AND and do not count; nor do two
policies for roles of which nobody inherits both, nor what only superusers, owners and roles with BYPASSRLS would meet.
"""
mend = """
Write one policy for the role and the command, with the conditions joined by OR; or give each its own command or role.
"""
doubt = """
Two short policies may be easier to read than one long one, and where the first nearly always lets the row through, the
second costs little.
"""
---*/
-- Each policy is unfolded to the commands that it has an expression for and to the roles that are under it, and all of
-- them are grouped: joins of such sets would be slow, as the planner can't know how large they are.
with recursive commands (privilege, letter, place) as (
  values ('SELECT', 'r', 1), ('INSERT', 'a', 2), ('UPDATE', 'w', 3), ('DELETE', 'd', 4)
), reach (member, role) as materialized (  -- whose privileges a role has: its own, and those that it inherits
  select r.oid, r.oid
  from pg_catalog.pg_roles r
  union
  select h.member, m.roleid
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.role
  join pg_catalog.pg_auth_members m on m.member = h.role
  where coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit)
), heirs as materialized (  -- the ordinary roles that have a role's privileges
  select h.role, pg_catalog.array_agg(h.member) as members
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.member
  where not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
  group by 1
), tables as materialized (
  select c.oid, c.relowner, c.relforcerowsecurity as forced, c.relacl,
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0) as rows
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join (
    select polrelid from pg_catalog.pg_policy where polpermissive group by 1 having count(*) > 1
  ) several on several.polrelid = c.oid
  where c.relrowsecurity and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
), applied as (  -- role 0 is PUBLIC
  select p.polrelid as oid, k.letter, m.member as role, p.polname
  from pg_catalog.pg_policy p
  join commands k on p.polcmd in ('*', k.letter)
  cross join lateral pg_catalog.unnest(p.polroles) u(role)
  cross join lateral (
    select v.member from heirs h cross join lateral pg_catalog.unnest(h.members) v(member) where h.role = u.role
    union all
    select 0::oid where u.role = 0
  ) m
  where p.polpermissive and (p.polqual is not null or k.letter in ('a', 'w') and p.polwithcheck is not null)
), by_role as (
  select a.oid, a.letter, a.role, pg_catalog.array_agg(distinct a.polname) as policies
  from applied a
  group by 1, 2, 3
), under as (
  select b.*, max(b.policies) filter (where b.role = 0) over (partition by b.oid, b.letter) as for_all
  from by_role b
), several as (
  select u.oid, u.letter, u.role, n.names, n.number
  from under u
  cross join lateral (
    select count(*) as number, pg_catalog.string_agg(pg_catalog.quote_ident(x.name), ', ' order by x.name) as names
    from (
      select p.name from pg_catalog.unnest(u.policies) p(name)
      union
      select p.name from pg_catalog.unnest(u.for_all) p(name)
    ) x
  ) n
  where pg_catalog.cardinality(u.policies) + coalesce(pg_catalog.cardinality(u.for_all), 0) > 1 and n.number > 1
), told as (  -- each set of policies once for a command: for PUBLIC, or for the roles that meet it
  select s.oid, s.names, s.letter, max(s.number) as number,
    case when pg_catalog.bool_or(s.role = 0) then 'PUBLIC' else
      pg_catalog.array_to_string(
        (pg_catalog.array_agg(pg_catalog.quote_ident(r.rolname) order by r.rolname))[1:5], ', '
      ) || case when count(*) > 5 then pg_catalog.format(' and %%s more', count(*) - 5) else '' end
    end as roles
  from several s
  join tables t on t.oid = s.oid
  left join pg_catalog.pg_roles r on r.oid = s.role
  where t.forced or s.role = 0 or not exists (
    select from heirs h where h.role = t.relowner and s.role = any (h.members)
  )
  group by 1, 2, 3
), by_set as (
  select d.oid, d.names, d.roles, max(d.number) as number,
    pg_catalog.string_agg(k.privilege, ', ' order by k.place) as commands
  from told d
  join commands k on k.letter = d.letter
  group by 1, 2, 3
)
select
  t.q as object,
  t.q as relation,
  case when a.held then 'routine' else 'noted' end as level,
  pg_catalog.string_agg(
    pg_catalog.format('%%s for %%s: %%s permissive policies (%%s)', b.commands, b.roles, b.number, b.names),
    '; ' order by b.number desc, b.commands, b.roles
  ) || case when a.held then '' else '; nobody but the owner holds a privilege on the table' end as detail,
  '' as remedy,
  'join their conditions by OR in one policy for each command and role, and drop the others' as advice,
  '' as doubt,
  (max(b.number) * (1 + t.rows))::float8 as weight
from by_set b
join tables t on t.oid = b.oid
cross join lateral (
  select t.forced or exists (
    select from pg_catalog.aclexplode(t.relacl) x where x.grantee <> t.relowner
  ) or exists (
    select from pg_catalog.pg_attribute c where c.attrelid = t.oid and c.attacl is not null
  ) as held
) a
group by t.oid, t.q, t.rows, a.held
order by 8 desc, 1
