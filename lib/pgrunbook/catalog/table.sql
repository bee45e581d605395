-- A table's definition, one row for each part: the table itself, its columns in their order, its constraints but foreign
-- keys and NOT NULL (which is the column's). Run with search_path = pg_catalog, so that what it names is named with its
-- schema. What a sequence of its own gives (serial, identity) is told by the sequence's settings, since its name differs
-- from table to table.
with t as (
  select c.*
  from pg_class c
  where c.oid = to_regclass(%(name)s)
)
select 'table' as part, '' as name,
  concat_ws(' ',
    case relkind when 'r' then 'table' when 'p' then 'partitioned table' else format('a relation of kind %%s', relkind) end,
    'of ' || nullif(reloftype, 0)::regtype::text,
    'partition by ' || case relkind when 'p' then pg_get_partkeydef(t.oid) end,
    pg_get_expr(relpartbound, t.oid),
    'using ' || am.amname,
    'with (' || (select string_agg(x, ', ' order by x collate "C") from unnest(t.reloptions) x) || ')',
    'toast with ('
      || (select string_agg(x, ', ' order by x collate "C")
          from pg_class toast, unnest(toast.reloptions) x where toast.oid = t.reltoastrelid) || ')') as definition,
  relpersistence::text as persistence,
  coalesce((select s.spcname from pg_tablespace s where s.oid = t.reltablespace), '')::text as tablespace,
  array(select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = t.oid order by i.inhseqno) as parents,
  0 as number
from t
left join pg_am am on am.oid = t.relam
union all
select 'column', quote_ident(a.attname),
  concat_ws(' ',
    format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> y.typcollation then 'collate ' || a.attcollation::regcollation::text end,
    case
      when s.seqrelid is null then
        case a.attgenerated when '' then 'default ' else 'generated ' end || pg_get_expr(d.adbin, d.adrelid)
      else concat_ws(' ', 'numbered by its own sequence', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin,
        s.seqmax, s.seqcache, s.seqcycle)
    end,
    nullif(a.attgenerated::text, ''),
    'identity ' || nullif(a.attidentity::text, ''),
    case when a.attnotnull then 'not null' end,
    (
      select 'not valid' from pg_constraint n
      where n.conrelid = a.attrelid and n.contype = 'n' and n.conkey = array[a.attnum] and not n.convalidated),
    case when a.attstorage <> y.typstorage then 'storage ' || a.attstorage::text end,
    'compression ' || nullif(to_jsonb(a) ->> 'attcompression', '')),
  '', '', '{}', a.attnum
from t
join pg_attribute a on a.attrelid = t.oid
join pg_type y on y.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join (
  pg_depend o join pg_sequence s on s.seqrelid = o.objid
) on o.classid = 'pg_class'::regclass and o.refclassid = 'pg_class'::regclass
  and o.refobjid = a.attrelid and o.refobjsubid = a.attnum and o.deptype in ('a', 'i')
  and (a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval(%%')
where a.attnum > 0 and not a.attisdropped
union all
select 'constraint', quote_ident(c.conname),
  concat_ws(' ',
    pg_get_constraintdef(c.oid),
    case when c.contype in ('p', 'u', 'x') then
      'index with (' || (select string_agg(x, ', ' order by x collate "C") from unnest(i.reloptions) x) || ')' end),
  '', coalesce(case when c.contype in ('p', 'u', 'x') then s.spcname end, ''), '{}', 10000
from t
join pg_constraint c on c.conrelid = t.oid
left join pg_class i on i.oid = c.conindid
left join pg_tablespace s on s.oid = i.reltablespace
where c.contype in ('c', 'p', 'u', 'x')
order by number, name
