-- An extended statistics object, as the statement that makes it. Run with search_path = pg_catalog.
select pg_get_statisticsobjdef(s.oid) as definition
from pg_statistic_ext s
join pg_namespace n on n.oid = s.stxnamespace
where n.nspname = %(schema)s and s.stxname = %(name)s
order by s.oid
