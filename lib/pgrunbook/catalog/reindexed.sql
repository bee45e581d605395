-- The indexes that a REINDEX … CONCURRENTLY of a table, an index or a schema has left invalid when it failed.
select pg_catalog.format('%%I.%%I', n.nspname, i.relname) as index, pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as relation
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid
join pg_catalog.pg_class t on t.oid = x.indrelid
join pg_catalog.pg_namespace n on n.oid = i.relnamespace
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where not x.indisvalid and i.relkind = 'i' and i.relname ~ '_cc(new|old)\d*$'
  and case when %(name)s = '' then n.nspname = %(schema)s
    else t.oid in (
      select coalesce(o.indrelid, c.oid)
      from pg_catalog.pg_class c
      left join pg_catalog.pg_index o on o.indexrelid = c.oid
      where c.oid = pg_catalog.to_regclass(%(name)s)
    ) end
  and not exists (
    select from pg_catalog.pg_locks l
    where l.relation = i.oid and l.pid <> pg_catalog.pg_backend_pid() and l.mode = 'ShareUpdateExclusiveLock'
  )
order by 1
