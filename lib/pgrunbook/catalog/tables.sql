-- The tables of some schemas, and the materialized views that can be read: sizes in bytes, the statistics' idea of their rows, and how old that idea is.
select
  pg_catalog.format('%%I.%%I', n.nspname, c.relname) as table,
  greatest(c.reltuples, 0)::int8 as estimated_rows,
  pg_catalog.pg_table_size(c.oid) as table_bytes,
  pg_catalog.pg_indexes_size(c.oid) as index_bytes,
  coalesce(pg_catalog.to_char(greatest(s.last_analyze, s.last_autoanalyze) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), 'before the statistics began') as analyzed,
  coalesce(s.n_mod_since_analyze, 0) as changed_since,
  -- before 14 an unknown row count is 0, from then on -1
  (c.relkind <> 'p' and c.relpages > 0 and c.reltuples <= 0) as never_analyzed
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'p', 'm') and c.relispopulated and n.nspname = any(%(schemas)s::text[])
order by 3 desc, 1
