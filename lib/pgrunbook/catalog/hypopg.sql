-- Where hypopg is: the schema of its functions where it is installed, empty where it only could be.
select coalesce(n.nspname::text, '') as schema, a.default_version as version
from pg_catalog.pg_available_extensions a
left join pg_catalog.pg_extension e on e.extname = a.name
left join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where a.name = 'hypopg'
order by 1
