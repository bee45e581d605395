/*---
title = "Bloated index"
group = "indexes"
says = """
The B-tree takes far more space than its entries need: every read of it and every backup carries that along, and less of
it fits the cache. Told of indexes from 1 MB.

Measured with pgstattuple, where the extension is there and the role may use it, on up to 256 MB of indexes, those first
that look worst: their pages, the emptied ones counted in, are filled to less than 50 % (or as much less of a lower
fillfactor). Else estimated, from the number of entries, the widths of the columns that ANALYZE found, and what
deduplication saves: more than twice the size expected, and 10 MB wasted. Important from 1 GB wasted, else routine.
"""
mend = "REINDEX INDEX CONCURRENTLY, which needs room for the new index beside the old one. VACUUM gives little back."
doubt = """
An index whose rows come and go grows back to its size: then the space is in use, and lowering the churn (or more
frequent vacuuming) helps more than rebuilding. An estimate may be wrong by half where widths vary much.
"""
---*/
-- pgstatindex is reached through ts_stat, which runs a query given as text: without the extension it is never run. It
-- reads the whole index, hence the 256 MB. The estimate of an entry: 8 bytes of header, its columns aligned to 8 bytes,
-- 4 bytes in the page; equal ones share that and have 6 bytes each. Of the repetitions that the number of distinct
-- values promises a quarter is believed, since that number is often too low.
with rel as materialized (
  select
    c.oid, n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q, c.reltuples::float8 as rows
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
ind as materialized (
  select
    i.indexrelid, i.indrelid, i.indkey, i.indnatts, i.indisunique, i.indisexclusion,
    rel.nspname, rel.relname as table_name, rel.q, rel.rows,
    n.nspname as schema, ic.relname, ic.relpages::float8 as pages, ic.reltuples::float8 as entries,
    pg_catalog.format('%%I.%%I', n.nspname, ic.relname) as object,
    coalesce(pg_catalog.substring(opt.list, 'fillfactor=(\d+)')::float8, 90) as fillfactor,
    coalesce(opt.list, '') !~* 'deduplicate_items=(off|false|no|0)' and i.indnatts = i.indnkeyatts as deduplicates
  from rel
  join pg_catalog.pg_index i on i.indrelid = rel.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = ic.relnamespace
  join pg_catalog.pg_am am on am.oid = ic.relam
  cross join lateral (values (pg_catalog.array_to_string(ic.reloptions, ' '))) opt(list)
  where ic.relpages >= 128 and am.amname = 'btree' and i.indisvalid and i.indislive
),
columns as materialized (
  select
    ind.indexrelid,
    pg_catalog.count(*) filter (where s.avg_width is null and a.attlen < 0) as unknown,
    pg_catalog.sum(
      pg_catalog.ceil(coalesce(s.avg_width, a.attlen) * (1 - coalesce(s.null_frac, 0)) / align.n) * align.n
    ) as width,
    pg_catalog.max(coalesce(s.null_frac, 0)) as null_frac,
    -- their product, as if the columns had nothing to do with each other: rather too many
    pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(greatest(1, case
      when s.n_distinct < 0 then -s.n_distinct * ind.rows
      when s.n_distinct > 0 then s.n_distinct
      else ind.rows
    end)))) as values,
    pg_catalog.bool_and(t.typname not in ('numeric', 'float4', 'float8', 'jsonb')) as image
  from ind
  cross join lateral pg_catalog.generate_series(1, ind.indnatts) k
  join pg_catalog.pg_attribute a on a.attrelid = ind.indexrelid and a.attnum = k
  join pg_catalog.pg_type t on t.oid = a.atttypid
  cross join lateral (
    values (case a.attalign when 'd' then 8.0 when 'i' then 4.0 when 's' then 2.0 else 1.0 end)
  ) align(n)
  left join lateral (
    select
      case ind.indkey[k - 1] when 0 then ind.schema else ind.nspname end as schema,
      case ind.indkey[k - 1] when 0 then ind.relname else ind.table_name end as holder,
      case ind.indkey[k - 1] when 0 then a.attname else x.attname end as column
    from (select) one
    left join pg_catalog.pg_attribute x on x.attrelid = ind.indrelid and x.attnum = ind.indkey[k - 1] and x.attnum <> 0
    offset 0
  ) w on true
  left join lateral (
    select s.avg_width::float8, s.null_frac, s.n_distinct
    from pg_catalog.pg_stats s
    where s.schemaname = w.schema and s.tablename = w.holder and s.attname = w.column and not s.inherited
    offset 0
  ) s on true
  group by ind.indexrelid
),
estimate as materialized (
  select
    ind.*,
    case when c.unknown = 0 and ind.entries > 0
      then 2 + pg_catalog.ceil(1.01 * ind.entries * case
        when ind.deduplicates and c.image and repeats.n > 1
          then 6 + (4 + 8 + 8 * pg_catalog.ceil(c.width / 8)) / least(repeats.n, 200)
        else 4 + 8 * pg_catalog.ceil((case when c.null_frac > 0 then 16 else 8 end + c.width) / 8)
      end / (8152 * ind.fillfactor / 100))
    end as expected
  from ind
  join columns c on c.indexrelid = ind.indexrelid
  cross join lateral (
    values (case when ind.indisunique then 1 else ind.entries / greatest(least(c.values, ind.entries), 1) / 4 end)
  ) repeats(n)
),
extension as (
  select pg_catalog.format('%%I.%%I', n.nspname, p.proname) as function
  from pg_catalog.pg_extension x
  join pg_catalog.pg_depend d
    on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = x.oid and d.deptype = 'e'
    and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  join pg_catalog.pg_proc p on p.oid = d.objid and p.proname = 'pgstatindex' and p.pronargs = 1
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where x.extname = 'pgstattuple' and p.proargtypes[0] = 'pg_catalog.regclass'::pg_catalog.regtype
    and pg_catalog.has_function_privilege(p.oid, 'execute') and pg_catalog.has_schema_privilege(n.oid, 'usage')
),
worst as (
  select
    e.indexrelid,
    pg_catalog.sum(e.pages) over (order by e.pages - coalesce(e.expected, 0) desc, e.indexrelid) as total
  from estimate e
),
measured as materialized (
  select w.parts[1]::oid as indexrelid, w.parts[2]::float8 as pages, w.parts[3]::float8 as filled
  from extension x
  cross join lateral pg_catalog.ts_stat(pg_catalog.format(
    'select pg_catalog.array_to_tsvector(array[pg_catalog.concat_ws('':'', i.oid,'
    ' s.leaf_pages + s.empty_pages + s.deleted_pages,'
    ' case when s.leaf_pages > 0 then s.avg_leaf_density * s.leaf_pages else 0 end)])'
    ' from pg_catalog.unnest(%%L::pg_catalog.oid[]) i(oid)'
    ' cross join lateral %%s(i.oid::pg_catalog.regclass) s',
    array(select indexrelid from worst where total <= 32768), x.function
  )) t
  cross join lateral (values (pg_catalog.string_to_array(t.word, ':'))) w(parts)
),
told as (
  select
    e.*,
    m.indexrelid is not null as measured,
    m.filled / nullif(m.pages, 0) as density,
    case when m.indexrelid is null then e.pages - e.expected else m.pages - m.filled / e.fillfactor end
      * pg_catalog.current_setting('block_size')::float8 as wasted
  from estimate e
  left join measured m on m.indexrelid = e.indexrelid
  where case when m.indexrelid is null
    then e.pages > 2 * e.expected
      and (e.pages - e.expected) * pg_catalog.current_setting('block_size')::float8 >= 10485760
    else m.filled < m.pages * e.fillfactor * 50 / 90 end
)
select
  t.object,
  t.q as relation,
  case when t.wasted >= 1073741824 then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s MB, of which %%s MB are wasted: %%s',
    pg_catalog.round((t.pages * pg_catalog.current_setting('block_size')::float8 / 1048576)::numeric, 1),
    pg_catalog.round((t.wasted / 1048576)::numeric, 1),
    case when t.measured
      then pg_catalog.format('pgstatindex finds its pages filled to %%s %%%%', pg_catalog.round(t.density::numeric))
      else pg_catalog.format(
        'estimated, from %%s entries of the widths that ANALYZE found',
        pg_catalog.to_char(t.entries, 'FM999,999,999,999,990')) end
  ) as detail,
  pg_catalog.format(
    'reindex index %%s%%s;', case when t.indisexclusion then '' else 'concurrently ' end, t.object
  ) as remedy,
  case when t.indisexclusion
    then 'The index of an exclusion constraint can''t be rebuilt concurrently: writes wait for it.'
    else '' end as advice,
  '' as doubt,
  t.wasted as weight
from told t
order by 8 desc, 1
