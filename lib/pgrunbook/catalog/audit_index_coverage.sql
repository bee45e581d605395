-- The columns that the workload tests together, and the index that serves them best; the busiest first. An index serves by
-- its leading columns: those compared for equality in any order, then one range, or else the order that is asked for.
with tested as materialized (
  select p.id, p.relation, p."column" as attnum,
    pg_catalog.min(case when p.op in ('eq', 'in', 'join') then 1 when p.op = 'order' then 3 else 2 end) as part,
    pg_catalog.min(p.position) as place
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb)
    as p(id text, relation oid, "column" int2, op text, position int4, expression text, bound bool)
  where p.expression = '' and p."column" is not null
    and (p.op in ('in', 'range', 'prefix', 'join', 'order') or p.op = 'eq' and p.bound)
  group by 1, 2, 3
), sets as materialized (
  select t.id, t.relation,
    coalesce(pg_catalog.array_agg(t.attnum order by t.attnum) filter (where t.part = 1), '{}') as equal,
    coalesce(pg_catalog.array_agg(t.attnum order by t.attnum) filter (where t.part = 2), '{}') as ranges,
    coalesce(pg_catalog.array_agg(t.attnum order by t.place, t.attnum) filter (where t.part = 3), '{}') as sorts
  from tested t
  group by 1, 2
), busiest as materialized (
  select
    s.relation, s.equal, s.ranges, s.sorts, pg_catalog.count(*)::int4 as statements, pg_catalog.sum(w.calls)::int8 as calls
  from sets s
  join pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as w(id text, calls int8) using (id)
  join pg_catalog.pg_class t on t.oid = s.relation
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace and n.nspname <> 'pgrunbook'
  group by 1, 2, 3, 4
  order by 6 desc, 1, 2, 3, 4
  limit %(most)s
), keys as materialized (
  select
    x.indrelid, i.relname::text as name, x.indpred is not null as partial, x.indisvalid as valid, x.indisunique as sole,
    (x.indkey::int2[])[0:x.indnkeyatts - 1] as keys,
    coalesce(case when s.n_distinct < 0 then -s.n_distinct * greatest(t.reltuples, 0) else s.n_distinct end, 0) as values
  from pg_catalog.pg_index x
  join pg_catalog.pg_class t on t.oid = x.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  left join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
  left join pg_catalog.pg_stats s
    on s.schemaname = n.nspname and s.tablename = t.relname and s.attname = a.attname and not s.inherited
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  join pg_catalog.pg_am am on am.oid = i.relam and am.amname = 'btree'
  where x.indrelid in (select relation from busiest)
), served as (
  select b.*, k.name, k.partial, k.valid, k.keys, k.values, e.n as equals, r.n as ranged, s.n as sorted,
    pg_catalog.cardinality(b.equal) as wanted,
    k.sole and not k.partial and k.keys <@ b.equal as by_key
  from busiest b
  left join keys k on k.indrelid = b.relation
  cross join lateral (  -- how many of its leading columns are compared for equality
    select coalesce(pg_catalog.min(c.n) - 1, pg_catalog.cardinality(k.keys), 0) as n
    from pg_catalog.unnest(k.keys) with ordinality c(attnum, n)
    where c.attnum <> all (b.equal)
  ) e
  cross join lateral (select (coalesce(k.keys[e.n + 1] = any (b.ranges), false))::int4 as n) r
  cross join lateral (  -- how much of the order it gives from there on
    select case when r.n = 0 then coalesce(pg_catalog.min(o.n) - 1, pg_catalog.cardinality(b.sorts)) else 0 end as n
    from pg_catalog.unnest(b.sorts) with ordinality o(attnum, n)
    where o.attnum is distinct from k.keys[e.n + o.n]
  ) s
), best as (
  select distinct on (relation, equal, ranges, sorts) *
  from served
  order by relation, equal, ranges, sorts, by_key desc, equals desc, ranged desc, sorted desc, partial, valid desc,
    values desc, pg_catalog.cardinality(keys), name
)
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  pg_catalog.concat_ws('; ',
    c.equal,
    case when c.ranges is not null then 'range of ' || c.ranges end,
    case when c.sorts is not null then 'in order of ' || c.sorts end
  ) as columns,
  case
    when b.name is null or not (b.by_key or b.equals + b.ranged + b.sorted > 0) then ''
    else b.name || case when b.partial then ' (partial)' else '' end
  end as index,
  case
    when b.name is null or not (b.by_key or b.equals + b.ranged + b.sorted > 0) then 'missing'
    when not b.valid then 'invalid'
    when b.by_key then 'covered'
    when b.equals < b.wanted then
      case when b.equals + b.ranged = 0 then 'gives the order only'
        else pg_catalog.format('%%s of %%s columns', b.equals + b.ranged, b.wanted + (b.ranges <> '{}')::int4) end
    when b.ranges <> '{}' and b.ranged = 0 then pg_catalog.format('%%s of %%s columns', b.equals, b.wanted + 1)
    else 'covered'
  end as status,
  b.statements,
  b.calls,
  greatest(t.reltuples, 0)::int8 as estimated_rows
from best b
join pg_catalog.pg_class t on t.oid = b.relation
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
cross join lateral (
  select
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
      filter (where a.attnum = any (b.equal)) as equal,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
      filter (where a.attnum = any (b.ranges)) as ranges,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by pg_catalog.array_position(b.sorts, a.attnum))
      filter (where a.attnum = any (b.sorts)) as sorts
  from pg_catalog.pg_attribute a
  where a.attrelid = b.relation and a.attnum = any (b.equal || b.ranges || b.sorts)
) c
order by b.calls desc, 1, 2
