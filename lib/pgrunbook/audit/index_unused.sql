/*---
title = "Index that nothing reads"
group = "indexes"
says = """
No scan of the index was counted since the statistics began, while every INSERT, most UPDATEs and each VACUUM of the
table keep it up; it takes space, cache and WAL.

Left out: unique, primary key, exclusion and replica identity indexes, which do their work without being read; the only
index that covers a foreign key; invalid ones; indexes of empty tables. The scans of a partitioned index are those on
all its partitions. Routine: where the statistics are known to reach back 7 days or more. Otherwise, and on a standby,
noted: then they say little.
"""
mend = "Drop it concurrently; its definition, kept in the run, brings it back."
doubt = """
Reports at the end of a month or year, and an emergency query, may be younger than the statistics; an index that was
built lately has had less time than they have. A replica counts its own scans, which are not seen from here. An index on
an expression also makes ANALYZE gather statistics on it, which the planner uses without reading the index.
"""
---*/
-- Since 15 a database that was never reset has no time of reset. It counts then at least since the oldest of the times
-- that it remembers of its tables, those of the catalogs included.
with recursive
rel as materialized (
  select
    c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid)) as rows
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
partitions as (
  select i.inhparent as root, i.inhrelid as oid
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class p on p.oid = i.inhparent and p.relkind in ('p', 'I')
  union all
  select p.root, i.inhrelid
  from partitions p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid
),
below as materialized (  -- what is counted, by the topmost table or index
  select
    p.root,
    pg_catalog.sum(greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)) as rows,
    pg_catalog.sum(c.relpages) as pages,
    pg_catalog.sum(pg_catalog.pg_stat_get_numscans(c.oid)) as scans
  from partitions p
  join pg_catalog.pg_class c on c.oid = p.oid and c.relkind not in ('p', 'I')
  group by p.root
),
idle as materialized (
  select
    i.*, ic.relname, ic.relnamespace, ic.relkind, ic.relam, rel.q,
    coalesce(b.pages, ic.relpages) * pg_catalog.current_setting('block_size')::float8 as bytes
  from rel
  join pg_catalog.pg_index i on i.indrelid = rel.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  left join below b on b.root = ic.oid
  left join below t on t.root = rel.oid
  where not (i.indisunique or i.indisexclusion or i.indisreplident) and i.indisvalid and i.indislive
    and not ic.relispartition
    and coalesce(t.rows, rel.rows) > 0
    and coalesce(b.scans, pg_catalog.pg_stat_get_numscans(ic.oid)) = 0
    and pg_catalog.current_setting('track_counts')::bool
),
-- Each index that covers a foreign key of a table with an idle one. The one that does most stays: one that is read or
-- of a constraint, else the widest, else the oldest.
covers as (
  select
    f.oid as fk,
    i.indexrelid,
    pg_catalog.row_number() over (
      partition by f.oid
      order by (i.indexrelid in (select indexrelid from idle)), i.indnkeyatts desc, i.indexrelid
    ) as place
  from pg_catalog.pg_constraint f
  join pg_catalog.pg_index i on i.indrelid = f.conrelid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  cross join lateral (values ((i.indkey::int2[])[0:pg_catalog.cardinality(f.conkey) - 1])) k(begins)
  where f.contype = 'f' and f.conrelid in (select indrelid from idle)
    and i.indisvalid and i.indislive
    and (am.amname = 'btree' or am.amname = 'hash' and pg_catalog.cardinality(f.conkey) = 1)
    and i.indnkeyatts >= pg_catalog.cardinality(f.conkey)
    and k.begins @> f.conkey and k.begins <@ f.conkey
    and (i.indpred is null or (  -- tests of the key's own columns for null, and nothing beside them
      select pg_catalog.length(p.text) = pg_catalog.sum(pg_catalog.length(t.text))
        + case pg_catalog.count(*) when 1 then 0 else 2 + 5 * (pg_catalog.count(*) - 1) end
      from pg_catalog.pg_get_expr(i.indpred, i.indrelid) p(text)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (f.conkey)
      cross join lateral pg_catalog.format('(%%I IS NOT NULL)', a.attname) t(text)
      where pg_catalog.strpos(p.text, t.text) > 0
      group by p.text
    ))
),
remembered as (
  select pg_catalog.min(t.at) as at
  from pg_catalog.pg_class c
  cross join lateral (values
    (pg_catalog.pg_stat_get_last_vacuum_time(c.oid)),
    (pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)),
    (pg_catalog.pg_stat_get_last_analyze_time(c.oid)),
    (pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid))
  ) t(at)
  where c.relkind in ('r', 'm', 't') and not c.relisshared  -- those are older than a new database
),
clock as materialized (
  select
    r.at is not null as certain,
    pg_catalog.date_part('epoch', pg_catalog.now() - coalesce(r.at, m.at)) / 86400 as days,
    pg_catalog.pg_is_in_recovery() as standby
  from remembered m
  cross join (
    select pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) as at
    from pg_catalog.pg_database d
    where d.datname = pg_catalog.current_database()
  ) r
),
replicas as materialized (
  select
    pg_catalog.count(*) as n,
    pg_catalog.string_agg(distinct r.application_name, ', ' order by r.application_name) as names
  from pg_catalog.pg_stat_replication r
),
told as (
  select
    i.*,
    clock.standby,
    coalesce(clock.days >= 7, false) as long,
    case
      when clock.days is null then 'a time that is not known'
      else case when clock.certain then '' else 'at least ' end || case
        when clock.days >= 2 then pg_catalog.floor(clock.days) || ' days'
        when clock.days >= 1 / 12.0 then pg_catalog.floor(clock.days * 24) || ' hours'
        else pg_catalog.ceil(clock.days * 1440) || ' min'
      end
    end as span,
    coalesce(b.scans, reads.n) as table_reads,
    coalesce(w.n, 0) as writes
  from idle i
  cross join clock
  left join below b on b.root = i.indrelid
  cross join lateral (
    select pg_catalog.pg_stat_get_numscans(i.indrelid)
      + coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_numscans(o.indexrelid)), 0) as n
    from pg_catalog.pg_index o
    where o.indrelid = i.indrelid
  ) reads
  cross join lateral (
    select pg_catalog.pg_stat_get_tuples_inserted(i.indrelid) + pg_catalog.pg_stat_get_tuples_updated(i.indrelid)
      - pg_catalog.pg_stat_get_tuples_hot_updated(i.indrelid) as n
  ) w
  where i.indexrelid not in (select indexrelid from covers where place = 1)
)
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as object,
  t.q as relation,
  case when t.long and not t.standby then 'routine' else 'noted' end as level,
  pg_catalog.format(
    'no scan in %%s of statistics%%s; %%s%%s',
    t.span,
    case when t.standby then ' of this standby' else '' end,
    case when t.bytes >= 1048576 then pg_catalog.round(t.bytes / 1048576) || ' MB'
      else pg_catalog.round(t.bytes / 1024) || ' kB' end,
    case
      when t.writes > 0 then ', kept up through ' || pg_catalog.to_char(t.writes, 'FM999,999,999,990') || ' writes'
      when t.table_reads = 0 then '; the table itself was not read either'
      else ''
    end
  ) as detail,
  pg_catalog.format(
    'drop index %%s%%I.%%I;', case t.relkind when 'I' then '' else 'concurrently ' end, n.nspname, t.relname
  ) as remedy,
  case t.relkind when 'I'
    then 'A partitioned index can''t be dropped concurrently: the table and its partitions are locked for a moment.'
    else '' end as advice,
  case
    when t.standby
      then 'These are the scans on this standby; the primary and other standbys count their own.'
    when replicas.n > 0
      then pg_catalog.format(
        'Replicas count their own scans, which are not seen from here: look on %%s as well.',
        coalesce(nullif(replicas.names, ''), replicas.n || ' of them'))
    when t.indisclustered then 'CLUSTER orders the table by it.'
    when t.indexprs is not null
      then 'ANALYZE gathers statistics on its expression, which the planner may need though it does not read the index.'
    else ''
  end as doubt,
  t.bytes as weight
from told t
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
cross join replicas
order by 8 desc, 1
