-- The database's counters as they stand, and what goes on at this moment. A role without pg_read_all_stats does not see
-- when the transactions of others began.
select
  pg_catalog.clock_timestamp() as at,
  pg_catalog.pg_postmaster_start_time() as server_started,
  d.stats_reset as counted_since,
  d.xact_commit as commits,
  d.xact_rollback as rollbacks,
  d.blks_hit as blocks_hit,
  d.blks_read as blocks_read,
  d.temp_bytes,
  d.deadlocks,
  d.conflicts,
  d.numbackends as connections,
  pg_catalog.current_setting('max_connections')::int4 as connections_allowed,
  (
    select pg_catalog.count(*)
    from pg_catalog.pg_locks l
    where not l.granted and (l.database = d.datid or l.database is null)
  )::int4 as waiting,
  (
    select pg_catalog.date_part('epoch', pg_catalog.max(pg_catalog.clock_timestamp() - a.xact_start))
    from pg_catalog.pg_stat_activity a
    where a.datid = d.datid and a.pid <> pg_catalog.pg_backend_pid() and a.backend_type = 'client backend'
  ) as longest_s,
  case
    when pg_catalog.has_database_privilege(d.datid, 'connect') then pg_catalog.pg_database_size(d.datid)
  end as database_bytes
from pg_catalog.pg_stat_database d
where d.datname = pg_catalog.current_database()
order by 1
