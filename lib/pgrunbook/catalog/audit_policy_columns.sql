-- The columns of tables that have policies. `varying`: a varchar, or a domain over text, is read as text without a
-- conversion. `few`: a boolean or an enum has only a few values.
select
  a.attrelid::int8 as relation,
  a.attname::text as name,
  a.attnum::int4 as number,
  a.attnotnull as never_null,
  case t.typtype when 'd' then t.typbasetype else t.oid end
    in ('pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype) as varying,
  (t.typtype = 'e' or t.oid = 'pg_catalog.bool'::pg_catalog.regtype) as few
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
where a.attrelid = any (%(relations)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by 1, 3
