-- Tables of at least so many rows, partitions summed into theirs, with what the statistics counted; the largest first.
with recursive members as (
  select c.oid as root, c.oid as member, c.relkind
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
  union all
  select m.root, c.oid, c.relkind
  from members m
  join pg_catalog.pg_inherits i on i.inhparent = m.member
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  where m.relkind = 'p'
), sums as (
  select
    m.root,
    -- never analysed: what was counted since the statistics began is all that is known
    sum(case when c.reltuples > 0 then c.reltuples::float8 else pg_catalog.pg_stat_get_live_tuples(c.oid) end) as rows,
    sum(c.relpages::int8 + coalesce(o.relpages, 0)) * pg_catalog.current_setting('block_size')::int8 as bytes,
    sum(pg_catalog.pg_stat_get_live_tuples(c.oid)) as live,
    sum(pg_catalog.pg_stat_get_tuples_inserted(c.oid)) as inserted,
    sum(pg_catalog.pg_stat_get_tuples_updated(c.oid)) as updated,
    sum(pg_catalog.pg_stat_get_tuples_deleted(c.oid)) as deleted
  from members m
  join pg_catalog.pg_class c on c.oid = m.member
  left join pg_catalog.pg_class o on o.oid = c.reltoastrelid
  where m.relkind = 'r'
  group by m.root
)
select
  s.root::int8 as relation,
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  t.relname::text as name,
  t.relkind = 'p' as partitioned,
  s.rows::int8 as rows,
  s.bytes::int8 as bytes,
  s.live::int8 as live,
  s.inserted::int8 as inserted,
  s.updated::int8 as updated,
  s.deleted::int8 as deleted
from sums s
join pg_catalog.pg_class t on t.oid = s.root
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
where s.rows >= %(least)s
order by s.rows desc, 2
limit %(most)s
