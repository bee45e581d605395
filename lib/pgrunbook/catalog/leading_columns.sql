-- The table and the first column of some indexes; of an expression the first column in it.
select
  asked.name,
  i.indrelid::int8 as relation,
  a.attname::text as column
from pg_catalog.unnest(%(names)s::text[]) asked(name)
join pg_catalog.pg_index i on i.indexrelid = pg_catalog.to_regclass(asked.name)
cross join lateral (
  select coalesce(nullif(i.indkey[0], 0), (
    select d.refobjsubid from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
      and d.refobjid = i.indrelid and d.refobjsubid > 0
    order by d.refobjsubid limit 1
  )) as attnum
) first
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = first.attnum
order by 1
