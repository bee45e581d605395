/*---
title = "Large share of the time"
group = "workload"
says = """
One statement takes at least 20 % of the execution time of all statements (routine from 50 %): what is gained there is
gained for the whole database. Told from pg_stat_statements."""
mend = """
Whatever makes it cheaper: an index, fewer rows, fewer calls (a batch, a cache). A statement that is cheap by itself
and called often is mended where it is called."""
doubt = """
The share is of the time that statements ran, not of the machine's. A statement that calls a function counts the
function's statements once more, where these are tracked."""
needs = ["statements"]
---*/
-- Utility statements count where they run somebody's query, as for slow ones.
with large as materialized (
  select s.*
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, ms float8, mean_ms float8, share float8, relations oid[], writes oid,
    seconds float8
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.share >= 0.2 and s.calls > 0
    and (s.kind <> 'other' or s.text !~* '^([\s(]|/\*.*?\*/)*(copy|create|truncate)\M')
), own as materialized (
  select s.id,
    case when count(distinct t.oid) = 1 or bool_or(r.oid = s.writes)
      then max(pg_catalog.format('%%I.%%I', n.nspname, t.relname))
        filter (where s.writes is null or r.oid = s.writes)
    end as relation
  from large s
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
  case when s.share >= 0.5 then 'routine' else 'noted' end as level,
  pg_catalog.format(
    '%%s %%%% of the time of all statements: %%s calls of %%s ms in %%s%%s',
    pg_catalog.to_char(s.share * 100, 'FM990'), pg_catalog.to_char(s.calls, 'FM999,999,999,999,990'),
    pg_catalog.to_char(s.mean_ms, 'FM999,999,999,990.00'),
    case
      when s.seconds < 120 then pg_catalog.to_char(s.seconds, 'FM990') || ' s'
      when s.seconds < 7200 then pg_catalog.to_char(s.seconds / 60, 'FM990') || ' min'
      when s.seconds < 172800 then pg_catalog.to_char(s.seconds / 3600, 'FM990') || ' h'
      else pg_catalog.to_char(s.seconds / 86400, 'FM999,990') || ' days'
    end,
    ': ' || pg_catalog.left(s.text, 200)
  ) as detail,
  '' as remedy,
  case when s.mean_ms < 10
    then 'each call is cheap: fewer of them, by a batch (= any($1)) or a cache, help more than a faster plan'
    else 'begin here: its plan with real values, by explain (analyze, buffers)'
  end as advice,
  case
    when s.calls = 1 then 'it ran once: perhaps a job that is over'
    when s.ms / s.share < 60000 then pg_catalog.format(
      'all statements together took %%s s, so a share of them says little',
      pg_catalog.to_char(s.ms / s.share / 1000, 'FM999,999,990.0'))
    else ''
  end as doubt,
  s.ms as weight
from large s
left join own o using (id)
where o.id is not null or coalesce(pg_catalog.cardinality(s.relations), 0) = 0
order by 8 desc, 1
