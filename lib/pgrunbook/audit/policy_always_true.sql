/*---
title = "Policy that is always true"
group = "row level security"
says = """
A permissive policy whose USING or WITH CHECK holds for every row: `true`, `1 = 1`, `not false`, `true or …`, a column
that is declared NOT NULL and asked for `is not null`, a function that is no more than `select true`. Permissive
policies are joined by OR, so that no other permissive policy narrows it: every role under it reads or writes every
row. An always true WITH CHECK beside a USING that means something lets a role hand its rows to somebody else, or write
such rows.

Important for INSERT, UPDATE, DELETE and ALL. Noted for SELECT, which may be public on purpose, and where it opens
nothing today: its roles all bypass row security anyhow, none of them holds a privilege for the command, or row level
security is not enabled. One that restrictive policies narrow for the same commands and roles is how restrictive
policies are meant to be used, and is not told.
"""
mend = "Say in the clause whose rows they are; or leave only SELECT open, and name the roles."
doubt = """
The table may be open on purpose: reference data, a form that anybody may send in.
"""
needs = ["policies"]
---*/
-- Which clauses are always true is a fact (`always`); a policy FOR ALL or UPDATE without WITH CHECK checks by its
-- USING.
with recursive facts as materialized (
  select f.relation as oid, f.policy, f.object, f.command, f.permissive, f.roles, f.always, f.constant,
    f."check" <> '' as checks
  from pg_catalog.jsonb_to_recordset(%(policies)s::jsonb) as f(
    relation oid, policy text, object text, command text, permissive bool, roles oid[], always text[], constant text,
    "check" text
  )
), open as materialized (
  select f.*, case
      when f.command in ('all', 'update') and f.checks and f.always = array['check'] then 'WITH CHECK is'
      when f.command = 'insert' then 'WITH CHECK is'
      when pg_catalog.cardinality(f.always) = 2 then 'USING and WITH CHECK are'
      else 'USING is'
    end as clauses,
    case f.command
      when 'all' then case
        when f.always = array['check'] then array['INSERT', 'UPDATE']
        when f.checks and f.always = array['using'] then array['SELECT', 'UPDATE', 'DELETE']
        else array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] end
      else array[pg_catalog.upper(f.command)]
    end as privileges
  from facts f
  where f.permissive and f.always <> array[]::text[]
), unnarrowed as materialized (  -- those of which a command is left that no restrictive policy narrows
  select distinct o.object
  from (select o.object, o.oid, o.roles, pg_catalog.unnest(o.privileges) as privilege from open o) o
  left join facts f on f.oid = o.oid and not f.permissive and f.constant <> 'true'
    and f.command in ('all', pg_catalog.lower(o.privilege)) and (0 = any (f.roles) or f.roles @> o.roles)
  where f.oid is null
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
), met as materialized (  -- for each set of roles that a policy names those who are under it, null where it is nobody
  select s.roles, pg_catalog.array_agg(h.member) as members
  from (select distinct o.roles from open o) s
  left join lateral (
    select pg_catalog.unnest(h.members) as member from heirs h where h.role = any (s.roles) or 0 = any (s.roles)
  ) h on true
  group by 1
), judged as (
  select o.*, c.relrowsecurity as enabled, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0) as rows,
    0 = any (o.roles) or m.members <> array[null]::oid[] as meets,
    exists (
      select
      from pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) a
      left join heirs h on h.role = a.grantee
      where a.privilege_type = any (o.privileges)
        and (c.relforcerowsecurity or a.grantee <> c.relowner)
        and (a.grantee = 0 or h.members && m.members)
      union all
      select
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attacl is not null and not a.attisdropped
    ) as held
  from open o
  join pg_catalog.pg_class c on c.oid = o.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join met m on m.roles = o.roles
  where o.object in (select u.object from unnarrowed u)
)
select
  j.object,
  j.q as relation,
  case when j.command = 'select' or not (j.meets and j.held and j.enabled) then 'noted' else 'important' end as level,
  pg_catalog.format('%%s always true for %%s%%s: %%s', j.clauses,
    case j.command when 'all' then 'all commands' else pg_catalog.upper(j.command) end,
    ' by ' || (
      select pg_catalog.string_agg(coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC'), ', ' order by r.rolname)
      from pg_catalog.unnest(j.roles) u(role)
      left join pg_catalog.pg_roles r on r.oid = u.role
    ),
    case
      when not j.enabled then 'row level security is not enabled, so that it opens nothing that is not open already'
      when not j.meets then 'its roles bypass row security anyhow'
      when not j.held then 'no role under it holds a privilege for it today'
      when j.clauses = 'WITH CHECK is' then 'any row may be written, whoever it belongs to'
      else pg_catalog.format('about %%s rows are open to them', pg_catalog.to_char(j.rows, 'FM999,999,999,999,990'))
    end) as detail,
  '' as remedy,
  pg_catalog.format('alter policy %%I on %%s with a condition that names the rows'' owner, or name the few roles that '
    'may', j.policy, j.q) as advice,
  '' as doubt,
  (1 + j.rows)::float8 as weight
from judged j
order by 8 desc, 1
