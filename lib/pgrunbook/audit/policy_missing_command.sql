/*---
title = "Missing policy for a command"
group = "row level security"
says = """
A role holds the privilege for a command on a table with row level security, but no permissive policy lets any row
through for it: a SELECT, UPDATE or DELETE finds no row and says nothing, an INSERT fails. It is told from the matrix
of table, command and role: privileges by a grant to the role, of a column, to PUBLIC or inherited; policies by the
roles they name, where a role counts under the policies of those whose privileges it inherits. A policy FOR ALL stands
for all four commands; one without USING lets nothing through but an INSERT; a restrictive policy lets nothing through
by itself. Owners (unless FORCE), superusers and roles with BYPASSRLS are left out, and so are pg_* roles and
partitions.

Routine; noted where every command has a policy for somebody, and the roles that are told are under none of them.
"""
mend = "Write the policy for the command, or revoke the privilege from the role."
doubt = """
The command may be denied on purpose. A privilege that is not meant to be used is better revoked: then the refusal is
an error that says so.
"""
---*/
-- Sets of rows and hashes of them instead of has_table_privilege, which would be slow for thousands of tables and
-- hundreds of roles; what follows from an access list is found out once for each list that there is. Who holds a
-- privilege and who is let through are put below each other and grouped, as the planner can't know how many of either
-- there are.
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
), ordinary as materialized (
  select r.oid, r.rolname
  from pg_catalog.pg_roles r
  where not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
), heirs as materialized (  -- the ordinary roles that have a role's privileges
  select h.role, pg_catalog.array_agg(h.member) as members
  from reach h
  join ordinary o on o.oid = h.member
  group by 1
), tables as materialized (
  select c.oid, c.relkind, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)) as acl,
    case when c.relforcerowsecurity then 0 else c.relowner end as owner,
    pg_catalog.dense_rank() over (order by c.relacl::text, c.relowner, c.relforcerowsecurity) as list,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0) as rows
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relrowsecurity and c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
    and exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)
), lists as materialized (  -- `exempt`: the owner and who inherits from it, unless FORCE
  select l.list, l.acl, l.owner,
    coalesce((select h.members from heirs h where h.role = l.owner), array[]::oid[]) as exempt
  from (select distinct on (list) list, acl, owner from tables order by list) l
), granted as materialized (
  select l.list, a.grantee, a.privilege_type as privilege
  from lists l
  cross join lateral pg_catalog.aclexplode(l.acl) a
  union
  select l.list, r.oid, k.privilege
  from lists l
  cross join commands k
  join pg_catalog.pg_roles r
    on r.rolname = case k.privilege when 'SELECT' then 'pg_read_all_data' else 'pg_write_all_data' end
), allowed as materialized (  -- the ordinary roles that hold a privilege, and PUBLIC as role 0
  select distinct l.list, k.letter, h.member as role
  from lists l
  join granted g on g.list = l.list
  join commands k on k.privilege = g.privilege
  cross join lateral (
    select m.member
    from heirs h
    cross join lateral pg_catalog.unnest(h.members) m(member)
    where h.role = g.grantee and m.member <> all (l.exempt)
    union all
    select 0::oid where g.grantee = 0
  ) h
), let_through as materialized (
  select distinct p.polrelid as oid, k.letter, u.role
  from pg_catalog.pg_policy p
  join commands k on p.polcmd in ('*', k.letter)
  cross join lateral pg_catalog.unnest(p.polroles) u(role)
  where p.polpermissive and (p.polqual is not null or k.letter = 'a' and p.polwithcheck is not null)
), stacked as (
  select t.oid, a.letter, a.role, true as held
  from tables t
  join allowed a on a.list = t.list
  union all
  select c.attrelid, k.letter, coalesce(h.member, 0), true
  from pg_catalog.pg_attribute c
  join tables t on t.oid = c.attrelid
  join lists l on l.list = t.list
  cross join lateral pg_catalog.aclexplode(c.attacl) a
  join commands k on k.privilege = a.privilege_type
  left join lateral (
    select m.member
    from heirs h
    cross join lateral pg_catalog.unnest(h.members) m(member)
    where h.role = a.grantee and m.member <> all (l.exempt)
  ) h on true
  where c.attacl is not null and not c.attisdropped and (a.grantee = 0 or h.member is not null)
  union all
  select p.oid, p.letter, m.member, false
  from let_through p
  cross join lateral (
    select u.member from heirs h cross join lateral pg_catalog.unnest(h.members) u(member) where h.role = p.role
    union all
    select p.role where p.role not in (select oid from ordinary)
  ) m
), grouped as (
  select s.oid, s.letter, s.role, pg_catalog.bool_or(s.held) as held, pg_catalog.bool_or(not s.held) as lets
  from stacked s
  group by 1, 2, 3
), judged as (
  select g.*,
    pg_catalog.bool_or(g.lets and g.role = 0) over command as everybody,
    pg_catalog.bool_or(g.lets) over command as somebody,
    pg_catalog.bool_or(g.lets) over (partition by g.oid, g.role) as other_commands,
    pg_catalog.bool_or(g.lets and g.role = 0) over (partition by g.oid) as other_for_all,
    pg_catalog.array_agg(g.role) filter (where g.lets) over command as with_policy
  from grouped g
  window command as (partition by g.oid, g.letter)
), lacking as (
  select j.oid, j.letter, t.list, pg_catalog.array_agg(j.role order by j.role) as roles,
    pg_catalog.bool_or(not j.somebody or j.other_commands or j.other_for_all) as gap
  from judged j
  join tables t on t.oid = j.oid
  join lists l on l.list = t.list
  where j.held and not j.lets and not coalesce(j.everybody, false)
    -- what PUBLIC holds is lacking where any ordinary role is left without a policy
    and (j.role <> 0 or exists (
      select from ordinary o where o.oid <> all (l.exempt) and o.oid <> all (coalesce(j.with_policy, array[]::oid[]))
    ))
  group by 1, 2, 3
), sets as materialized (  -- a role that inherits from another one of the set has the privilege from there
  select s.roles, count(*) as number, (
      select pg_catalog.string_agg(name, ', ' order by place)
      from pg_catalog.unnest((pg_catalog.array_agg(n.name order by n.name))[1:10]) with ordinality u(name, place)
    ) || case when count(*) > 10 then pg_catalog.format(' and %%s more', count(*) - 10) else '' end as names
  from (select distinct roles from lacking) s
  cross join lateral (
    select coalesce(pg_catalog.quote_ident(o.rolname), 'PUBLIC') as name
    from pg_catalog.unnest(s.roles) u(role)
    left join ordinary o on o.oid = u.role
    where not exists (
      select from heirs h where h.role = any (s.roles) and h.role <> u.role and u.role = any (h.members)
    )
  ) n
  group by 1
)
select
  t.q as object,
  t.q as relation,
  case when pg_catalog.bool_or(l.gap) then 'routine' else 'noted' end as level,
  pg_catalog.format('no permissive policy lets a row through for %%s, though they hold the privilege',
    pg_catalog.string_agg(pg_catalog.format('%%s by %%s', k.privilege, s.names), '; ' order by k.place)) as detail,
  '' as remedy,
  pg_catalog.format('create policies on %%s for %%s, or revoke these privileges from the roles', t.q,
    pg_catalog.string_agg(k.privilege, ', ' order by k.place)) as advice,
  case when t.relkind <> 'p' then ''
    else 'Whoever names a partition is under that partition''s own policies, not these: a privilege on a partition '
      'that has no row level security passes them by.'
  end as doubt,
  (pg_catalog.sum(s.number) * (1 + t.rows))::float8 as weight
from lacking l
join tables t on t.oid = l.oid
join commands k on k.letter = l.letter
join sets s on s.roles = l.roles
group by t.oid, t.q, t.relkind, t.rows
order by 8 desc, 1
