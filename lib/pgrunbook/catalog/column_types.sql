-- The types of some columns of a table, in the order asked for; one that is not there is left out.
-- `collation` is empty for the type's own; `harmless`: a value of it tells nothing of a person (a number, a uuid, a date).
select
  a.attname as name,
  pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
  coalesce(case when a.attcollation <> t.typcollation then a.attcollation::pg_catalog.regcollation::text end, '') as collation,
  coalesce(nullif(t.typbasetype, 0), t.oid) = any (
    '{int2,int4,int8,uuid,date}'::pg_catalog.regtype[]::oid[]
  ) as harmless
from pg_catalog.unnest(%(names)s::text[]) with ordinality asked(name, position)
join pg_catalog.pg_attribute a on a.attrelid = pg_catalog.to_regclass(%(table)s) and a.attname = asked.name
join pg_catalog.pg_type t on t.oid = a.atttypid
where a.attnum > 0 and not a.attisdropped
order by asked.position
