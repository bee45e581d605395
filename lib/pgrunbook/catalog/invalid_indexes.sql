-- Of some indexes those that a build left invalid, and that can be built anew, with their CREATE INDEX.
select asked.name, pg_catalog.pg_get_indexdef(i.indexrelid) as definition
from pg_catalog.unnest(%(names)s::text[]) asked(name)
join pg_catalog.pg_index i on i.indexrelid = pg_catalog.to_regclass(asked.name)
join pg_catalog.pg_class c on c.oid = i.indexrelid
where not i.indisvalid and c.relkind = 'i' and not c.relispartition
  and not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid)
order by 1
