-- The texts of some statements. With the extension's schema as the search path.
select s.queryid::text as id, pg_catalog.min(s.query) as text
from pg_stat_statements(true) s
where s.dbid = %(database)s::int8::oid and s.queryid::text = any(%(ids)s::text[])
group by s.queryid
order by 1
