-- Index builds under way on some tables: two concurrent builds on one table deadlock.
select
  p.pid,
  p.relid::pg_catalog.regclass::text as relation,
  coalesce(c.relname::text, '') as index,
  p.phase,
  coalesce(a.application_name, '') as application
from pg_catalog.pg_stat_progress_create_index p
left join pg_catalog.pg_class c on c.oid = p.index_relid
left join pg_catalog.pg_stat_activity a on a.pid = p.pid
where p.datname = pg_catalog.current_database()
  and p.relid in (select pg_catalog.to_regclass(t)::oid from pg_catalog.unnest(%(relations)s::text[]) t)
  and p.pid <> %(own_pid)s
order by p.pid
