-- The statements of a database, each once: over its roles, at top level and in functions. With the extension's schema
-- as the search path. Its older versions lack columns: their names then mean those of `absent`.
-- An empty id stands for the entries of others, which hide it with their text.
select
  coalesce(s.queryid::text, '') as id,
  pg_catalog.min(s.query) filter (
    where pg_catalog.octet_length(s.query) <= %(longest)s and s.query <> '<insufficient privilege>'
  ) as text,
  coalesce(pg_catalog.max(pg_catalog.octet_length(s.query)), 0) as length,
  pg_catalog.count(*) as entries,
  pg_catalog.sum(s.calls)::int8 as calls,
  pg_catalog.sum(s.rows)::int8 as rows,
  pg_catalog.sum(s.total_exec_time) as ms,
  coalesce(pg_catalog.sum(s.total_exec_time) filter (where s.top), 0) as top_ms,
  pg_catalog.max(s.max_exec_time) as max_ms,
  pg_catalog.sum(s.shared_blks_hit + s.shared_blks_read)::int8 as blocks,
  pg_catalog.sum(s.shared_blks_read)::int8 as read,
  pg_catalog.sum(s.temp_blks_read + s.temp_blks_written)::int8 as temp,
  pg_catalog.min(s.begun) as begun,
  pg_catalog.array_agg(distinct pg_catalog.pg_get_userbyid(s.userid)::text) as roles
from (select true as toplevel, null::timestamptz as stats_since) absent
cross join lateral (
  select t.*, toplevel as top, stats_since as begun
  from pg_stat_statements(%(texts)s) t
  where t.dbid = %(database)s::int8::oid
) s
where s.calls > 0
  and (s.query ~ '/\* pgrunbook \*/') is not true  -- what a run of ours looks up for itself
group by s.queryid
order by 1
