-- How a statement of another session gets on: progress where the server tells, and who stands in its way.
select
  coalesce(p.phase, case when a.wait_event_type = 'Lock' then 'waiting for a lock' else 'working' end) as phase,
  coalesce(a.wait_event_type = 'Lock', false) as waiting,
  case when p.phase like '%%loading tuples%%' then p.tuples_done else coalesce(p.blocks_done, 0) end as done,
  case when p.phase like '%%loading tuples%%' then p.tuples_total else coalesce(p.blocks_total, 0) end as total,
  coalesce((
    select pg_catalog.string_agg(
      case when b.pid = 0 then 'a prepared transaction'
      else pg_catalog.format('pid %%s (%%s, %%s%%s)', b.pid, coalesce(nullif(s.application_name, ''), 'no application name'),
        coalesce(s.usename::text, 'role not visible'),
        coalesce(', for ' || pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - s.xact_start)) || ' s', ''))
      end, ', ' order by b.pid)
    from (select distinct x as pid from pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) x) b
    left join pg_catalog.pg_stat_activity s on s.pid = b.pid
  ), '') as blockers,
  exists (
    select from pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) x
    join pg_catalog.pg_stat_activity s on s.pid = x
    where s.backend_type = 'autovacuum worker' and s.query like '%%to prevent wraparound%%'
  ) as wraparound
from pg_catalog.pg_stat_activity a
left join pg_catalog.pg_stat_progress_create_index p on p.pid = a.pid
where a.pid = %(pid)s
order by 1
