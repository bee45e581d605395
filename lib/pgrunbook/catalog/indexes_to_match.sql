-- The indexes and foreign keys of a table, for a partition to have each of: what lacks would be made as it is attached.
select i.indexrelid::int8 as oid, coalesce(k.contype::text, '') as type, pg_catalog.pg_get_indexdef(i.indexrelid) as definition
from pg_catalog.pg_index i
left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
where i.indrelid = pg_catalog.to_regclass(%(name)s) and i.indislive
  and (i.indisvalid or not %(valid)s::boolean)
union all
select 0, 'f', pg_catalog.pg_get_constraintdef(k.oid)
from pg_catalog.pg_constraint k
where k.conrelid = pg_catalog.to_regclass(%(name)s) and k.contype = 'f'
order by 2, 3
