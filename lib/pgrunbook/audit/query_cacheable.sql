/*---
title = "Identical reads of rarely written tables"
group = "workload"
says = """
A SELECT asks the same again and again, at least 60 times an hour, of tables that are hardly written (rows written at
most 1 % of the calls): a cache in the application would answer. pg_stat_statements doesn't keep values, so reads are
known to be identical only without parameters, or where the calls are at least 20 times as many as the values that the
compared columns hold. Routine from 1,000 calls an hour or 2 % of all statements' time. The finding says how many
queries an hour a cache of 5 minutes and one of an hour would leave."""
mend = """
Keep the answer in the application for some minutes (its key: the values compared), and drop it when the table is
written: by the code that writes, or by a trigger that notifies (LISTEN, NOTIFY)."""
doubt = """
What must be right at every moment (money, permissions, stock) is not cached without being told of each write. With
several application servers, each with a cache of its own, that many times the queries are left."""
needs = ["statements"]
---*/
-- A parameter that no comparison explains, and a function that answers differently each time, end the matter.
-- Rows written are counted since the tables' statistics began, usually long before the statements': where the latter
-- cover ten minutes or more, what the known statements wrote counts, and at least the tables' own share for that time.
with statements as materialized (
  select s.*
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, mean_ms float8, share float8, relations oid[],
    writes oid, limited bool, "offset" bool, locking bool, seconds float8, parsed bool
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
), plain as materialized (  -- quoted names may hold anything
  select s.*, pg_catalog.regexp_replace(s.text, '"(?:[^"]|"")*"', 'x', 'g') as bare
  from statements s
), reads as materialized (
  select s.*, s.calls * 3600 / greatest(s.seconds, 1) as an_hour,
    (select count(distinct m.number[1]) from pg_catalog.regexp_matches(s.bare, '\$(\d+)', 'g') m(number)) as parameters,
    s.bare ~* '\m(now\(|current_date|current_time|current_timestamp|localtime|localtimestamp)' as by_time
  from plain s
  where s.parsed and s.kind = 'select' and not s.locking and not s."offset"
    and s.calls * 3600 >= 60 * greatest(s.seconds, 1) and s.calls >= 20 and pg_catalog.length(s.text) < 2000
    and pg_catalog.cardinality(s.relations) > 0 and s.writes is null
    and s.bare !~* '\m(current_user|session_user|current_role|current_setting|set_config|auth\.\w+)\M'
    and s.bare !~* '\m(random|nextval|currval|setval|clock_timestamp|timeofday|tablesample|pg_\w+)\M'
    -- a function of nothing answers by the time, by who asks, or anew each time
    and s.bare !~* '(?!(?:now|over|row_number|rank|dense_rank)\M)\m[[:alnum:]_]+"?\s*\(\s*\)'
), compared as materialized (
  select p.id, p.relation, p."column" as attnum, p.op = 'range' as by_range,
    p.op = 'eq' and p.expression = '' as by_value
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(
    id text, relation oid, "column" int2, op text, expression text
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  join reads using (id)
  where p.op in ('eq', 'in', 'range', 'like', 'prefix', 'other')
), touched as materialized (
  select id, pg_catalog.unnest(relations) as oid
  from reads
), below as materialized (
  select i.inhparent as above, i.inhrelid as oid
  from pg_catalog.pg_inherits i
  union all
  select distinct w.ev_class, d.refobjid
  from pg_catalog.pg_rewrite w
  join pg_catalog.pg_class v on v.oid = w.ev_class and v.relkind = 'v'
  join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> w.ev_class
  where w.ev_type = '1'
), tree as materialized (
  -- a table with its partitions and heirs, a view with its tables
  with recursive down(top, oid) as (
    select distinct oid, oid from touched
    union
    select d.top, b.oid from down d join below b on b.above = d.oid
  )
  select * from down
), age as materialized (
  select extract(epoch from pg_catalog.now()
    - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time()))::float8 as seconds
  from pg_catalog.pg_stat_database d
  where d.datname = pg_catalog.current_database()
), written_by as materialized (
  select writes as oid, sum(rows) as rows from statements where writes is not null group by 1
), tables as materialized (
  select t.top as oid,
    sum(pg_catalog.pg_stat_get_tuples_inserted(t.oid) + pg_catalog.pg_stat_get_tuples_updated(t.oid)
      + pg_catalog.pg_stat_get_tuples_deleted(t.oid))::float8 as counted,
    coalesce(sum(b.rows), 0)::float8 as seen,
    sum(coalesce(nullif(greatest(c.reltuples, 0), 0), pg_catalog.pg_stat_get_live_tuples(c.oid)))
      filter (where c.relkind <> 'p') as rows,
    pg_catalog.bool_or(c.relrowsecurity) as guarded,
    pg_catalog.bool_and(
      c.relkind in ('r', 'p', 'm', 'v') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
      and not exists (
        select from pg_catalog.pg_depend e
        where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
      )
    ) as own
  from tree t
  join pg_catalog.pg_class c on c.oid = t.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join written_by b on b.oid = t.oid
  group by 1
), held as materialized (
  -- how many values a column holds: by the statistics, else by what the catalog says at most
  select a.relation, a.attnum,
    coalesce(
      (
        select case when s.n_distinct > 0 then s.n_distinct else nullif(-s.n_distinct * t.rows, 0) end
        from pg_catalog.pg_stats s
        where s.schemaname = n.nspname and s.tablename = c.relname and s.attname = k.attname
        order by s.inherited desc
        limit 1
      ),
      case when k.atttypid = 'pg_catalog.bool'::pg_catalog.regtype then 2 end,
      (select nullif(count(*), 0) from pg_catalog.pg_enum e where e.enumtypid = k.atttypid),
      (
        select nullif(t.rows, 0)
        from pg_catalog.pg_index i
        where i.indrelid = a.relation and i.indisunique and i.indpred is null
          and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
        limit 1
      ),
      (
        select coalesce(nullif(greatest(r.reltuples, 0), 0), nullif(pg_catalog.pg_stat_get_live_tuples(r.oid), 0))
        from pg_catalog.pg_constraint f
        join pg_catalog.pg_class r on r.oid = f.confrelid
        where f.contype = 'f' and f.conrelid = a.relation and f.conkey = array[a.attnum]
        limit 1
      )
    )::float8 as number
  from (select distinct relation, attnum from compared where by_value) a
  join tables t on t.oid = a.relation
  join pg_catalog.pg_class c on c.oid = a.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute k on k.attrelid = a.relation and k.attnum = a.attnum
), asked as materialized (
  -- how many questions a statement can ask: no more of one table than it has rows. A function's variable is no
  -- parameter in its statement's text: what is compared by = may differ from call to call.
  select id, sum(columns) as columns, pg_catalog.bool_and(by_value) as plain, pg_catalog.bool_and(by_time) as by_time,
    case when pg_catalog.bool_and(number is not null) then pg_catalog.exp(sum(pg_catalog.ln(number))) end as number
  from (
    select c.id, c.relation, count(distinct c.attnum) as columns, pg_catalog.bool_and(c.by_value) as by_value,
      pg_catalog.bool_and(c.by_value or c.by_range) as by_time,
      case when pg_catalog.bool_and(v.number is not null or not c.by_value) then greatest(least(
        pg_catalog.exp(coalesce(sum(pg_catalog.ln(greatest(v.number, 1))) filter (where c.by_value), 0)), max(t.rows)
      ), 1) end as number
    from compared c
    join tables t on t.oid = c.relation
    left join held v using (relation, attnum)
    group by 1, 2
  ) by_table
  group by 1
), known as materialized (
  -- no comparison but of plain columns with one value each; the number of rows is the only other parameter
  select r.*, case when a.id is null then 1 else a.number end as different
  from reads r
  left join asked a using (id)
  where (coalesce(a.plain, true) or a.by_time and r.by_time and r.parameters = 0)
    and r.parameters <= coalesce(a.columns, 0) + r.limited::int4
), judged as materialized (
  select r.id, r.text, r.by_time, r.calls, r.ms, r.share, r.an_hour, r.seconds, r.different,
    w.tables, w.names, w.guarded,
    case when x.exact then w.counted else greatest(w.seen, w.counted * r.seconds / e.seconds) end as rows_written,
    case when x.exact then 'since their statistics began' else 'meanwhile' end as meanwhile
  from known r
  left join age e on true
  cross join lateral (select r.seconds < 600 or coalesce(e.seconds, 0) <= r.seconds as exact) x
  join (
    select x.id, pg_catalog.bool_and(t.own) as own, sum(t.counted) as counted, sum(t.seen) as seen,
      pg_catalog.bool_or(t.guarded) as guarded, count(distinct x.shown) as tables,
      pg_catalog.string_agg(distinct x.shown, ', ' order by x.shown) as names
    from (
      select distinct u.id, u.oid, pg_catalog.format('%%I.%%I', n.nspname, r.relname) as shown
      from touched u
      join pg_catalog.pg_class c using (oid)
      join pg_catalog.pg_class r
        on r.oid = case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::oid else c.oid end
      join pg_catalog.pg_namespace n on n.oid = r.relnamespace
    ) x
    join tables t using (oid)
    group by x.id
  ) w using (id)
  where w.own
)
select
  'query ' || j.id as object,
  case when j.tables = 1 then j.names else '' end as relation,
  case when j.an_hour >= 1000 or j.share >= 0.02 then 'routine' else 'noted' end as level,
  pg_catalog.format(
    '%%s queries an hour (%%s calls in %%s), %%s, of %%s, where %%s rows were written %%s; '
    'a cache of 5 minutes would leave %%s an hour and save %%s, one of 1 hour would leave %%s and save %%s; '
    '%%s %%%% of the time of all statements: %%s',
    pg_catalog.to_char(j.an_hour, 'FM999,999,999,990'), pg_catalog.to_char(j.calls, 'FM999,999,999,999,990'),
    case
      when j.seconds < 120 then pg_catalog.to_char(j.seconds, 'FM990') || ' s'
      when j.seconds < 7200 then pg_catalog.to_char(j.seconds / 60, 'FM990') || ' min'
      when j.seconds < 172800 then pg_catalog.to_char(j.seconds / 3600, 'FM990') || ' h'
      else pg_catalog.to_char(j.seconds / 86400, 'FM999,990') || ' days'
    end,
    case when j.different = 1 then 'always the same'
      else pg_catalog.format(
        'at most about %%s different ones', pg_catalog.to_char(j.different, 'FM999,999,999,990'))
    end,
    j.names, pg_catalog.to_char(j.rows_written, 'FM999,999,999,999,990'), j.meanwhile,
    pg_catalog.to_char(least(j.an_hour, 12 * j.different), 'FM999,999,999,990'),
    pg_catalog.to_char(j.an_hour - least(j.an_hour, 12 * j.different), 'FM999,999,999,990'),
    pg_catalog.to_char(least(j.an_hour, j.different), 'FM999,999,999,990'),
    pg_catalog.to_char(j.an_hour - least(j.an_hour, j.different), 'FM999,999,999,990'),
    pg_catalog.to_char(j.share * 100, 'FM990.0'), pg_catalog.left(j.text, 160)
  ) as detail,
  '' as remedy,
  pg_catalog.format(
    'keep the answer in the application for %%s, and drop it when %%s %%s written',
    case when 12 * j.different <= j.an_hour / 2 then '5 minutes' else '1 hour' end, j.names,
    case when j.tables = 1 then 'is' else 'are' end
  ) as advice,
  pg_catalog.concat_ws('; ',
    case when j.seconds < 600 then pg_catalog.format(
      'the statements cover %%s s only: an hour is extrapolated', pg_catalog.to_char(j.seconds, 'FM990')) end,
    case when j.guarded then
      'its tables have row level security: users see different rows, so the cache''s key holds the user' end,
    case when pg_catalog.current_setting('track_counts') = 'off' then
      'the server doesn''t count rows written (track_counts is off)' end,
    case when j.by_time then
      'it depends on the time, so its answer grows old without a write' end
  ) as doubt,
  j.an_hour - least(j.an_hour, j.different) as weight
from judged j
where j.different is not null and j.calls >= 20 * j.different and j.an_hour > j.different
  and j.rows_written <= 0.01 * j.calls
order by 8 desc, 1
