-- The storage parameters of a relation, those of its TOAST table as toast.NAME.
select coalesce(c.reloptions, '{}')::text[] || array(
  select 'toast.' || o.option
  from pg_catalog.unnest(t.reloptions) with ordinality o(option, n)
  order by o.n
) as options
from pg_catalog.pg_class c
left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
where c.oid = pg_catalog.to_regclass(%(relation)s)
order by c.oid
