-- What functions of these names may be: whether one is an aggregate, and whether an index may hold a call of each.
select
  p.proname::text as name,
  pg_catalog.bool_or(p.prokind = 'a') as aggregate,
  pg_catalog.bool_and(p.prokind = 'f' and p.provolatile = 'i') as immutable
from pg_catalog.pg_proc p
where p.proname = any (%(names)s::name[])
group by p.proname
order by 1
