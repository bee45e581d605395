-- For each table with row level security and each role that is granted something on it, what a command meets: the
-- names of the policies, of which one has to let a row through (and each restrictive one), or why there are none.
-- First those rows where a privilege leads to nothing; `total` counts them all.
with recursive tables as materialized (
  select c.oid, c.relowner, c.relforcerowsecurity as forced, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)) as acl
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relrowsecurity and c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
), commands (privilege, letter) as (
  values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')
), reach (member, role) as materialized (  -- whose privileges a role has: its own, and those that it inherits
  select u.oid, u.oid
  from (select r.oid from pg_catalog.pg_roles r union all select 0) u
  union
  select h.member, m.roleid
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.role
  join pg_catalog.pg_auth_members m on m.member = h.role
  where coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit)
), granted as materialized (
  select t.oid, a.grantee, a.privilege_type as privilege
  from tables t
  cross join lateral pg_catalog.aclexplode(t.acl) a
  where a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  union
  select t.oid, a.grantee, a.privilege_type
  from tables t
  join pg_catalog.pg_attribute c on c.attrelid = t.oid and c.attacl is not null and not c.attisdropped
  cross join lateral pg_catalog.aclexplode(c.attacl) a
  where a.privilege_type in ('SELECT', 'INSERT', 'UPDATE')
), holders as materialized (
  select t.oid, t.q, g.role, r.rolname,
    coalesce(r.rolsuper or r.rolbypassrls, false) or (not t.forced and w.role is not null) as passes
  from tables t
  join (select distinct oid, grantee as role from granted) g on g.oid = t.oid
  left join pg_catalog.pg_roles r on r.oid = g.role
  left join reach w on w.member = g.role and w.role = t.relowner
  where g.role = 0 or r.rolname !~ '^pg_'
), held as materialized (
  select distinct h.oid, h.role, g.privilege
  from holders h
  join reach i on i.member = h.role
  join granted g on g.oid = h.oid and g.grantee = i.role
  union
  select h.oid, h.role, g.privilege
  from holders h
  join granted g on g.oid = h.oid and g.grantee = 0
), policies as materialized (  -- role 0 is PUBLIC
  select p.polrelid as oid, k.privilege, p.polpermissive as permissive, u.role,
    pg_catalog.quote_ident(p.polname) as name
  from pg_catalog.pg_policy p
  join tables t on t.oid = p.polrelid
  join commands k on p.polcmd in ('*', k.letter)
  cross join lateral pg_catalog.unnest(p.polroles) u(role)
  where not p.polpermissive or p.polqual is not null or k.letter = 'a' and p.polwithcheck is not null
), met as materialized (
  select oid, role, privilege,
    pg_catalog.string_agg(name, ', ' order by name) filter (where permissive)
      || coalesce(' and ' || pg_catalog.string_agg(name, ', ' order by name) filter (where not permissive), '') as names
  from (
    select h.oid, h.role, p.privilege, p.name, p.permissive
    from holders h
    join reach i on i.member = h.role
    join policies p on p.oid = h.oid and p.role = i.role
    union
    select h.oid, h.role, p.privilege, p.name, p.permissive
    from holders h
    join policies p on p.oid = h.oid and p.role = 0
  ) p
  group by 1, 2, 3
), cells as materialized (
  select h.oid, h.q, h.role, h.rolname, k.privilege,
    case
      when d.oid is null then 'no privilege'
      when h.passes then 'passes all'
      else coalesce(m.names, 'denied')
    end as says,
    case when d.oid is null or h.passes then 0 when m.names is null then 100 else 1 end as gravity
  from holders h
  cross join commands k
  left join held d on d.oid = h.oid and d.role = h.role and d.privilege = k.privilege
  left join met m on m.oid = h.oid and m.role = h.role and m.privilege = k.privilege
)
select
  c.q as table,
  coalesce(pg_catalog.quote_ident(c.rolname), 'PUBLIC') as role,
  max(c.says) filter (where c.privilege = 'SELECT') as select,
  max(c.says) filter (where c.privilege = 'INSERT') as insert,
  max(c.says) filter (where c.privilege = 'UPDATE') as update,
  max(c.says) filter (where c.privilege = 'DELETE') as delete,
  count(*) over () as total
from cells c
group by c.oid, c.q, c.role, c.rolname
order by pg_catalog.sum(c.gravity) desc, c.q, 2
limit %(most)s
