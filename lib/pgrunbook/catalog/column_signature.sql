-- A column's definition in the catalog's spelling, and whether it may be null. What a sequence of its own gives
-- (serial, identity) is told by the sequence's settings, since its name differs from table to table.
select
  pg_catalog.concat_ws(' ',
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::pg_catalog.regcollation::text end,
    case
      when s.seqrelid is null then 'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      else pg_catalog.concat_ws(' ', 'default of its own sequence', s.seqtypid::pg_catalog.regtype, s.seqstart,
        s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
    end,
    nullif(a.attidentity::text, ''),
    nullif(a.attgenerated::text, ''),
    nullif(pg_catalog.to_jsonb(a) ->> 'attcompression', '')
  ) as definition,
  a.attnotnull and not exists (
    select from pg_catalog.pg_constraint n
    where n.conrelid = a.attrelid and n.contype = 'n' and n.conkey = array[a.attnum] and not n.convalidated
  ) as not_null
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join (
  pg_catalog.pg_depend o
  join pg_catalog.pg_sequence s on s.seqrelid = o.objid
) on o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and o.refobjid = a.attrelid and o.refobjsubid = a.attnum and o.deptype in ('a', 'i')
  and (a.attidentity <> '' or pg_catalog.pg_get_expr(d.adbin, d.adrelid) like 'nextval(%%')
where a.attrelid = pg_catalog.to_regclass(%(table)s)
  and a.attname = %(column)s and a.attnum > 0 and not a.attisdropped
order by a.attnum
