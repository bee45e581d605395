/*---
title = "Invalid index"
group = "indexes"
says = """
The index is marked invalid, as a concurrent build, REINDEX or DROP leaves it that failed or was cancelled. No query
reads it; most are kept up by every write nevertheless, and a unique one may go on refusing rows. CREATE INDEX IF NOT
EXISTS takes it for the index that was asked for.

The index of a partitioned table is invalid until each partition has one that is attached to it. An index that is being
built, rebuilt or dropped right now is not told. Important.
"""
mend = """
REINDEX INDEX CONCURRENTLY completes it; a leftover (_ccnew, _ccold, or one beside a valid index of the same definition)
is dropped concurrently. On a partitioned table the missing ones are built and attached.
"""
doubt = """
If somebody builds an index on this table just now, in a way that is not seen here, wait for the end of it.
"""
---*/
-- A build is seen in its progress, a drop and a REINDEX by the lock on the index. Of another role's build only the lock
-- on the table is seen without pg_read_all_stats.
with rel as materialized (
  select c.oid, c.relkind, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
invalid as materialized (
  select
    i.*, rel.q, rel.relkind as table_kind, ic.relname, ic.relkind, ic.relpages, ic.relispartition as attached,
    pg_catalog.format('%%I.%%I', n.nspname, ic.relname) as object,
    ic.relname ~ '_cc(new|old)\d*$' as leftover
  from rel
  join pg_catalog.pg_index i on i.indrelid = rel.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = ic.relnamespace
  where not (i.indisvalid and i.indisready and i.indislive)
),
locked as materialized (
  select l.relation, l.pid
  from pg_catalog.pg_locks l
  where l.locktype = 'relation' and l.granted and l.mode in ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    and exists (select from invalid)
),
building as materialized (
  select p.pid, p.relid, p.index_relid
  from pg_catalog.pg_stat_progress_create_index p
  where p.datname = pg_catalog.current_database() and exists (select from invalid)
),
told as (
  select
    i.*,
    exists (select from locked l join building b on b.pid = l.pid and b.relid is null where l.relation = i.indrelid)
      as unsure,
    twin.name as twin,
    missing.list as missing,
    missing.n as missing_n,
    coalesce(con.contype in ('p', 'u', 'x'), false) as of_constraint,
    equal.columns
  from invalid i
  left join pg_catalog.pg_constraint con on con.conindid = i.indexrelid and con.contype in ('p', 'u', 'x')
  cross join lateral (
    select pg_catalog.min(pg_catalog.quote_ident(oc.relname)) as name
    from pg_catalog.pg_index o
    join pg_catalog.pg_class oc on oc.oid = o.indexrelid
    where o.indrelid = i.indrelid and o.indexrelid <> i.indexrelid and o.indisvalid and o.indislive
      and o.indisunique >= i.indisunique
      and pg_catalog.substring(pg_catalog.pg_get_indexdef(o.indexrelid), ' USING .*$')
        = pg_catalog.substring(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING .*$')
  ) twin
  cross join lateral (
    select
      pg_catalog.count(*) as n,
      pg_catalog.string_agg(p.partition, ', ' order by p.partition) filter (where p.place <= 5) as list
    from (
      select
        pg_catalog.format('%%I.%%I', pn.nspname, pc.relname) as partition,
        pg_catalog.row_number() over (order by pn.nspname, pc.relname) as place
      from pg_catalog.pg_inherits h
      join pg_catalog.pg_class pc on pc.oid = h.inhrelid
      join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
      where i.relkind = 'I' and h.inhparent = i.indrelid
        and not exists (
          select
          from pg_catalog.pg_inherits x
          join pg_catalog.pg_index xi on xi.indexrelid = x.inhrelid and xi.indrelid = h.inhrelid
          where x.inhparent = i.indexrelid and xi.indisvalid
        )
    ) p
  ) missing
  left join lateral (  -- by the statistics rows are equal: even all combinations of values are less than the rows
    select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n) as columns
    from pg_catalog.unnest(i.indkey::int2[]) with ordinality k(attnum, n)
    join pg_catalog.pg_class c on c.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    left join pg_catalog.pg_stats s
      on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname and not s.inherited
    where i.indisunique and i.indpred is null and k.n <= i.indnkeyatts
    having pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(greatest(s.n_distinct, 1))))
      < 0.5 * pg_catalog.min(c.reltuples * (1 - s.null_frac))
      and pg_catalog.bool_and(coalesce(s.n_distinct > 0, false))
  ) equal on true
  where i.indexrelid not in (select index_relid from building where index_relid is not null)
    and i.indexrelid not in (select relation from locked where relation is not null)
    and not (i.leftover and i.indrelid in (select relid from building where relid is not null))
)
select
  t.object,
  t.q as relation,
  case when t.unsure then 'noted' else 'important' end as level,
  case
    when t.relkind = 'I' and t.missing_n > 0
      then pg_catalog.format(
        'no valid index of %%s of the partitions is attached to it (%%s%%s)',
        t.missing_n, t.missing, case when t.missing_n > 5 then ', …' else '' end)
    when t.relkind = 'I' then 'each partition has its index, but they were valid only after they had been attached'
    else pg_catalog.format(
      'marked invalid, so no query reads it; %%s; %%s kB%%s',
      case
        when not t.indislive then 'its drop was not completed'
        when t.indisready then 'every write keeps it up'
        else 'writes do not fill it, yet it makes updates of its columns dearer'
      end,
      t.relpages * (pg_catalog.current_setting('block_size')::int8 / 1024),
      case when t.twin <> '' then '; ' || t.twin || ' is valid and the same' else '' end)
  end as detail,
  case
    when t.relkind = 'I' then ''
    when not t.attached and not t.of_constraint and (t.leftover or not t.indislive or t.twin <> '')
      then pg_catalog.format('drop index concurrently %%s;', t.object)
    when t.columns <> '' then ''
    else pg_catalog.format('reindex index concurrently %%s;', t.object)
  end as remedy,
  case
    when t.relkind = 'I' and t.missing_n > 0
      then pg_catalog.format(
        'Build the same index concurrently on each partition that is named, then '
        'alter index %%s attach partition … for each: with the last one it becomes valid.', t.object)
    when t.relkind = 'I'
      then pg_catalog.format('Attach one of them once more: alter index %%s attach partition …', t.object)
    when t.columns <> '' and not t.leftover and t.twin is null
      then pg_catalog.format(
        'By the statistics there are rows equal in (%%s), so that it can''t be built, and a try would leave another '
        'invalid one. Mend them (select %%s, count(*) from %%s group by %%s having count(*) > 1), then reindex index '
        'concurrently %%s; or give the rule up: drop index concurrently %%s.',
        t.columns, t.columns, t.q, t.columns, t.object, t.object)
    when t.indisunique and not t.leftover and t.twin is null
      then 'Rows that are equal and may not be make the rebuild fail as the build did: find and mend them before.'
    else ''
  end as advice,
  case
    when t.unsure
      then 'Another role builds an index on this table just now, which is hidden from this one: it may be this index.'
    else ''
  end as doubt,
  t.relpages * pg_catalog.current_setting('block_size')::float8 as weight
from told t
order by 8 desc, 1
