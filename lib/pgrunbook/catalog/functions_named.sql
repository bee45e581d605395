-- Functions and procedures of one name; those of the argument types, where they are given.
select
  p.oid::int8 as oid,
  n.nspname::text as schema,
  p.proname::text as name,
  array(
    select pg_catalog.format_type(a.type, null)
    from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality a(type, position)
    order by a.position
  ) as types
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.proname = %(name)s
  and case when %(schema)s = '' then pg_catalog.pg_function_is_visible(p.oid) else n.nspname = %(schema)s end
  and (
    %(types)s::text[] is null
    or pg_catalog.array_to_string(p.proargtypes::oid[], ',') = pg_catalog.array_to_string(array(
      select coalesce(pg_catalog.to_regtype(t.type)::oid, 0)
      from pg_catalog.unnest(%(types)s::text[]) with ordinality t(type, position)
      order by t.position
    ), ',')
  )
order by p.oid
