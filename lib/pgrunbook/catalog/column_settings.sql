-- A column of a relation and of all that inherit from it, the relation itself first, with what ALTER COLUMN sets. Run
-- with search_path = pg_catalog, so that what defaults name is qualified. A column of an index goes by its `number`.
with recursive tree(oid, level) as (
  select pg_catalog.to_regclass(%(relation)s)::oid, 0
  union all
  select i.inhrelid, tree.level + 1
  from tree
  join pg_catalog.pg_inherits i on i.inhparent = tree.oid
)
select
  pg_catalog.format('%%I.%%I', n.nspname, c.relname) as relation,
  pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
  coalesce(nullif(a.attcollation, t.typcollation)::pg_catalog.regcollation::text, '') as collation,
  t.typtype::text as sort,
  coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') as default,
  a.attgenerated <> '' as generated,
  a.attidentity <> '' as identity,
  case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end as storage,
  a.attstorage = t.typstorage as usual_storage,
  case pg_catalog.to_jsonb(a) ->> 'attcompression' when 'p' then 'pglz' when 'l' then 'lz4' else 'default' end
    as compression,
  coalesce(a.attstattarget, -1)::int as statistics,
  coalesce(a.attoptions, '{}')::text[] as options
from tree
join pg_catalog.pg_class c on c.oid = tree.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  and case when %(number)s = 0 then a.attname = %(column)s else a.attnum = %(number)s end
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
order by tree.level, c.oid
