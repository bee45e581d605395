-- Where the counters of a run's snapshots begin anew: the snapshot after it, the one before, and what happened in between.
-- They follow one another by their numbers: a clock may be set back.
select m.id, m.taken_at, m.before, m.server_started, m.moved, m.upgraded, m.restarted, m.reset, m.statements_reset, m.lost
from (
  select
    s.id,
    s.taken_at,
    s.server_started,
    pg_catalog.lag(s.taken_at) over w as before,
    s.system_identifier is distinct from pg_catalog.lag(s.system_identifier) over w as moved,
    s.version is distinct from pg_catalog.lag(s.version) over w as upgraded,
    s.server_started is distinct from pg_catalog.lag(s.server_started) over w as restarted,
    s.counted_since is distinct from pg_catalog.lag(s.counted_since) over w as reset,
    s.statements_since is distinct from pg_catalog.lag(s.statements_since) over w as statements_reset,
    s.commits < pg_catalog.lag(s.commits) over w as lost
  from {schema}.snapshot s
  where s.runbook = %(runbook)s and s.run_id = %(run_id)s
  window w as (order by s.id)
) m
where m.before is not null
  and (m.moved or m.upgraded or m.restarted or m.reset or m.statements_reset or m.lost)
order by m.id
