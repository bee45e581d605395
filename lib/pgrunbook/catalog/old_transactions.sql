-- Sessions that hold a snapshot or a transaction for longer than a limit: a concurrent build waits for them.
-- Without pg_read_all_stats others' xact_start and backend_type are hidden; backend_xmin is not, so its age in
-- transactions is told.
select
  a.pid,
  coalesce(a.usename::text, '') as role,
  coalesce(a.application_name, '') as application,
  coalesce(a.state, 'hidden') as state,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::float8 as seconds,
  coalesce(pg_catalog.age(a.backend_xmin), 0) as xmin_age
from pg_catalog.pg_stat_activity a
where a.datname = pg_catalog.current_database()
  and a.pid <> pg_catalog.pg_backend_pid()
  and a.application_name not like 'pgrunbook%%'
  and (a.backend_type = 'client backend' or (a.backend_type is null and a.usesysid is not null))
  and (
    a.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(seconds)s)
    or (a.xact_start is null and a.backend_xmin is not null)
  )
order by a.xact_start nulls last, a.pid
