-- Whether a table's rows are secured, for its owner as well, and the table's policies.
select
  c.relrowsecurity as enabled,
  c.relforcerowsecurity as forced,
  array(
    select p.polname::text from pg_catalog.pg_policy p where p.polrelid = c.oid order by p.polname
  ) as policies
from pg_catalog.pg_class c
where c.oid = pg_catalog.to_regclass(%(relation)s)
order by c.oid
