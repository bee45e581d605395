-- A run's snapshots, at most so many: the first and the last ones all, in between the last of each of many spans of time.
-- Counters only grow, so that what lies between two of them is in their difference. With bounds those after one snapshot
-- and up to another. They follow one another by their numbers: a clock may be set back.
with numbered as (
  select
    s.id,
    s.taken_at,
    pg_catalog.row_number() over (order by s.id) as number,
    pg_catalog.count(*) over () as of,
    pg_catalog.date_part('epoch', s.taken_at - pg_catalog.min(s.taken_at) over ()) as after_s,
    pg_catalog.date_part('epoch', pg_catalog.max(s.taken_at) over () - pg_catalog.min(s.taken_at) over ()) as whole_s
  from {schema}.snapshot s
  where s.runbook = %(runbook)s and s.run_id = %(run_id)s
    and (%(after)s::int8 is null or s.id > %(after)s::int8) and (%(until)s::int8 is null or s.id <= %(until)s::int8)
),
chosen as (
  select n.id
  from (
    select
      m.*,
      pg_catalog.max(m.number) over (
        partition by pg_catalog.floor(m.after_s * %(spans)s / greatest(m.whole_s, 1))
      ) as last
    from numbered m
  ) n
  where n.number <= %(ends)s or n.number > n.of - %(ends)s or n.number = n.last
)
select
  s.id, s.taken_at as at, s.server_started, s.commits, s.rollbacks, s.blocks_hit, s.blocks_read, s.temp_bytes,
  s.deadlocks, s.conflicts, s.database_bytes, s.connections, s.waiting, s.longest_s, s.statements_ms, s.statements_calls,
  s.statements, s.statement_calls, s.statement_ms, s.statement_squares,
  s.tables, s.table_bytes, s.table_rows, s.table_writes,
  s.indexes, s.index_bytes, s.index_scans, s.index_probes, s.index_valid, s.index_needed,
  s.questions, s.plans, s.plan_cost,
  not s.not_seen @> '[{"what": "tables and indexes"}]' as sized,
  coalesce((
    select pg_catalog.jsonb_object_agg(pg_catalog.replace(o.value ->> 'what', 'plans of ', ''), o.value ->> 'why')
    from pg_catalog.jsonb_array_elements(s.not_seen) o
    where o.value ->> 'what' ~ '^plans of ' and o.value ->> 'why' ~ '\[(3F000|42703|42883|42P01)\]$'
  ), '{}') as unknown
from {schema}.snapshot s
where s.id in (select c.id from chosen c)
order by s.id
