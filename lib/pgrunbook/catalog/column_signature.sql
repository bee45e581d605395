-- A column's definition in the catalog's spelling.
select pg_catalog.concat_ws(' ',
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::pg_catalog.regcollation::text end,
  case when a.attnotnull then 'not null' end,
  'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid),
  nullif(a.attidentity::text, ''),
  nullif(a.attgenerated::text, '')
) as definition
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = pg_catalog.to_regclass(%(table)s)
  and a.attname = %(column)s and a.attnum > 0 and not a.attisdropped
order by a.attnum
