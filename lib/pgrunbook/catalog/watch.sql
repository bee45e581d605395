-- How a statement of another session gets on: progress where the server tells, and who stands in its way.
-- pg_blocking_pids stops the whole lock manager for a moment, so it is asked only of a session that waits for a lock.
with seen as materialized (
  select a.pid, coalesce(a.wait_event_type = 'Lock', false) as waiting,
    coalesce(a.state like 'idle%%', false) as idle, p.phase,
    p.tuples_done, p.tuples_total, p.blocks_done, p.blocks_total
  from pg_catalog.pg_stat_get_activity(%(pid)s) a
  left join pg_catalog.pg_stat_progress_create_index p on p.pid = a.pid
),
blocking as materialized (
  select distinct x as pid
  from seen, pg_catalog.unnest(case when seen.waiting then pg_catalog.pg_blocking_pids(seen.pid) end) x
),
told as materialized (
  select
    pg_catalog.string_agg(
      case when b.pid = 0 then 'a prepared transaction'
      else pg_catalog.format('pid %%s (%%s, %%s%%s)', b.pid, coalesce(nullif(s.application_name, ''), 'no application name'),
        coalesce(s.usename::text, 'role not visible'),
        coalesce(', for ' || pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - s.xact_start)) || ' s', ''))
      end, ', ' order by b.pid) as blockers,
    pg_catalog.bool_or(s.backend_type = 'autovacuum worker' and s.query like '%%to prevent wraparound%%') as wraparound
  from blocking b
  left join pg_catalog.pg_stat_activity s on s.pid = b.pid
)
select
  coalesce(seen.phase, case when seen.waiting then 'waiting for a lock' else 'working' end) as phase,
  seen.waiting,
  seen.idle,
  case when seen.phase like '%%loading tuples%%' then seen.tuples_done else coalesce(seen.blocks_done, 0) end as done,
  case when seen.phase like '%%loading tuples%%' then seen.tuples_total else coalesce(seen.blocks_total, 0) end as total,
  coalesce(told.blockers, '') as blockers,
  coalesce(told.wraparound, false) as wraparound
from seen, told
order by 1
