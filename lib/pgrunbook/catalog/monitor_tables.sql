-- Tables with their sizes in bytes and, by the statistics, their rows and writes: those that are named, then the largest of
-- some schemas. Sizes are asked of the chosen ones only; that of one which somebody locks, or waits to lock, is null: to be
-- told it is to wait behind them.
with named as (  -- to_regclass would need USAGE on the schema
  select c.oid
  from pg_catalog.unnest(%(named)s::text[]) n
  cross join lateral (select pg_catalog.parse_ident(n) as parts) p
  join pg_catalog.pg_class c on c.relname = p.parts[pg_catalog.cardinality(p.parts)]::name
  join pg_catalog.pg_namespace s on s.oid = c.relnamespace
  where s.nspname = p.parts[pg_catalog.cardinality(p.parts) - 1]
    or pg_catalog.cardinality(p.parts) = 1 and pg_catalog.pg_table_is_visible(c.oid)
),
known as (
  select
    c.oid,
    c.relkind,
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name,
    c.oid in (select oid from named) as named,
    greatest(c.relpages, pg_catalog.pg_stat_get_live_tuples(c.oid) / 100) as rank
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname = any(%(schemas)s::text[])
    or c.relkind in ('r', 'm', 'p') and c.oid in (select oid from named)
),
chosen as (
  select * from known order by named desc, rank desc, oid limit %(most)s
),
parts as (
  select t.oid, coalesce(p.relid::oid, t.oid) as part
  from chosen t
  left join lateral pg_catalog.pg_partition_tree(t.oid) p on t.relkind = 'p' and p.isleaf
  where t.relkind <> 'p' or p.relid is not null
),
locked as (
  select l.relation
  from pg_catalog.pg_locks l
  where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
)
select
  t.oid::int8 as oid,
  t.name as "table",
  case
    when not pg_catalog.bool_or(p.part in (select relation from locked))
    then pg_catalog.sum(
      case when p.part not in (select relation from locked) then pg_catalog.pg_table_size(p.part) end
    )::int8
  end as bytes,
  pg_catalog.sum(
    case
      when pg_catalog.pg_stat_get_live_tuples(p.part) > 0 then pg_catalog.pg_stat_get_live_tuples(p.part)
      else greatest(c.reltuples, 0)::int8
    end
  )::int8 as rows,
  pg_catalog.sum(
    pg_catalog.pg_stat_get_tuples_inserted(p.part) + pg_catalog.pg_stat_get_tuples_updated(p.part)
    + pg_catalog.pg_stat_get_tuples_deleted(p.part)
  )::int8 as writes
from chosen t
join parts p on p.oid = t.oid
join pg_catalog.pg_class c on c.oid = p.part
group by t.oid, t.name
order by 2
