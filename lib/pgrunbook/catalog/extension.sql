-- An extension as it is installed; `config` are its tables that hold what users put into them, each with the condition
-- that tells those rows; and the tables that were added to it since it was made. Run with search_path = pg_catalog.
select
  extversion as version,
  nspname::text as schema,
  array(
    select format('%%s %%s', c.oid::regclass, extcondition[n])
    from generate_subscripts(extconfig, 1) n
    join pg_class c on c.oid = extconfig[n]
    where relkind = 'r'
    union all
    select c.oid::regclass::text
    from pg_depend d
    join pg_class c on c.oid = d.objid and c.relkind = 'r'
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
      and d.deptype = 'e' and c.oid <> all (coalesce(extconfig, '{}')) and d.xmin <> (
        select o.xmin from pg_depend o
        where o.classid = 'pg_extension'::regclass and o.objid = e.oid and o.refclassid = 'pg_namespace'::regclass)
    order by 1
  ) as config
from pg_extension e
join pg_namespace n on n.oid = extnamespace
where extname = %(name)s
order by e.oid
