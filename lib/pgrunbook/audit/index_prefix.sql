/*---
title = "Index that is the beginning of another"
group = "indexes"
says = """
The columns of the index are the first columns of another B-tree of the table, with the same order of values and nulls
(or all of them reversed), collations, operator classes and condition; what it includes, the other has too. The longer
one finds the same rows in the same order. Routine. A unique index is not told: that no two rows are equal is a rule of
its own.

The other way about, an index may begin with all the columns of a unique one: that one finds the only row already, and
further columns add nothing to it. Noted, unless a statement is known that orders by them.
"""
mend = "Drop the shorter one concurrently, or the longer one where a unique index does its work."
doubt = """
The shorter index is smaller, and so stays in the cache and is quicker to read; where the longer one has wide columns
and the shorter is read very often, both may be right. The longer of two may be there for index-only scans.
"""
---*/
-- An option's bits are descending and nulls first: with both turned round the index is read backwards.
with rel as materialized (
  select c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
ind as materialized (
  select
    i.indexrelid, i.indrelid, rel.q, ic.relname, ic.relnamespace, ic.relkind, ic.relpages,
    i.indkey[0] as first, i.indkey::int2[] as keys, i.indnkeyatts as n, i.indnatts,
    -- a slice counts from 1, as all that it is compared with
    (i.indclass::oid[])[0:] as classes, (i.indcollation::oid[])[0:] as collations, (i.indoption::int2[])[0:] as options,
    i.indexprs, i.indpred, i.indisunique, i.indisclustered,
    i.indisunique or i.indisexclusion or i.indisreplident or ic.relispartition as stays
  from rel
  join pg_catalog.pg_index i on i.indrelid = rel.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  where i.indisvalid and i.indislive and am.amname = 'btree'
),
-- a is the shorter one, b the longer one; texts of expressions and conditions are made for such pairs alone
pair as materialized (
  select a.indexrelid as short, b.indexrelid as long, a.indisunique
  from ind a
  join ind b on b.indrelid = a.indrelid and b.first = a.first
  where a.indexrelid <> b.indexrelid
    and b.n >= a.n and (b.n > a.n or b.indnatts > a.indnatts)
    and a.keys[0:a.n - 1] = b.keys[0:a.n - 1]
    and a.classes = b.classes[1:a.n]
    and a.collations = b.collations[1:a.n]
    and (case when a.indisunique then b.n > a.n and not b.stays
      else not a.stays and (a.indnatts = a.n or a.keys[a.n:] <@ b.keys) end)
    and (a.indpred is null) = (b.indpred is null)
),
equal as materialized (
  select p.*
  from pair p
  join ind a on a.indexrelid = p.short
  join ind b on b.indexrelid = p.long
  where coalesce(pg_catalog.pg_get_expr(a.indpred, a.indrelid) = pg_catalog.pg_get_expr(b.indpred, b.indrelid), true)
    and (a.indisunique or a.options = b.options[1:a.n] or a.options = array(
      select (3 - o)::int2 from pg_catalog.unnest(b.options[1:a.n]) with ordinality u(o, k) order by k
    ))
    and (a.indexprs is null or not exists (
      select
      from pg_catalog.generate_series(1, a.n) k
      where a.keys[k - 1] = 0
        and pg_catalog.pg_get_indexdef(a.indexrelid, k, false) <> pg_catalog.pg_get_indexdef(b.indexrelid, k, false)
    ))
),
ordered as materialized (
  select distinct p.relation, p."column"
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(relation oid, "column" int2, op text)
  where p.op = 'order'
),
told as (
  select e.short as target, e.long as other, 'routine' as level
  from equal e
  where not e.indisunique
  union all
  select e.long, e.short, 'noted'
  from equal e
  join ind a on a.indexrelid = e.short
  join ind b on b.indexrelid = e.long
  where e.indisunique
    and not exists (
      select from ordered o where o.relation = b.indrelid and o."column" = any (b.keys[a.n:b.n - 1])
    )
    and not exists (  -- the longer one covers a foreign key of more columns
      select
      from pg_catalog.pg_constraint f
      where f.contype = 'f' and f.conrelid = b.indrelid and pg_catalog.cardinality(f.conkey) between a.n + 1 and b.n
        and b.keys[0:pg_catalog.cardinality(f.conkey) - 1] @> f.conkey
        and b.keys[0:pg_catalog.cardinality(f.conkey) - 1] <@ f.conkey
    )
),
chosen as (
  select distinct on (t.target) t.*
  from told t
  join ind o on o.indexrelid = t.other
  order by t.target, t.level desc, o.stays desc, o.n, t.other
),
scans as (
  select
    c.*,
    pg_catalog.pg_stat_get_numscans(c.target) as own,
    pg_catalog.pg_stat_get_numscans(c.other) as others
  from chosen c
)
select
  pg_catalog.format('%%I.%%I', n.nspname, i.relname) as object,
  i.q as relation,
  s.level,
  pg_catalog.format(
    case s.level
      when 'routine' then '%%s is the beginning of %%I %%s; %%s'
      else '%%s begins with all columns of %%I %%s, which is unique and finds one row at most; %%s'
    end,
    pg_catalog.substring(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING btree (.*)$'),
    o.relname,
    pg_catalog.substring(pg_catalog.pg_get_indexdef(o.indexrelid), ' USING btree (.*)$'),
    case
      when i.relkind = 'I' then 'partitioned'
      when i.relpages >= 128
      then pg_catalog.round(i.relpages * pg_catalog.current_setting('block_size')::numeric / 1048576) || ' MB'
      else i.relpages * pg_catalog.current_setting('block_size')::int8 / 1024 || ' kB'
    end
  ) as detail,
  pg_catalog.format(
    'drop index %%s%%I.%%I;', case i.relkind when 'I' then '' else 'concurrently ' end, n.nspname, i.relname
  ) as remedy,
  case i.relkind when 'I'
    then 'A partitioned index can''t be dropped concurrently: the table and its partitions are locked for a moment.'
    else '' end as advice,
  case
    when i.indisclustered then 'CLUSTER orders the table by this one: name the other to it first.'
    when s.level = 'routine' and s.own > 0 and s.others = 0 and not o.stays
      then pg_catalog.format(
        '%%I, the longer one, was never read while this one was, %%s times: rather drop that one; never both.',
        o.relname, pg_catalog.to_char(s.own, 'FM999,999,999,990'))
    when s.level = 'routine' and i.relpages >= 128 and o.relpages >= 4 * i.relpages
      then pg_catalog.format(
        '%%I is %%s times as large: where this one is read very often, both may be right.',
        o.relname, o.relpages / i.relpages)
    when s.level = 'noted' and s.own > 0
      then pg_catalog.format(
        'It was read %%s times: for its order, or for index-only scans.',
        pg_catalog.to_char(s.own, 'FM999,999,999,990'))
    when s.level = 'noted' and exists (
      select
      from pg_catalog.pg_attribute a
      where a.attrelid = o.indrelid and a.attnum = any (o.keys[0:o.n - 1]) and not a.attnotnull
    ) then 'Columns of the unique index may be null, and nulls do not count as equal: of those there may be many rows.'
    else ''
  end as doubt,
  i.relpages * pg_catalog.current_setting('block_size')::float8 as weight
from scans s
join ind i on i.indexrelid = s.target
join ind o on o.indexrelid = s.other
join pg_catalog.pg_namespace n on n.oid = i.relnamespace
order by 8 desc, 1
