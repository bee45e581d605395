/*---
title = "Index that keeps updates from being heap-only"
group = "indexes"
says = """
An UPDATE that changes no indexed column, and finds room on the row's page, is heap-only (HOT): no index is written, and
the old version goes without a vacuum. One index over a column that is set often makes each of those updates write every
index of the table.

Told of tables with 1,000 updates or more since the statistics began, less than half of them heap-only. Where the
statements are known: of each index that has a column (as key, included, in an expression or a condition) which makes up
a tenth or more of the rows that are updated; not of unique ones. Routine. Where no UPDATE of the table is known: of the
table. Noted.
"""
mend = """
Drop the index if little reads it; leave the column out of it, if it is an included or a last one; or move a column that
changes often (a counter, a time of last contact) to a table of its own.
"""
doubt = """
An UPDATE that sets a column to the value it had before does not count as a change of it. Updates also fail to be
heap-only where pages are full: then a lower fillfactor helps, and no index is to blame.
"""
---*/
-- What an index depends on, its key columns and those in expressions and conditions, is in pg_depend; of BRIN it
-- does not matter since 16. The relations of statements are those named in them: a partitioned table, not its parts.
with recursive
rel as materialized (
  select c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q, c.relkind
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
parts as (
  select rel.oid as root, rel.oid, rel.relkind from rel
  union all
  select p.root, c.oid, c.relkind
  from parts p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid and p.relkind = 'p'
  join pg_catalog.pg_class c on c.oid = i.inhrelid
),
counts as (
  select
    p.root as oid,
    pg_catalog.sum(pg_catalog.pg_stat_get_tuples_updated(p.oid))::float8 as updates,
    pg_catalog.sum(pg_catalog.pg_stat_get_tuples_hot_updated(p.oid))::float8 as hot,
    pg_catalog.array_agg(p.oid) as oids
  from parts p
  where p.relkind <> 'p'
  group by p.root
),
cold as materialized (
  select rel.q, c.oid, c.updates, c.hot, c.oids
  from counts c
  join rel on rel.oid = c.oid
  where c.updates >= 1000 and c.hot < c.updates / 2
),
ind as materialized (
  select
    i.indexrelid, cold.oid, ic.relkind,
    pg_catalog.format('%%I.%%I', n.nspname, ic.relname) as object,
    array(
      select k::int4 from pg_catalog.unnest(i.indkey) k
      union
      select d.refobjsubid
      from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = cold.oid
    ) as columns
  from cold
  join pg_catalog.pg_index i on i.indrelid = cold.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = ic.relnamespace
  join pg_catalog.pg_am am on am.oid = ic.relam
  where i.indislive and not (i.indisunique or i.indisexclusion)
    and not (am.amname = 'brin' and pg_catalog.current_setting('server_version_num')::int4 >= 160000)
),
written as materialized (
  select s.id, s.writes as oid, s.sets, greatest(s.rows, 0) as rows
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(id text, writes oid, sets int4[], rows float8)
  where pg_catalog.cardinality(s.sets) > 0
),
total as (
  select w.oid, pg_catalog.sum(w.rows) as rows
  from written w
  group by w.oid
),
guilty as (
  select
    ind.object,
    cold.q,
    pg_catalog.format(
      '%%s of %%s updates were heap-only; it has %%s, set by %%s %%%% of the rows that known statements updated (%%s)',
      pg_catalog.to_char(cold.hot, 'FM999,999,999,999,990'),
      pg_catalog.to_char(cold.updates, 'FM999,999,999,999,990'),
      names.list,
      pg_catalog.round((100 * sets.rows / total.rows)::numeric),
      sets.ids
    ) as detail,
    '' as doubt,
    'routine' as level,
    (cold.updates - cold.hot) * sets.rows / total.rows as weight
  from cold
  join ind on ind.oid = cold.oid
  join total on total.oid = cold.oid and total.rows > 0
  cross join lateral (
    select
      pg_catalog.sum(w.rows) as rows,
      pg_catalog.string_agg('query ' || w.id, ', ' order by w.rows desc, w.id) filter (where w.place <= 3) as ids
    from (
      select w.*, pg_catalog.row_number() over (order by w.rows desc, w.id) as place
      from written w
      where w.oid = cold.oid and w.sets && ind.columns
    ) w
  ) sets
  cross join lateral (
    select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum) as list
    from pg_catalog.pg_attribute a
    where a.attrelid = cold.oid and a.attnum = any (ind.columns)
      and a.attnum in (select pg_catalog.unnest(w.sets) from written w where w.oid = cold.oid)
  ) names
  where sets.rows >= total.rows / 10
),
unknown as (
  select
    cold.q as object,
    cold.q,
    pg_catalog.format(
      '%%s of %%s updates were heap-only%%s; no UPDATE of it is known: which of its indexes hinder them (%%s are not '
      'unique) is not seen',
      pg_catalog.to_char(cold.hot, 'FM999,999,999,999,990'),
      pg_catalog.to_char(cold.updates, 'FM999,999,999,999,990'),
      case when moved.n > 0
        then ', ' || pg_catalog.to_char(moved.n, 'FM999,999,999,999,990') || ' rows went to another page' else '' end,
      own.n
    ) as detail,
    case when moved.n >= 0.9 * (cold.updates - cold.hot)
      then 'Nearly all of the others found no room on their page: that may be all there is to it, and a lower '
        || 'fillfactor would help.'
      else '' end as doubt,
    'noted' as level,
    cold.updates - cold.hot as weight
  from cold
  cross join lateral (select pg_catalog.count(*) as n from ind where ind.oid = cold.oid) own
  cross join lateral (
    select coalesce(pg_catalog.sum((pg_catalog.to_jsonb(s) ->> 'n_tup_newpage_upd')::float8), 0) as n
    from pg_catalog.pg_stat_all_tables s
    where s.relid = any (cold.oids)
  ) moved
  where own.n > 0 and cold.oid not in (select oid from total)
)
select
  f.object,
  f.q as relation,
  f.level,
  f.detail,
  '' as remedy,
  case f.level
    when 'routine' then 'Drop it if little reads it, leave the column out, or give that column a table of its own.'
    else 'Let pg_stat_statements gather the UPDATEs and look again.'
  end as advice,
  f.doubt,
  f.weight
from (select * from guilty union all select * from unknown) f
order by 8 desc, 1
