-- What stands under an index's name: another table's index, or no index at all, is no match.
-- Another role's build is hidden without pg_read_all_stats, but for its pid and its lock on the table.
select
  c.oid::int8 as oid,
  coalesce(t.relname = %(table)s, false) as on_table,
  coalesce(i.indisvalid and i.indisready and i.indislive, false) as valid,
  coalesce(pg_catalog.pg_get_indexdef(i.indexrelid), '') as definition,
  coalesce((
    select p.pid from pg_catalog.pg_stat_progress_create_index p
    where p.datname = pg_catalog.current_database()
      and ((p.index_relid = c.oid and p.command like 'CREATE%%')
        or (p.relid is null and not i.indisvalid and exists (
          select from pg_catalog.pg_locks l
          where l.pid = p.pid and l.locktype = 'relation' and l.granted
            and l.relation = i.indrelid and l.mode = 'ShareUpdateExclusiveLock'
        )))
    order by p.pid limit 1
  ), 0) as building_pid
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_index i on i.indexrelid = c.oid
left join pg_catalog.pg_class t on t.oid = i.indrelid
where n.nspname = %(schema)s and c.relname = %(name)s
order by c.oid
