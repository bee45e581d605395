-- Each table with its size (its TOAST table's included), its indexes and how it is read and written, the largest first.
-- A partitioned table stands for all its partitions.
with recursive below as (
  select t.oid as root, t.oid, n.nspname, t.relname
  from pg_catalog.pg_class t
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  where t.relkind in ('r', 'p', 'm') and not t.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = t.oid and e.deptype = 'e'
    )
  union all
  select b.root, i.inhrelid, b.nspname, b.relname
  from below b
  join pg_catalog.pg_class t on t.oid = b.oid and t.relkind = 'p'
  join pg_catalog.pg_inherits i on i.inhparent = t.oid
), block as (
  select pg_catalog.current_setting('block_size')::int8 as bytes
), tables as materialized (
  select b.root, b.nspname, b.relname,
    pg_catalog.sum(case when t.relpages > 0 then t.reltuples else pg_catalog.pg_stat_get_live_tuples(t.oid) end)
      filter (where t.relkind <> 'p') as rows,
    pg_catalog.sum(
      case when t.relpages > 0 then t.relpages * block.bytes else pg_catalog.pg_relation_size(t.oid) end
      + coalesce(o.relpages, 0) * block.bytes
    ) filter (where t.relkind <> 'p') as bytes,
    pg_catalog.sum(pg_catalog.pg_stat_get_numscans(t.oid)) as scans,
    pg_catalog.sum(
      pg_catalog.pg_stat_get_tuples_inserted(t.oid) + pg_catalog.pg_stat_get_tuples_updated(t.oid)
      + pg_catalog.pg_stat_get_tuples_deleted(t.oid)
    ) as writes
  from below b
  join pg_catalog.pg_class t on t.oid = b.oid
  left join pg_catalog.pg_class o on o.oid = t.reltoastrelid
  cross join block
  group by 1, 2, 3
), parts as materialized (
  select b.root, i.relpages, pg_catalog.pg_stat_get_numscans(i.oid) as scans,
    case when i.relispartition then pg_catalog.pg_partition_root(i.oid)::oid else i.oid end as whole
  from below b
  join pg_catalog.pg_index x on x.indrelid = b.oid
  join pg_catalog.pg_class i on i.oid = x.indexrelid
), indexes as materialized (  -- one that is attached to its parent's is a part of that
  select p.root, pg_catalog.count(distinct p.whole) as indexes,
    pg_catalog.count(distinct p.whole) - pg_catalog.count(distinct p.whole) filter (where p.scans > 0) as unused,
    pg_catalog.sum(p.relpages * block.bytes) as bytes,
    pg_catalog.sum(p.scans) as scans
  from parts p
  cross join block
  group by 1
)
select
  pg_catalog.format('%%I.%%I', t.nspname, t.relname) as table,
  coalesce(t.rows, 0)::int8 as estimated_rows,
  coalesce(t.bytes, 0)::int8 as table_bytes,
  coalesce(x.bytes, 0)::int8 as index_bytes,
  coalesce(x.indexes, 0)::int4 as indexes,
  coalesce(x.unused, 0)::int4 as never_read,
  coalesce(t.scans, 0)::int8 as sequential_scans,
  coalesce(x.scans, 0)::int8 as index_scans,
  coalesce(t.writes, 0)::int8 as writes
from tables t
left join indexes x using (root)
order by 3 desc, 1
limit %(most)s
