-- Index builds under way on some tables: two concurrent builds on one table deadlock.
-- Another role's progress is hidden without pg_read_all_stats, but for its pid; its lock on the table is not.
select
  p.pid,
  t.name as relation,
  coalesce(c.relname::text, case when p.relid is null then 'an index that is not visible' else 'an index' end) as index,
  coalesce(p.phase, 'not visible') as phase,
  coalesce(a.application_name, '') as application
from pg_catalog.pg_stat_progress_create_index p
join pg_catalog.unnest(%(relations)s::text[]) t(name)
  on p.relid = pg_catalog.to_regclass(t.name)
  or (p.relid is null and exists (
    select from pg_catalog.pg_locks l
    where l.pid = p.pid and l.locktype = 'relation' and l.granted
      and l.relation = pg_catalog.to_regclass(t.name) and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock')
  ))
left join pg_catalog.pg_class c on c.oid = p.index_relid
left join pg_catalog.pg_stat_activity a on a.pid = p.pid
where p.datname = pg_catalog.current_database() and p.pid <> %(own_pid)s
order by p.pid, t.name
