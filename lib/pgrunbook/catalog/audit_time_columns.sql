-- The time columns of some tables that their rows may follow, with what the statistics hold of them: the commonest
-- values with their shares, and bounds between which equal numbers of the other rows lie, as seconds since 1970.
with recursive members as (
  select r.oid as root, r.oid as member
  from pg_catalog.unnest(%(relations)s::int8[]::oid[]) r(oid)
  union all
  select m.root, i.inhrelid
  from members m
  join pg_catalog.pg_class p on p.oid = m.member and p.relkind = 'p'
  join pg_catalog.pg_inherits i on i.inhparent = m.member
), candidates as materialized (
  select
    m.root,
    c.oid as member,
    n.nspname,
    c.relname,
    a.attname,
    a.attnum,
    a.attnotnull,
    case when c.reltuples > 0 then c.reltuples::float8 else pg_catalog.pg_stat_get_live_tuples(c.oid) end as rows,
    coalesce(pg_catalog.has_column_privilege(c.oid, own.attnum, 'select'), false)
      and not pg_catalog.row_security_active(c.oid) as readable,
    -- no interval is added to it: that would be a time to come
    coalesce(
      e.expression ~* '\m(now\(\)|\w+_timestamp\(\)|current_timestamp|current_date|localtimestamp)'
        and e.expression !~ '[+-]|interval',
      false
    ) as by_default,
    coalesce(p.partstrat = 'r' and p.partattrs[0] = a.attnum, false) as is_key
  from members m
  join pg_catalog.pg_class c on c.oid = m.member and c.relkind = 'r'
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = m.root and a.attnum > 0 and not a.attisdropped
    and a.atttypid in ('pg_catalog.date'::regtype, 'pg_catalog.timestamp'::regtype, 'pg_catalog.timestamptz'::regtype)
  join pg_catalog.pg_attribute own on own.attrelid = m.member and own.attname = a.attname
  left join pg_catalog.pg_attrdef d on d.adrelid = m.root and d.adnum = a.attnum
  cross join lateral pg_catalog.pg_get_expr(d.adbin, d.adrelid) e(expression)
  left join pg_catalog.pg_partitioned_table p on p.partrelid = m.root
)
select
  k.root::int8 as relation,
  k.attname::text as column,
  k.attnum::int4 as position,
  k.attnotnull as not_null,
  k.rows,
  k.readable,
  k.by_default,
  k.is_key,
  s.attname is not null as analyzed,
  coalesce(s.correlation, 0)::float8 as correlation,
  coalesce(s.null_frac, 0)::float8 as null_share,
  parsed.values,
  parsed.shares,
  parsed.bounds
from candidates k
left join pg_catalog.pg_stats s
  on s.schemaname = k.nspname and s.tablename = k.relname and s.attname = k.attname and not s.inherited
left join lateral (
  select
    coalesce((
      select pg_catalog.array_agg(extract(epoch from v.at)::float8 order by v.n)
      from pg_catalog.unnest(s.most_common_vals::text::timestamptz[]) with ordinality v(at, n)
    ), '{}') as values,
    coalesce(s.most_common_freqs::float8[], '{}') as shares,
    coalesce((
      select pg_catalog.array_agg(extract(epoch from b.at)::float8 order by b.n)
      from pg_catalog.unnest(s.histogram_bounds::text::timestamptz[]) with ordinality b(at, n)
    ), '{}') as bounds
  where k.by_default or k.is_key or pg_catalog.abs(s.correlation) >= 0.9
) parsed on true
order by 1, 3, k.member
