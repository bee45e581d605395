-- Where pg_stat_statements is ('' for nowhere), whether this role may use it, what its version has, and what is known
-- of the time that it counts.
select
  coalesce(n.nspname::text, '') as schema,
  coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage'), false) as usable,
  exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = n.oid and c.relname = 'pg_stat_statements' and a.attname = 'total_exec_time'
  ) as has_times,
  exists (
    select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = 'pg_stat_statements_info'
  ) as has_info,
  pg_catalog.current_setting('pg_stat_statements.max', true) is not null as loaded,
  d.oid::int8 as database,
  pg_catalog.pg_postmaster_start_time() as started,
  pg_catalog.clock_timestamp() as at,
  pg_catalog.current_schemas(true)::text[] as path
from pg_catalog.pg_database d
left join pg_catalog.pg_extension e on e.extname = 'pg_stat_statements'
left join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where d.datname = pg_catalog.current_database()
order by 1
