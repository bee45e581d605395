-- An extension as it is installed; `config` are its tables that hold what users put into them, each with the condition
-- that tells those rows. Run with search_path = pg_catalog.
select
  extversion as version,
  nspname::text as schema,
  array(
    select format('%%s %%s', c.oid::regclass, extcondition[n])
    from generate_subscripts(extconfig, 1) n
    join pg_class c on c.oid = extconfig[n]
    where relkind = 'r'
    order by 1
  ) as config
from pg_extension e
join pg_namespace n on n.oid = extnamespace
where extname = %(name)s
order by e.oid
