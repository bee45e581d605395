-- Prepared transactions hold their locks and snapshot until somebody ends them; they have no session to ask.
select
  p.gid,
  p.owner::text as role,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::float8 as seconds
from pg_catalog.pg_prepared_xacts p
where p.database = pg_catalog.current_database()
order by p.prepared, p.gid
