-- Each table with its size, its indexes and how it is read and written, the largest first.
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  greatest(t.reltuples, 0)::int8 as estimated_rows,
  (t.relpages::int8 * pg_catalog.current_setting('block_size')::int8) as table_bytes,
  coalesce(x.bytes, 0)::int8 as index_bytes,
  coalesce(x.indexes, 0)::int4 as indexes,
  coalesce(x.unused, 0)::int4 as never_read,
  coalesce(s.seq_scan, 0)::int8 as sequential_scans,
  coalesce(s.idx_scan, 0)::int8 as index_scans,
  (coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0))::int8 as writes
from pg_catalog.pg_class t
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
left join pg_catalog.pg_stat_all_tables s on s.relid = t.oid
left join (
  select x.indrelid, count(*) as indexes, count(*) filter (where coalesce(u.idx_scan, 0) = 0) as unused,
    sum(i.relpages::int8 * pg_catalog.current_setting('block_size')::int8) as bytes
  from pg_catalog.pg_index x
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  left join pg_catalog.pg_stat_all_indexes u on u.indexrelid = x.indexrelid
  group by 1
) x on x.indrelid = t.oid
where t.relkind in ('r', 'p', 'm') and not t.relispartition
  and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
order by 3 desc, 1
limit %(most)s
