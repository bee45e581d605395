/*---
title = "Slow statement"
group = "workload"
says = """
A statement takes more than 100 ms on average, over at least 5 calls: a person waits for it, or a connection is held
that others need. It is important where it also takes at least 5 % of the time of all statements, or was called at
least 100 times. Told from pg_stat_statements, which counts the time of execution, not of planning and of the way to
the client."""
mend = """
Look at its plan with real values (explain (analyze, buffers)): the finding says whether it reads much, writes
temporary files, or waits."""
doubt = """
Reports and nightly jobs may take their time. The time includes waiting for locks and for the disk, and a mean over
unlike calls describes none of them."""
needs = ["statements"]
---*/
-- Utility statements count where they run somebody's query; a bulk load or a table made anew takes the time it takes.
with slow as materialized (
  select s.*, s.rows / s.calls::float8 as rows_a_call, s.blocks / s.calls::float8 as blocks_a_call,
    greatest(s.ms - s.max_ms, 0) / (s.calls - 1) as mean_without_slowest
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, mean_ms float8, max_ms float8, blocks int8,
    temp int8, share float8, relations oid[], writes oid, seconds float8
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.calls >= 5 and s.mean_ms > 100
    and (s.kind <> 'other' or s.text !~* '^([\s(]|/\*.*?\*/)*(copy|create|truncate)\M')
), own as materialized (
  select s.id,
    case when count(distinct t.oid) = 1 or bool_or(r.oid = s.writes)
      then max(pg_catalog.format('%%I.%%I', n.nspname, t.relname))
        filter (where s.writes is null or r.oid = s.writes)
    end as relation
  from slow s
  cross join lateral pg_catalog.unnest(s.relations) r(oid)
  join pg_catalog.pg_class c on c.oid = r.oid
  join pg_catalog.pg_class t
    on t.oid = case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::oid else c.oid end
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = t.oid and e.deptype = 'e'
    )
  group by s.id
)
select
  'query ' || s.id as object,
  coalesce(o.relation, '') as relation,
  case when s.share >= 0.05 or s.calls >= 100 then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s ms on average (%%s ms the slowest), %%s calls in %%s, %%s %%%% of the time of all statements; '
    '%%s rows and %%s blocks a call%%s%%s',
    pg_catalog.to_char(s.mean_ms, 'FM999,999,999,990'), pg_catalog.to_char(s.max_ms, 'FM999,999,999,990'),
    pg_catalog.to_char(s.calls, 'FM999,999,999,999,990'),
    case
      when s.seconds < 120 then pg_catalog.to_char(s.seconds, 'FM990') || ' s'
      when s.seconds < 7200 then pg_catalog.to_char(s.seconds / 60, 'FM990') || ' min'
      when s.seconds < 172800 then pg_catalog.to_char(s.seconds / 3600, 'FM990') || ' h'
      else pg_catalog.to_char(s.seconds / 86400, 'FM999,990') || ' days'
    end,
    pg_catalog.to_char(s.share * 100, 'FM990.0'),
    pg_catalog.to_char(s.rows_a_call, 'FM999,999,999,990'), pg_catalog.to_char(s.blocks_a_call, 'FM999,999,999,990'),
    case when s.temp >= s.calls
      then pg_catalog.format(
        ', %%s blocks of temporary files', pg_catalog.to_char(s.temp / s.calls, 'FM999,999,999,990'))
      else '' end,
    ': ' || pg_catalog.left(s.text, 200)
  ) as detail,
  '' as remedy,
  case
    when s.temp >= s.calls then
      'it sorts or hashes more than work_mem holds: raise work_mem for its role, or let it sort fewer rows'
    when s.blocks_a_call >= 100 and s.blocks_a_call > 10 * greatest(s.rows_a_call, 1) then
      'it reads many blocks for few rows: see which index its conditions lack (filtered_without_index), '
      'and its plan: explain (analyze, buffers)'
    when s.blocks_a_call < 100 and s.rows_a_call < 1000 then
      'it reads little, so it waits or computes: look for locks (log_lock_waits), functions that it calls, '
      'and just-in-time compilation (jit)'
    when s.kind in ('insert', 'update', 'delete', 'merge') then
      'it writes much at once: in batches it holds its locks for a shorter time'
    else 'it reads or returns much: fewer rows (LIMIT, a narrower time), or a sum that is kept up to date'
  end as advice,
  case
    when s.mean_without_slowest <= 100 then pg_catalog.format(
      'one call took %%s ms; without it the mean is %%s ms',
      pg_catalog.to_char(s.max_ms, 'FM999,999,999,990'), pg_catalog.to_char(s.mean_without_slowest, 'FM990.0'))
    else ''
  end as doubt,
  s.ms as weight
from slow s
left join own o using (id)
where o.id is not null or coalesce(pg_catalog.cardinality(s.relations), 0) = 0
order by 8 desc, 1
