/*---
title = "Result without a bound"
group = "workload"
says = """
A SELECT without LIMIT, without an aggregate and without the value of a unique key returns at least 1,000 rows a call
on average (important from 10,000). It grows with the table: the server reads, sends and the client holds all of it.
Told from pg_stat_statements for statements that ran at least twice."""
mend = """
A LIMIT, with the next page taken up behind the last row's key (keyset pagination), or a sum made in the server. What
must have all rows takes them in pieces, through a cursor."""
doubt = """
Exports, reports and caches that are filled at a start need all rows. Rows that a client fetches through a cursor in
pieces are counted here as well where the driver does so by the protocol."""
needs = ["statements"]
---*/
-- Bound by a unique key: every column of one of its indexes is compared with a value, or with a list of them.
with large as materialized (
  select s.*, s.rows / s.calls::float8 as rows_a_call
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, mean_ms float8, limited bool, aggregate bool,
    ordered bool, parsed bool, relations oid[]
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.parsed and s.kind = 'select' and not s.limited and not s.aggregate
    and s.calls >= 2 and s.rows >= 1000 * s.calls
), pinned as materialized (
  select p.id, p.relation, pg_catalog.array_agg(distinct p."column") as columns
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(
    id text, relation oid, "column" int2, op text, expression text, bound bool
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  join large using (id)
  where p.op in ('eq', 'in') and p.bound and p.expression = ''
  group by 1, 2
), by_key as materialized (
  select distinct p.id
  from pinned p
  join pg_catalog.pg_index i on i.indrelid = p.relation
  where i.indisunique and i.indisvalid and i.indpred is null
    and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ p.columns
), own as materialized (
  select s.id, count(distinct t.oid) as tables,
    max(pg_catalog.format('%%I.%%I', n.nspname, t.relname)) as relation,
    max(coalesce(nullif(greatest(t.reltuples, 0), 0), pg_catalog.pg_stat_get_live_tuples(t.oid))) as table_rows,
    max(t.oid::int8)::oid as oid
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
), keys as materialized (
  select o.id, pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n) as columns,
    pg_catalog.string_agg('$' || k.n, ', ' order by k.n) as values
  from own o
  join pg_catalog.pg_index i on i.indrelid = o.oid and i.indisprimary
  cross join lateral pg_catalog.unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality k(attnum, n)
  join pg_catalog.pg_attribute a on a.attrelid = o.oid and a.attnum = k.attnum
  where o.tables = 1
  group by o.id
)
select
  'query ' || s.id as object,
  case when o.tables = 1 then o.relation else '' end as relation,
  case when s.rows_a_call >= 10000 then 'important' else 'routine' end as level,
  pg_catalog.format(
    'returns %%s rows a call on average, without a LIMIT, in %%s calls of %%s ms%%s: %%s',
    pg_catalog.to_char(s.rows_a_call, 'FM999,999,999,990'), pg_catalog.to_char(s.calls, 'FM999,999,999,999,990'),
    pg_catalog.to_char(s.mean_ms, 'FM999,999,990.0'),
    case when o.tables = 1 and o.table_rows > 0 then pg_catalog.format(
      ', of the %%s rows of %%s', pg_catalog.to_char(o.table_rows, 'FM999,999,999,999,990'), o.relation) end,
    pg_catalog.left(s.text, 200)
  ) as detail,
  '' as remedy,
  case
    when k.id is not null and not s.ordered then pg_catalog.format(
      'take it in pages, each behind the last key of the one before: '
      '… where (%%1$s) > (%%2$s) order by %%1$s limit 100',
      k.columns, k.values)
    else 'take it in pages (order by a unique key, limit 100, each page behind the last key of the one before), '
      'or add it up in the server'
  end as advice,
  case
    when s.calls < 10 then pg_catalog.format('called %%s times only: it may be an export or a report', s.calls)
    else ''
  end as doubt,
  s.rows::float8 as weight
from large s
join own o using (id)
left join by_key b using (id)
left join keys k using (id)
where b.id is null
order by 8 desc, 1
