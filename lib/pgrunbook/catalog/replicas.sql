-- How far the replicas are behind, in seconds; `hidden`: of so many this role may not see it.
select
  coalesce(max(pg_catalog.date_part('epoch', r.replay_lag)), 0)::float8 as seconds,
  coalesce((pg_catalog.array_agg(r.application_name order by r.replay_lag desc nulls last))[1], '') as name,
  pg_catalog.count(*) filter (where r.state is null) as hidden
from pg_catalog.pg_stat_replication r
order by 1
