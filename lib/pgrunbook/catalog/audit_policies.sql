-- The policies of an application's tables, with their expressions and the functions that these call; those of the
-- server itself are pinned and leave no dependency. Run with search_path = pg_catalog, so that all other names come
-- qualified.
select
  c.oid::int8 as relation,
  pg_catalog.format('%%I.%%I: %%I', n.nspname, c.relname, p.polname) as object,
  c.relname::text as table,
  p.polname::text as policy,
  case p.polcmd
    when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all'
  end as command,
  p.polpermissive as permissive,
  p.polroles::int8[] as roles,
  coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') as using,
  coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') as check,
  coalesce(d.functions, array[]::int8[]) as functions
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join (
  select d.objid, pg_catalog.array_agg(distinct d.refobjid::int8) as functions
  from pg_catalog.pg_depend d
  where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  group by 1
) d on d.objid = p.oid
where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
  and not exists (
    select from pg_catalog.pg_depend e
    where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
  )
order by 2
