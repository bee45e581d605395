-- Where pg_stat_statements is, and what its version has; no row where it is not, or is too old to tell execution times.
select
  n.nspname::text as schema,
  exists (
    select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = 'pg_stat_statements_info'
  ) as has_info,
  (select d.oid::int8 from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements'
  and exists (
    select
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = n.oid and c.relname = 'pg_stat_statements' and a.attname = 'total_exec_time'
  )
order by 1
