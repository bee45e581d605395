-- The indexes of some tables, and those that are named: size in bytes, scans by the statistics, and of those this
-- transaction's own, for the planner reads an index's end to estimate a range. An index that is needed enforces something.
-- The size of one that somebody locks, or waits to lock, is null: to be told it is to wait behind them.
with named as (  -- to_regclass would need USAGE on the schema
  select c.oid
  from pg_catalog.unnest(%(named)s::text[]) n
  cross join lateral (select pg_catalog.parse_ident(n) as parts) p
  join pg_catalog.pg_class c on c.relname = p.parts[pg_catalog.cardinality(p.parts)]::name
  join pg_catalog.pg_namespace s on s.oid = c.relnamespace
  where s.nspname = p.parts[pg_catalog.cardinality(p.parts) - 1]
    or pg_catalog.cardinality(p.parts) = 1 and pg_catalog.pg_table_is_visible(c.oid)
),
chosen as (
  select i.indexrelid, i.indrelid, i.indisvalid and i.indisready as valid,
    i.indisunique or i.indisexclusion or i.indisreplident as needed,
    i.indexrelid in (select oid from named) as named
  from pg_catalog.pg_index i
  where i.indrelid = any(%(tables)s::int8[]::oid[])
    or i.indexrelid in (select oid from named)
  order by named desc, i.indexrelid
  limit %(most)s
),
parts as (
  select x.indexrelid, coalesce(p.relid::oid, x.indexrelid) as part
  from chosen x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  left join lateral pg_catalog.pg_partition_tree(x.indexrelid) p on c.relkind = 'I' and p.isleaf
  where c.relkind <> 'I' or p.relid is not null
),
locked as (
  select l.relation
  from pg_catalog.pg_locks l
  where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
),
sums as (
  select
    p.indexrelid,
    case
      when not pg_catalog.bool_or(p.part in (select relation from locked))
      then pg_catalog.sum(
        case when p.part not in (select relation from locked) then pg_catalog.pg_relation_size(p.part) end
      )::int8
    end as bytes,
    pg_catalog.sum(pg_catalog.pg_stat_get_numscans(p.part))::int8 as scans,
    pg_catalog.sum(pg_catalog.pg_stat_get_xact_numscans(p.part))::int8 as probes
  from parts p
  group by p.indexrelid
)
select
  pg_catalog.format('%%I.%%I', n.nspname, c.relname) as index,
  pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as "table",
  s.bytes,
  coalesce(s.scans, 0) as scans,
  coalesce(s.probes, 0) as probes,
  x.valid,
  x.needed
from chosen x
join pg_catalog.pg_class c on c.oid = x.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class t on t.oid = x.indrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
left join sums s on s.indexrelid = x.indexrelid
order by 1
