-- Statements by their counters: those that are asked for, then the heaviest. With the extension's schema as the search path.
-- Only what ran at top level counts, for an EXPLAIN counts its statement as a call below itself, of no time at all; where
-- the extension does not tell (PostgreSQL 13) the name means that of `absent`. The totals are over all of them.
select
  s.queryid::text as id,
  pg_catalog.sum(s.calls)::int8 as calls,
  pg_catalog.sum(s.total_exec_time) as ms,
  -- of the single calls' times: what makes a spread of any window of time
  pg_catalog.sum(s.calls * (s.stddev_exec_time * s.stddev_exec_time + s.mean_exec_time * s.mean_exec_time)) as squares,
  pg_catalog.sum(pg_catalog.sum(s.calls)) over ()::int8 as all_calls,
  pg_catalog.sum(pg_catalog.sum(s.total_exec_time)) over () as all_ms
from (select true as toplevel) absent
cross join lateral (
  select t.*, toplevel as top from pg_stat_statements(false) t where t.dbid = %(database)s::int8::oid
) s
where s.calls > 0 and s.top and s.queryid is not null
group by s.queryid
order by (s.queryid::text = any(%(ids)s::text[])) desc, pg_catalog.sum(s.total_exec_time) desc, 1
limit %(most)s
