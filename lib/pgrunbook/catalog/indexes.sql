-- The indexes of some schemas and how often each was read since the statistics began.
select
  pg_catalog.format('%%I.%%I', n.nspname, c.relname) as index,
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  pg_catalog.pg_relation_size(c.oid) as bytes,
  coalesce(s.idx_scan, 0) as scans,
  (i.indisvalid and i.indisready) as valid,
  pg_catalog.pg_get_indexdef(c.oid) as definition
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_class t on t.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_user_indexes s on s.indexrelid = c.oid
where n.nspname = any(%(schemas)s::text[])
order by 2, 1
