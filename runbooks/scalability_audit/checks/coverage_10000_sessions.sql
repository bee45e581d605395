/*---
title = "30 days and 10,000 sessions are 7,200,000 iterations, and hourly_coverage() answers as they do"
writes = true
after_rollback = false # without the change it would hold the loops against themselves
---*/
create temporary table probe_coverage on commit drop as
with newest as (
    select max(s.started_at) as now, (max(s.started_at) at time zone 'UTC')::date as day
    from agent_sessions as s
)
select s.organization_id as org, n.now, n.day - 29 as from_day, n.day as to_day, count(*) as sessions
from newest as n
join agent_sessions as s
    on s.started_at < (n.day + 1)::timestamp at time zone 'UTC'
    and (s.ended_at > (n.day - 29)::timestamp at time zone 'UTC' or s.ended_at is null)
group by s.organization_id, n.now, n.day
having count(*) <= 10000
order by count(*) desc, s.organization_id
limit 1;

-- The sandbox holds 10,000 from scale 1 on. What lacks elsewhere is made here, spread over the range, and rolled back.
insert into agent_sessions (agent_id, organization_id, started_at, ended_at)
select a.id, p.org, t.started_at, t.started_at + make_interval(mins => 20 + i % 300)
from probe_coverage as p
cross join lateral (select g.id from agent_profiles as g where g.organization_id = p.org order by g.id limit 1) as a
cross join lateral generate_series(1, (10000 - p.sessions)::integer) as i
cross join lateral (
    select p.from_day::timestamp at time zone 'UTC' + make_interval(secs => i * (2572000.0 / (10000 - p.sessions)))
) as t (started_at);

create temporary table probe_coverage_loops on commit drop as
select c.*
from probe_coverage as p
cross join lateral hourly_coverage_by_iteration(p.org, p.from_day, p.to_day, 'UTC', p.now) as c;

select 'nothing to try it with: no organisation has sessions' as fault
where not exists (select from probe_coverage)
union all
select sum(l.iterations)::text || ' iterations, not 7200000'
from probe_coverage_loops as l
having sum(l.iterations) <> 7200000
union all
select pg_catalog.concat('hour ', coalesce(f.hour, l.hour), ': ', f.agent_minutes, ' minutes instead of ', l.agent_minutes)
from probe_coverage as p
cross join lateral hourly_coverage(p.org, p.from_day, p.to_day, 'UTC', p.now) as f
full join probe_coverage_loops as l using (hour)
where (f.agent_minutes, f.average_agents) is distinct from (l.agent_minutes, l.average_agents);
