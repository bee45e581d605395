-- Of some names those that belong to volatile functions alone: such a call may write, or give another answer each time.
select p.proname::text as name
from pg_catalog.pg_proc p
where p.proname = any (%(names)s::text[])
group by p.proname
having pg_catalog.bool_and(p.provolatile = 'v')
order by 1
