-- What the role lacks to change some relations: it has to own them.
select
  t.name as relation,
  pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
  pg_catalog.pg_has_role(c.relowner, 'usage') as owns
from pg_catalog.unnest(%(relations)s::text[]) t(name)
join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(t.name)
order by t.name
