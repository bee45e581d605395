-- Things around a change that a DBA wants to know of before it starts.
select kind, name, detail from (
  select 'event trigger' as kind, e.evtname::text as name,
    'fires on ' || e.evtevent || ', function ' || e.evtfoid::pg_catalog.regprocedure::text as detail
  from pg_catalog.pg_event_trigger e where e.evtenabled <> 'D'
  union all
  select 'replication slot', s.slot_name::text,
    case when s.active then 'active' else 'not active' end || ', retains '
      || pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn))
      || ' of WAL, which the builds add to'
  from pg_catalog.pg_replication_slots s where s.restart_lsn is not null
  union all
  select 'autovacuum', v.relid::pg_catalog.regclass::text,
    coalesce((select a.query from pg_catalog.pg_stat_activity a where a.pid = v.pid), 'vacuum') || ', phase ' || v.phase
  from pg_catalog.pg_stat_progress_vacuum v
  where v.datname = pg_catalog.current_database()
) found
order by kind, name
