/*---
title = "Index that holds mostly nulls"
group = "indexes"
says = """
Half of the rows or more are null in the index's column (in each of its columns, where it has several), and the index
holds an entry for each of them. A partial index without them is smaller by that, finds the same rows, and is not
touched by writes of rows that are null. Told of indexes that are neither unique nor partial and can store nulls
(B-tree, GiST, SP-GiST), on tables from 1,000 rows. Always routine.

It is told by the statistics that ANALYZE gathered. Tables that were never analysed, partitioned ones of which only the
partitions were, and tables that the role may not read, can't be judged.
"""
mend = "Build the same index with the condition that its first column is not null, then drop this one; concurrently."
doubt = """
A search for `is null`, and a sort of all rows by the column, are served by the whole index and not by the partial one.
"""
---*/
-- It begins at the statistics, of which few have so many nulls, and looks all else up from there.
with recursive
empty as materialized (
  select
    c.oid, c.relname, c.relkind, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q, a.attnum, s.null_frac,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)::float8 as rows
  from pg_catalog.pg_stats s
  join pg_catalog.pg_namespace n on n.nspname = s.schemaname
  join pg_catalog.pg_class c on c.relname = s.tablename and c.relnamespace = n.oid
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
  where s.null_frac >= 0.5 and s.inherited = (c.relkind = 'p') and c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
partitions as (
  select i.inhparent as root, i.inhrelid as oid
  from pg_catalog.pg_inherits i
  where i.inhparent in (select oid from empty where relkind = 'p')
  union all
  select p.root, i.inhrelid
  from partitions p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid
),
judged as materialized (
  select
    i.indexrelid,
    pg_catalog.min(e.null_frac) as least,
    pg_catalog.max(coalesce(below.rows, e.rows)) as rows,
    pg_catalog.string_agg(pg_catalog.format(
      '%%s %%s %%%%', pg_catalog.quote_ident(a.attname), pg_catalog.round((100 * e.null_frac)::numeric)
    ), ', ' order by pg_catalog.array_position(i.indkey::int2[], e.attnum)) as list
  from empty e
  left join lateral (
    select pg_catalog.sum(greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0))::float8 as rows
    from partitions p
    join pg_catalog.pg_class c on c.oid = p.oid and c.relkind <> 'p'
    where p.root = e.oid
  ) below on e.relkind = 'p'
  join pg_catalog.pg_index i on i.indrelid = e.oid and e.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  join pg_catalog.pg_attribute a on a.attrelid = e.oid and a.attnum = e.attnum
  where coalesce(below.rows, e.rows) >= 1000
    and i.indisvalid and i.indislive and i.indpred is null and i.indexprs is null
    and not (i.indisunique or i.indisexclusion or i.indisreplident or ic.relispartition)
    and am.amname in ('btree', 'gist', 'spgist')
  group by i.indexrelid, i.indnkeyatts
  having pg_catalog.count(*) = i.indnkeyatts
),
test as materialized (
  select
    p.relation, p."column",
    pg_catalog.bool_or(p.op = 'null') as asked,
    pg_catalog.bool_or(p.op = 'order') as sorted
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(relation oid, "column" int2, op text, expression text)
  where p.op in ('null', 'order') and coalesce(p.expression, '') = ''
  group by p.relation, p."column"
),
named as (
  select
    j.*,
    i.indrelid, i.indkey, i.indisclustered,
    ic.relname, ins.nspname as schema,
    pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as q, t.relkind as table_kind,
    a.attname as column,
    pg_catalog.substr(def.text, pg_catalog.length(def.head) + 1) as rest,
    case
      when pg_catalog.octet_length(wish.name) > 63
        or exists (select from pg_catalog.pg_class c where c.relname = wish.name and c.relnamespace = ic.relnamespace)
      then pg_catalog.left(ic.relname, 10) || '_' || pg_catalog.left(pg_catalog.md5(ic.relname), 8) || '_not_null'
      else wish.name
    end as name
  from judged j
  join pg_catalog.pg_index i on i.indexrelid = j.indexrelid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_namespace ins on ins.oid = ic.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  cross join lateral (values (
    pg_catalog.pg_get_indexdef(j.indexrelid),
    pg_catalog.format('CREATE INDEX %%I ON ', ic.relname) || case t.relkind when 'p' then 'ONLY ' else '' end
  )) def(text, head)
  cross join lateral (values (ic.relname || '_not_null')) wish(name)
)
select
  pg_catalog.format('%%I.%%I', n.schema, n.relname) as object,
  n.q as relation,
  'routine' as level,
  pg_catalog.format(
    'null in %%s of %%s rows; %%s',
    n.list,
    pg_catalog.to_char(n.rows, 'FM999,999,999,999,990'),
    case when size.pages >= 128
      then pg_catalog.round(size.pages * pg_catalog.current_setting('block_size')::numeric / 1048576) || ' MB'
      else size.pages * pg_catalog.current_setting('block_size')::int8 / 1024 || ' kB' end
  ) as detail,
  pg_catalog.format(
    E'create index %%1$s%%2$I on %%3$s where (%%4$I is not null);\ndrop index %%1$s%%5$I.%%6$I;',
    case n.table_kind when 'p' then '' else 'concurrently ' end, n.name, n.rest, n.column, n.schema, n.relname
  ) as remedy,
  case n.table_kind when 'p'
    then 'Indexes of a partitioned table are neither built nor dropped concurrently by one statement; pgrunbook''s '
      || 'migration builds partition by partition, and attaches them.'
    else '' end as advice,
  case
    when t.asked then pg_catalog.format('A statement that is known asks whether %%I is null.', n.column)
    when t.sorted then pg_catalog.format('A statement that is known sorts by %%I, perhaps with the nulls.', n.column)
    when n.indisclustered then 'CLUSTER orders the table by it, which a partial index can''t do.'
    else ''
  end as doubt,
  size.pages * pg_catalog.current_setting('block_size')::float8 * n.least as weight
from named n
cross join lateral (
  select pg_catalog.sum(c.relpages)::int8 as pages
  from pg_catalog.pg_class c
  where c.oid = any (array(
    select n.indexrelid
    union all
    select h.inhrelid from pg_catalog.pg_inherits h where h.inhparent = n.indexrelid and n.table_kind = 'p'
  ))
) size
left join test t on t.relation = n.indrelid and t."column" = n.indkey[0]
order by 8 desc, 1
