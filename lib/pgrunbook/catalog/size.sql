-- The database's size, and since when its statistics count.
select
  pg_catalog.pg_database_size(pg_catalog.current_database()) as bytes,
  coalesce(pg_catalog.to_char(d.stats_reset at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), 'the database was made') as since
from pg_catalog.pg_stat_database d
where d.datname = pg_catalog.current_database()
order by 1
