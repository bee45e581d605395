-- The columns that the workload tests together, and the index that begins with most of them; the busiest first.
with tested as materialized (
  select p.id, p.relation, p."column" as attnum,
    min(case when p.op in ('eq', 'in', 'join') then 1 when p.op in ('range', 'like', 'prefix') then 2 else 3 end) as rank
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb)
    as p(id text, relation oid, "column" int2, op text, bound bool)
  where p.op in ('order') or (p.op in ('eq', 'in', 'range', 'like', 'prefix', 'join'))
  group by 1, 2, 3
), sets as materialized (
  select id, relation, pg_catalog.array_agg(attnum order by rank, attnum) as columns
  from tested
  group by 1, 2
), combined as materialized (
  select s.relation, s.columns, count(*)::int4 as statements, coalesce(sum(w.calls), 0)::int8 as calls
  from sets s
  join pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as w(id text, calls int8) using (id)
  group by 1, 2
), matched as (
  select c.relation, c.columns, c.statements, c.calls, x.name, x.partial, x.valid,
    pg_catalog.array_position(c.columns, x.keys[0]) as first,
    coalesce((
      select count(*) from pg_catalog.unnest(x.keys) with ordinality k(attnum, n)
      where not exists (
        select from pg_catalog.unnest(x.keys) with ordinality b(attnum, n) where b.n <= k.n and b.attnum <> all (c.columns)
      )
    ), 0) as matching
  from combined c
  left join lateral (
    select i.relname::text as name, x.indpred is not null as partial, x.indisvalid as valid,
      (x.indkey::int2[])[0:x.indnkeyatts - 1] as keys
    from pg_catalog.pg_index x
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    where x.indrelid = c.relation and x.indkey[0] = any (c.columns)
  ) x on true
), best as (
  select distinct on (relation, columns) *
  from matched
  order by relation, columns, matching desc, first, partial, name
)
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n)
   from pg_catalog.unnest(b.columns) with ordinality k(attnum, n)
   join pg_catalog.pg_attribute a on a.attrelid = b.relation and a.attnum = k.attnum) as columns,
  coalesce(b.name || case when b.partial then ' (partial)' else '' end, '') as index,
  case
    when b.matching = 0 or b.name is null then 'missing'
    when not b.valid then 'invalid'
    when b.matching = pg_catalog.cardinality(b.columns) then 'covered'
    else pg_catalog.format('%%s of %%s columns', b.matching, pg_catalog.cardinality(b.columns))
  end as status,
  b.statements,
  b.calls,
  greatest(t.reltuples, 0)::int8 as estimated_rows
from best b
join pg_catalog.pg_class t on t.oid = b.relation
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
order by b.calls desc, 1, 2
limit %(most)s
