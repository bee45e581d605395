-- A function or procedure: the statement that makes it again, and whose it is. Run with search_path = pg_catalog.
select
  case when p.prokind in ('f', 'p') then pg_catalog.pg_get_functiondef(p.oid)
    else case p.prokind when 'a' then 'an aggregate' else 'a window function' end end as definition,
  pg_catalog.pg_get_userbyid(p.proowner)::text as owner,
  pg_catalog.pg_has_role(p.proowner, 'usage') as owns
from pg_catalog.pg_proc p
where p.oid = pg_catalog.to_regprocedure(%(name)s)
order by p.oid
