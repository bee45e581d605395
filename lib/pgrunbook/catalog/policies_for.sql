-- The policies that a role's SELECT is under, with the functions that their expressions call; those of the server itself
-- are pinned and leave no dependency, current_setting among them, so that one is looked for by name.
select
  n.nspname::text as schema,
  c.relname::text as table,
  p.polname::text as policy,
  coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'true') as expression,
  coalesce(
    (select pg_catalog.array_agg(distinct d.refobjid::int8 order by d.refobjid::int8)
     from pg_catalog.pg_depend d
     where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
       and d.refclassid = 'pg_catalog.pg_proc'::regclass),
    array[]::int8[]
  ) as functions
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on r.rolname = %(role)s
where c.relrowsecurity and p.polcmd in ('r', '*') and not (r.rolsuper or r.rolbypassrls)
  and exists (
    select from pg_catalog.unnest(p.polroles) granted
    where case when granted = 0 then true else pg_catalog.pg_has_role(r.oid, granted, 'usage') end
  )
order by 1, 2, 3
