-- Functions by oid, or by name: "schema.name", or "name" where the search_path finds it.
select
  p.oid::int8 as oid,
  p.oid::regprocedure::text as signature,
  n.nspname::text as schema,
  p.proname::text as name,
  coalesce(
    (select pg_catalog.array_agg(pg_catalog.format_type(a.type, null) order by a.position)
     from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality a(type, position)),
    array[]::text[]
  ) as arguments,
  (l.lanname = 'sql' and not p.prosecdef and p.proconfig is null) as may_be_inlined,
  p.prosrc as source,
  coalesce(
    (select pg_catalog.array_agg(d.refobjid::int8 order by d.refobjid::int8)
     from pg_catalog.pg_depend d
     where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid
       and d.refclassid = 'pg_catalog.pg_proc'::regclass),
    array[]::int8[]
  ) as calls
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
where n.nspname <> 'pg_catalog' and p.prokind = 'f' and (
  p.oid = any(%(oids)s::oid[])
  or n.nspname || '.' || p.proname = any(%(names)s::text[])
  or (p.proname = any(%(names)s::text[]) and pg_catalog.pg_function_is_visible(p.oid))
)
order by 1
