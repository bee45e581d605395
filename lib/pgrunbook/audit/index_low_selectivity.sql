/*---
title = "Index on a column of few values"
group = "indexes"
says = """
The index has one column, and that has at most 10 different values, or a list of common values that is complete, each
with 1 % of the rows or more, one of them with more than half. To find a tenth of the rows or more the planner reads the
table instead; the index is worth something for a rare value alone. Told of B-trees that are neither unique nor partial,
on tables from 10,000 rows, but not where it is the only one that covers a foreign key. Always routine.

It is told by the statistics that ANALYZE gathered. Tables that were never analysed, partitioned ones of which only the
partitions were, and tables that the role may not read, can't be judged.
"""
mend = """
Build a partial index on the values that are rare and asked for (… where status = 'failed'), on the column by which
those rows are then sorted or found, and drop this one; or drop it alone.
"""
doubt = """
If the values asked for are rare ones, the index does its work, though it is larger than it needs to be. It may also be
there for counting by value, or for a sort with a small limit.
"""
---*/
-- It begins at the statistics that say so, those of expressions included, which stand under the index. ANALYZE writes
-- the number of values as a share of the rows (negative) only from a tenth of them on.
with recursive
few as materialized (
  select
    c.oid, c.relkind, a.attnum, s.attname as column, s.null_frac, s.most_common_freqs[1] as commonest,
    case when s.n_distinct > 0 then s.n_distinct else pg_catalog.cardinality(s.most_common_freqs) end as values
  from pg_catalog.pg_stats s
  join pg_catalog.pg_namespace n on n.nspname = s.schemaname
  join pg_catalog.pg_class c on c.relname = s.tablename and c.relnamespace = n.oid
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
  where s.inherited = (c.relkind = 'p')
    and (c.relkind in ('p', 'i') or greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid)) >= 10000)
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    -- the first condition goes down into the view, the second can't
    and (s.n_distinct between 1 and 10 or s.most_common_freqs[1] > 0.5)
    and (s.n_distinct between 1 and 10 or (
      select pg_catalog.min(f) >= 0.01 and pg_catalog.sum(f) + s.null_frac >= 0.999
      from pg_catalog.unnest(s.most_common_freqs) f
    ))
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
partitions as (
  select i.inhparent as root, i.inhrelid as oid
  from pg_catalog.pg_inherits i
  where i.inhparent in (select oid from few where relkind = 'p')
  union all
  select p.root, i.inhrelid
  from partitions p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid
),
of_index as (
  select i.indexrelid, i.indrelid, few.*
  from few
  join pg_catalog.pg_index i on i.indrelid = few.oid and i.indkey[0] = few.attnum
  where few.relkind in ('r', 'p', 'm')
  union all
  select i.indexrelid, i.indrelid, few.*
  from few
  join pg_catalog.pg_index i on i.indexrelid = few.oid and i.indkey[0] = 0
  where few.relkind = 'i' and few.attnum = 1
),
judged as materialized (
  select
    o.indexrelid, o.indrelid, i.indkey[0] as attnum, i.indnatts, o.column, o.values, o.null_frac, o.commonest,
    size.rows, t.relkind as table_kind,
    pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as q,
    pg_catalog.format('%%I.%%I', n.nspname, ic.relname) as object
  from of_index o
  join pg_catalog.pg_index i on i.indexrelid = o.indexrelid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = ic.relnamespace
  join pg_catalog.pg_am am on am.oid = ic.relam
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  cross join lateral (
    select pg_catalog.sum(greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0))::float8 as rows
    from pg_catalog.pg_class c
    where c.relkind <> 'p' and c.oid = any (case t.relkind when 'p'
      then array(select p.oid from partitions p where p.root = t.oid) else array[t.oid] end)
  ) size
  where i.indisvalid and i.indislive and i.indnkeyatts = 1 and i.indpred is null
    and not (i.indisunique or i.indisexclusion or ic.relispartition)
    and am.amname = 'btree'
    and size.rows >= 10000
)
select
  j.object,
  j.q as relation,
  'routine' as level,
  pg_catalog.format(
    '%%s different values in %%s rows%%s%%s; read %%s times; %%s',
    pg_catalog.round(j.values::numeric),
    pg_catalog.to_char(j.rows, 'FM999,999,999,999,990'),
    coalesce(', the commonest with ' || pg_catalog.round((100 * j.commonest)::numeric) || ' %% of them', ''),
    case when j.null_frac >= 0.005
      then ', ' || pg_catalog.round((100 * j.null_frac)::numeric) || ' %% null' else '' end,
    pg_catalog.to_char(scans.n, 'FM999,999,999,990'),
    case when scans.pages >= 128
      then pg_catalog.round(scans.pages * pg_catalog.current_setting('block_size')::numeric / 1048576) || ' MB'
      else scans.pages * pg_catalog.current_setting('block_size')::int8 / 1024 || ' kB' end
  ) as detail,
  '' as remedy,
  pg_catalog.format(
    'Build a partial index on %%s for the value of %%s that is rare and asked for, with the columns by which those '
    'rows are then found or sorted, and drop this one; if no rare value is asked for, only drop it: drop index %%s%%s;',
    j.q,
    case j.attnum when 0 then 'the expression' else pg_catalog.quote_ident(j.column) end,
    case j.table_kind when 'p' then '' else 'concurrently ' end,
    j.object
  ) as advice,
  case
    when scans.n > 0 then pg_catalog.format(
      'It was read %%s times: for a value that is rare, or by a sort. A partial one would serve that as well.',
      pg_catalog.to_char(scans.n, 'FM999,999,999,990'))
    when j.indnatts > 1 then 'It includes columns: queries may be answered from the index alone.'
    else ''
  end as doubt,
  scans.pages * pg_catalog.current_setting('block_size')::float8 as weight
from judged j
cross join lateral (
  select
    pg_catalog.sum(pg_catalog.pg_stat_get_numscans(c.oid)) as n,
    pg_catalog.sum(c.relpages)::int8 as pages
  from pg_catalog.pg_class c
  where c.oid = any (array(
    select j.indexrelid
    union all
    select h.inhrelid from pg_catalog.pg_inherits h where h.inhparent = j.indexrelid and j.table_kind = 'p'
  ))
) scans
where not exists (
  select
  from pg_catalog.pg_constraint f
  where f.contype = 'f' and f.conrelid = j.indrelid and f.conkey = array[j.attnum]
    and not exists (  -- another one that covers it
      select
      from pg_catalog.pg_index o
      join pg_catalog.pg_class oc on oc.oid = o.indexrelid
      join pg_catalog.pg_am am on am.oid = oc.relam and am.amname = 'btree'
      where o.indrelid = j.indrelid and o.indexrelid <> j.indexrelid and o.indkey[0] = j.attnum
        and o.indpred is null and o.indisvalid
    )
)
order by 8 desc, 1
