-- Who holds an advisory lock of this database.
select a.pid, coalesce(a.application_name, '') as application, coalesce(a.usename::text, '') as role,
  coalesce(pg_catalog.to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'at a time not visible') as since
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
  and (l.classid::int8 << 32 | l.objid::int8) = %(key)s
order by a.pid
limit 1
