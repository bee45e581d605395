-- The views and materialized views whose query reads a column, and the policies and triggers that do: none of which lets
-- its type be changed.
select distinct
  case d.classid when 'pg_catalog.pg_rewrite'::pg_catalog.regclass then 'view' else 'other' end as what,
  coalesce(n.nspname::text, '') as schema,
  coalesce(c.relname::text, '') as name,
  pg_catalog.pg_describe_object(d.classid, d.objid, 0) as described
from pg_catalog.pg_attribute a
join pg_catalog.pg_depend d
  on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
left join pg_catalog.pg_rewrite r on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
left join pg_catalog.pg_class c on c.oid = r.ev_class
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.attrelid = pg_catalog.to_regclass(%(relation)s) and a.attname = %(column)s
  and d.classid in ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
    'pg_catalog.pg_trigger'::pg_catalog.regclass)
order by 4
