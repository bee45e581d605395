-- Whether a type is a domain with constraints, its own or those of the domains it stands on: a column of it
-- makes the server rewrite the table.
with recursive domain as (
  select t.oid, t.typbasetype, t.typnotnull
  from pg_catalog.pg_type t
  where t.oid = pg_catalog.to_regtype(%(type)s) and t.typtype = 'd'
  union all
  select t.oid, t.typbasetype, t.typnotnull
  from domain d
  join pg_catalog.pg_type t on t.oid = d.typbasetype and t.typtype = 'd'
)
select coalesce(pg_catalog.bool_or(
  d.typnotnull or exists (select from pg_catalog.pg_constraint c where c.contypid = d.oid)
), false) as found
from domain d
order by 1
