/*---
title = "Deep OFFSET"
group = "workload"
says = """
A SELECT with OFFSET touches at least 100 blocks a call, and more than ten times what it returns: over ten blocks for
each row and table, or over ten times the rows, as far as blocks tell rows; not where what it compares for equality
leaves less than 1,000 rows, by the statistics. All rows before the page are read and thrown
away, so every page is slower than the one before. Important where the mean is above 100 ms. Told from
pg_stat_statements, which doesn't keep the offset itself: pages in front (OFFSET 0) are averaged in."""
mend = """
Take up each page behind the last row of the one before (keyset pagination): a condition on the columns of the order,
with an index that has them in this order."""
doubt = """
A filter or an order without an index reads as much for the first page. People who never leaf beyond the first pages
don't feel it: the mean holds near and far pages alike."""
needs = ["statements"]
---*/
-- Rows passed over are estimated: where an index gives the order, a block holds as many rows of it side by side as the
-- square of the column's correlation says, as the planner reckons; without one the table is read page by page.
with paged as materialized (
  select s.*, greatest(s.rows / s.calls::float8, 1) as rows_a_call, s.blocks / s.calls::float8 as blocks_a_call
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, mean_ms float8, blocks int8, "offset" bool,
    parsed bool, relations oid[]
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.parsed and s.kind = 'select' and s."offset" and s.calls >= 2 and s.blocks >= 100 * s.calls
), tests as materialized (
  select p.*
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(
    id text, relation oid, "column" int2, op text, "position" int4, descending bool, expression text, bound bool
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  join paged using (id)
), own as materialized (
  select s.id, count(distinct t.oid) as tables,
    max(pg_catalog.format('%%I.%%I', n.nspname, t.relname)) as relation
  from paged s
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
), orders as materialized (
  select t.id, t.relation,
    pg_catalog.array_agg(t."column" order by t."position") as columns,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by t."position") as names,
    pg_catalog.string_agg('$' || t.n, ', ' order by t."position") as values,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || case when t.descending then ' desc' else '' end, ', '
      order by t."position") as written,
    pg_catalog.bool_and(t.descending) as descending,
    pg_catalog.bool_and(t.descending) or not pg_catalog.bool_or(t.descending) as one_way,
    pg_catalog.bool_and(t.expression = '') as plain
  from (
    select *, pg_catalog.row_number() over (partition by id order by "position") as n
    from tests
    where op = 'order'
  ) t
  join pg_catalog.pg_attribute a on a.attrelid = t.relation and a.attnum = t."column"
  where t.id not in (select id from tests where op = 'order' group by id having count(distinct relation) > 1)
  group by 1, 2
), equal as materialized (
  select id, relation, pg_catalog.array_agg(distinct "column") as columns
  from tests
  where op = 'eq' and expression = ''
  group by 1, 2
), short as materialized (  -- lists in which no OFFSET is deep, those of the commonest value
  select e.id
  from equal e
  join own o on o.id = e.id and o.tables = 1
  join pg_catalog.pg_class c on c.oid = e.relation and c.reltuples > 0
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any (e.columns)
  join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
  cross join lateral (select case when s.n_distinct < 0 then -s.n_distinct * c.reltuples else s.n_distinct end) d(values)
  where 1000 > greatest(c.reltuples / greatest(d.values, 1), c.reltuples * (s.most_common_freqs)[1])
  group by e.id
), served as materialized (
  -- an index whose columns are those compared with one value each, then the first of the order; `whole`: all of those
  select o.id,
    pg_catalog.bool_or(coalesce(e.columns, '{}') <@ (i.indkey::int2[])[0:at.n::int4 - 2]) as whole
  from orders o
  left join equal e using (id, relation)
  join pg_catalog.pg_index i on i.indrelid = o.relation and i.indisvalid and i.indpred is null
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_am m on m.oid = x.relam and m.amname = 'btree'
  cross join lateral (
    select min(k.n) as n
    from pg_catalog.unnest(i.indkey::int2[]) with ordinality k(attnum, n)
    where k.attnum = o.columns[1]
  ) at
  where at.n <= i.indnkeyatts and o.plain
    and (i.indkey::int2[])[0:at.n::int4 - 2] <@ coalesce(e.columns, '{}')
  group by 1
), density as materialized (
  select p.id, coalesce(v.whole, false) as by_index,
    case
      when v.id is null then d.rows_a_block
      else 1 + (d.rows_a_block - 1) * coalesce((
        select max(s.correlation) ^ 2
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_stats s on s.attname = a.attname
        where a.attrelid = o.relation and a.attnum = o.columns[1]
          and s.schemaname = n.nspname and s.tablename = c.relname
      ), 0)
    end as rows_a_touch
  from paged p
  join orders o using (id)
  join pg_catalog.pg_class c on c.oid = o.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join served v using (id)
  cross join lateral (select greatest(c.reltuples / greatest(c.relpages, 1), 1) as rows_a_block) d
)
select
  'query ' || p.id as object,
  case when o.tables = 1 then o.relation else '' end as relation,
  case when p.mean_ms > 100 then 'important' else 'routine' end as level,
  pg_catalog.format(
    'touches %%s blocks a call%%s to return %%s rows, %%s ms on average over %%s calls, those of the first pages '
    'included: %%s',
    pg_catalog.to_char(p.blocks_a_call, 'FM999,999,999,990'),
    case when d.rows_a_touch > 2 then pg_catalog.format(
      ', about %%s rows,', pg_catalog.to_char(p.blocks_a_call * d.rows_a_touch, 'FM999,999,999,999,990')) end,
    pg_catalog.to_char(p.rows / p.calls::float8, 'FM999,999,990.0'),
    pg_catalog.to_char(p.mean_ms, 'FM999,999,990.0'),
    pg_catalog.to_char(p.calls, 'FM999,999,999,999,990'), pg_catalog.left(p.text, 200)
  ) as detail,
  '' as remedy,
  case
    when r.id is null or not r.plain then
      'order it by columns that tell rows apart, and ask for what comes behind the last row shown instead of an OFFSET'
    when r.one_way then pg_catalog.format(
      'instead of OFFSET: … where (%%s) %%s (%%s) order by %%s limit …, with the values of the last row shown '
      '(a unique column must be among them), and an index on what it compares and then these columns',
      r.names, case when r.descending then '<' else '>' end, r.values, r.written)
    else pg_catalog.format(
      'instead of OFFSET ask for what comes behind the last row shown in the order %%s: its directions differ, '
      'so column by column (a > $1 or a = $1 and b < $2), and with an index of the same directions', r.written)
  end as advice,
  case
    when not coalesce(d.by_index, false) then
      'no index serves its conditions and its order, so the first page may read as much: build the index first'
    else ''
  end as doubt,
  p.ms as weight
from paged p
join own o using (id)
left join orders r using (id)
left join density d using (id)
where (p.blocks_a_call > 10 * p.rows_a_call * o.tables
    or o.tables = 1 and p.blocks_a_call * coalesce(d.rows_a_touch, 1) > 10 * p.rows_a_call)
  and p.id not in (select id from short)
order by 8 desc, 1
